"""Drafts, citations and their verification."""

"""Streamlit pages that speak REST only."""

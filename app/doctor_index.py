"""Checks of what follows the truth: snapshots and indexes."""

from __future__ import annotations

from app.doctor import Check

INDEX_CHECKS: dict[str, Check] = {}

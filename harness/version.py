"""The version, in the one place that code may read at no cost; pyproject.toml says the same (tests/test_tidy.py)."""

from __future__ import annotations

__all__ = ["VERSION"]

VERSION = "0.1.0"

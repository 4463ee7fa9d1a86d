"""Opaque ids."""

from __future__ import annotations

import secrets


def new_id(prefix: str) -> str:
    """Return ``prefix_`` and 24 random hex digits.

    Examples:
        >>> len(new_id("mem"))
        28
    """
    return f"{prefix}_{secrets.token_hex(12)}"

"""Random draws that depend on what is drawn, not on what was drawn before: two runs differ only where they must."""

from __future__ import annotations

from random import Random


def dice(*parts: object) -> Random:
    """Return a generator seeded by the parts' texts.

    Examples:
        >>> dice(0, "q1").random() == dice(0, "q1").random(), dice(0, "q1").random() == dice(1, "q1").random()
        (True, False)
    """
    return Random("\0".join(map(str, parts)))

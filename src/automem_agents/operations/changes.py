"""Which live records does a text supersede that says, without a key, that something changed?

Rules say which pairs are allowed, a small model that comes with the package how likely each is.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from automem_agents.features.change import CHANGE, HeldBy, certain, change_features, says_changed, view
from automem_agents.operations.chooser import Chooser, shipped
from automem_agents.operations.same import Statement
from automem_agents.text.facts import MOST_CHARS, replaced_value

NEIGHBOURS = 8  # live records that a text is compared with
NEAR = 0.2  # cosine below which they have nothing to do with it
_LONGEST = 20  # words of a record that may be superseded so: of a longer one too much would be lost


def chooser() -> Chooser:
    """Return the model that chooses what an UPDATE supersedes; ``benchmarks/update_chooser.py`` makes it."""
    return shipped("update_chooser", CHANGE)


def may_supersede(new: str) -> bool:
    """Tell whether a text is a plain statement that says that something changed.

    Examples:
        >>> may_supersede("We moved to Oslo"), may_supersede("We might move to Oslo"), may_supersede("I like tea")
        (True, False, False)
    """
    return len(new) <= MOST_CHARS and _says_so(new)


@lru_cache(maxsize=1024)  # asked of each record that a recall shows
def _says_so(new: str) -> bool:
    return (any(says_changed(new)) or replaced_value(new) is not None) and certain(new)


def may_be_superseded(new: str, old: str) -> bool:
    """Tell whether a text may supersede a record: a short plain statement that isn't about another number.

    Examples:
        >>> may_be_superseded("Press 2 is idle now", "Press 2 is running")
        True
        >>> may_be_superseded("Press 2 is idle now", "Press 3 is running")
        False
    """
    if len(old) > MOST_CHARS or not certain(old):
        return False
    seen = view(old)
    return seen.words <= _LONGEST and view(new).ids == seen.ids


def chances(
    new: Statement,
    near: Mapping[int, tuple[Statement, float]],
    held_by: HeldBy,
) -> dict[int, float]:
    """Return how likely it is that each of some records, given with its cosine, is superseded; of those that may be."""
    return {
        seq: chooser().chance(change_features(new.text, old.text, cosine, held_by))
        for seq, (old, cosine) in near.items()
        if old.speaker.casefold() == new.speaker.casefold() and may_be_superseded(new.text, old.text)
    }

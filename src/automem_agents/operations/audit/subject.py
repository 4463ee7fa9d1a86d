"""What checks look at: the memory of one namespace, whether it is ours or another's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from automem_agents.operations.same import Statement
from automem_agents.protocols import Floats
from automem_agents.text.clean import fingerprint
from automem_agents.text.cues import cues
from automem_agents.types import State


class Entry(NamedTuple):
    """A record as a check sees it; None is what isn't known.

    Attributes:
        date: when it was said, as text, or "".
        recorded_at: in microseconds since 1970.
        turn: the seq of its turn.
        nbytes: of its text, vector and metadata.
    """

    id: str
    text: str
    speaker: str
    date: str
    nbytes: int
    role: str = ""
    kind: str = ""
    key: str | None = None
    state: str = State.LIVE
    recorded_at: int | None = None
    turn: int | None = None
    recalled: int = 0
    used: int = 0

    @property
    def statement(self) -> Statement:
        """Who said what, and when."""
        return Statement(self.speaker, self.text, self.date)


class Flag(NamedTuple):
    """A record that a check found, and what is wrong with it."""

    entry: Entry
    why: str


@dataclass(frozen=True)
class Subject:
    """The memory of one namespace.

    Attributes:
        live: records that are recalled, oldest first.
        gone: tombstones, and what was skipped.
        vectors: returns unit vectors (n, dimension) of the live records at some positions.
        unused_since: what was stored before and never used had many recalls to be used in; None if uses aren't known.
        turns: seqs of all turns, in order; None if they aren't known.
        expired: by id, why a record should have been taken out of recall; None if nothing limits them.
        over: how far budgets are exceeded; None if there are none.
    """

    live: Sequence[Entry]
    vectors: Callable[[Sequence[int]], Floats]
    gone: Sequence[Entry] = ()
    unused_since: int | None = None
    turns: Sequence[int] | None = None
    expired: Mapping[str, str] | None = None
    over: Sequence[str] | None = None

    @cached_property
    def alike(self) -> list[list[int]]:
        """Positions of live records without a key that say the same word for word, each group oldest first."""
        groups: dict[tuple[bytes, str], list[int]] = {}
        for at, entry in enumerate(self.live):
            if entry.key is None:  # UPDATE keeps those with one in order
                groups.setdefault((fingerprint(entry.speaker, entry.text), ""), []).append(at)
        for name, group in list(groups.items()):
            if len(group) > 1 and cues(self.live[group[0]].text).time:  # said on other days, it means something else
                del groups[name]
                for at in group:
                    groups.setdefault((name[0], self.live[at].date), []).append(at)
        return list(groups.values())

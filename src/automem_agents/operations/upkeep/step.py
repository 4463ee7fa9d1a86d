"""One change that a pass plans, before it is a decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from automem_agents.journal.records import NewRecord, RecordRow
from automem_agents.types import Action, State

AT_ONCE = 256  # records in one decision: a transaction must not hold up the agent's


@dataclass(frozen=True)
class Step:
    """Records that leave recall, and why.

    Attributes:
        action: EXPIRE is a PRUNE by its reason.
        reason: one line for people.
        gone: records that become tombstones, those that matter least first.
        kept: the live record that stays for them.
        made: the record that is written for them.
        relation: how ``kept`` or ``made`` relates to them.
        for_budget: whether as many fewer go as somebody else took away meanwhile.
        policy: name and version of who chose, where that is another than who was asked.
        stays: records that were worth a little more than those that go.
        values: what each of those that go and of ``stays`` was worth, by seq; empty where that wasn't asked.
    """

    action: Action
    reason: str
    gone: Sequence[RecordRow]
    kept: RecordRow | None = None
    made: NewRecord | None = None
    relation: str = ""
    for_budget: bool = False
    policy: str = ""
    stays: Sequence[RecordRow] = ()
    values: Mapping[int, float] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """What becomes of those that go."""
        return State.FORGOTTEN if self.action is Action.PRUNE else State.SUPERSEDED

    @property
    def op(self) -> str:
        """What the feed of changes says of them."""
        return "forget" if self.action is Action.PRUNE else "supersede"

    def parts(self) -> Iterator[Step]:
        """Yield it as steps that are small enough for one transaction; one that writes a record is never parted."""
        if self.made is not None:
            yield self
            return
        for start in range(0, len(self.gone), AT_ONCE):
            yield replace(self, gone=self.gone[start : start + AT_ONCE])

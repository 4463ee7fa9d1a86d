"""The nouns of the package: what goes into memory, what comes out, and what was decided."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import Any, Literal

from automem_agents.errors import InvalidInput

MAX_ID_LENGTH = 256
_UNSTORABLE = re.compile(r"[\ud800-\udfff\0]")


def checked_id(name: str, value: object) -> str:
    """Return ``value`` as an NFC string, or say what is wrong with it.

    Raises:
        InvalidInput: if it is not a non-empty string of at most 256 encodable characters.
    """
    if not isinstance(value, str):
        raise InvalidInput(f"{name} must be a string, not {type(value).__name__}")
    text = unicodedata.normalize("NFC", value)
    if not text.strip():
        raise InvalidInput(f"{name} must not be empty")
    if len(text) > MAX_ID_LENGTH:
        raise InvalidInput(f"{name} has {len(text)} characters; at most {MAX_ID_LENGTH} are allowed")
    if _UNSTORABLE.search(text):
        raise InvalidInput(f"{name} contains a lone surrogate or NUL, which can't be stored")
    return text


def optional_id(name: str, value: object) -> str | None:
    """Return ``value`` as ``checked_id`` does, or None for None."""
    return None if value is None else checked_id(name, value)


@dataclass(frozen=True)
class Namespace:
    """Whose memory it is. Matching is exact: ``agent_id=None`` is a value, not a wildcard.

    Examples:
        >>> Namespace("ada") == Namespace("ada", agent_id="planner")
        False
    """

    user_id: str
    agent_id: str | None = None
    app: str = "default"

    def __post_init__(self) -> None:
        object.__setattr__(self, "user_id", checked_id("user_id", self.user_id))
        object.__setattr__(self, "app", checked_id("app", self.app))
        if self.agent_id is not None:
            object.__setattr__(self, "agent_id", checked_id("agent_id", self.agent_id))

    @cached_property
    def key(self) -> int:
        """The 63-bit integer under which the journal files this namespace."""
        return _key(self.app, self.user_id, self.agent_id)


@lru_cache(maxsize=1024)  # every call makes its namespace anew
def _key(app: str, user_id: str, agent_id: str | None) -> int:
    name = json.dumps([app, user_id, agent_id], ensure_ascii=False)
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest()) >> 1


class Operation(StrEnum):
    """What kind of decision was taken."""

    READ = "READ"
    WRITE = "WRITE"
    CONSOLIDATE = "CONSOLIDATE"


class Action(StrEnum):
    """What was chosen. RETRIEVE shows a set of records; SKIP and NONE do nothing."""

    SKIP = "SKIP"
    RETRIEVE = "RETRIEVE"
    ADD = "ADD"
    UPDATE = "UPDATE"
    MERGE = "MERGE"
    NONE = "NONE"
    DEDUPE = "DEDUPE"
    PRUNE = "PRUNE"
    SUMMARISE = "SUMMARISE"


class State(StrEnum):
    """Where a record stands. Only live records are recalled; the others are tombstones, or were never stored (skipped)."""

    LIVE = "live"
    SUPERSEDED = "superseded"
    FORGOTTEN = "forgotten"
    SKIPPED = "skipped"


STORED = (State.LIVE, State.SUPERSEDED, State.FORGOTTEN)


class OutcomeKind(StrEnum):
    """What can go wrong in an agent's turn."""

    TOOL_ERROR = "tool_error"
    EXCEPTION = "exception"
    INVALID_OUTPUT = "invalid_output"


@dataclass(frozen=True)
class Outcome:
    """Something that went wrong in a turn, as it was seen from outside; handed to ``observe``.

    Attributes:
        kind: a tool that failed, an exception that ended the run, or an answer that didn't fit its schema.
        name: of the tool, the exception's class or the schema; never a message, which may quote anybody.

    Raises:
        InvalidInput: if the kind is unknown or the name is unusable.

    Examples:
        >>> Outcome("tool_error", "search").kind
        <OutcomeKind.TOOL_ERROR: 'tool_error'>
    """

    kind: OutcomeKind
    name: str = ""

    def __post_init__(self) -> None:
        if self.kind not in list(OutcomeKind):
            raise InvalidInput(f"kind must be one of {', '.join(OutcomeKind)}, not {self.kind!r}")
        object.__setattr__(self, "kind", OutcomeKind(self.kind))
        if self.name != "":
            object.__setattr__(self, "name", checked_id("name", self.name))


ROLES = ("user", "assistant", "system", "developer", "tool", "function")
SOURCES = ("user", "assistant", "tool", "web", "consolidated")
TRUST: Mapping[str, float] = {
    "user": 1.0, "assistant": 0.8, "consolidated": 0.8, "tool": 0.4, "web": 0.3,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MemoryRecord:
    """One stored unit of memory.

    Attributes:
        id: opaque id, ``mem_…``.
        text: what is remembered, without speaker and date.
        tokens: cost of ``speaker (date): text`` in tokens.
        role, speaker: who said it; ``speaker`` is the role where no name was given.
        session, run_id, turn_id: where it was said.
        position, segment: its message in the turn, and its place in that message, from 0.
        key: at most one live record of a namespace has a given key.
        source, trust: where it came from, and how far to trust it, 0 to 1.
        occurred_at, date_text: when it happened, if known; ``date_text`` as the source gave it.
        valid_from, valid_to: when it was believed; ``valid_to`` is None while it is live.
        parents: ids of the records it replaced or was made from.
        recalled, used: how often it was shown, and how often an answer used it.
    """

    id: str
    namespace: Namespace
    text: str
    tokens: int
    role: str
    speaker: str
    run_id: str | None
    session: str | None
    turn_id: str | None
    position: int
    segment: int
    kind: str
    key: str | None
    source: str
    trust: float
    occurred_at: datetime | None
    date_text: str | None
    recorded_at: datetime
    valid_from: datetime
    valid_to: datetime | None
    state: State
    parents: tuple[str, ...]
    metadata: Mapping[str, Any]
    recalled: int
    used: int


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A record that was found, and why.

    Attributes:
        score: value of the ranking rule; only comparable within one query.
        lexical, dense: the BM25 score (0 and up) and the cosine (-1 to 1) of the query and the record.
        ref: the short id under which ``Recall.text`` shows it (``m1``), or ``""``.
    """

    record: MemoryRecord
    score: float
    lexical: float
    dense: float
    ref: str = ""
    seq: int = field(default=0, repr=False)


@dataclass(frozen=True, kw_only=True)
class Recall:
    """What a READ returned.

    Attributes:
        text: a fenced block to put into the prompt; ``""`` when nothing is worth its tokens.
        hits: the records in it, best first.
        tokens: cost of ``text``, never more than the ``max_tokens`` asked for.
        token: the decision's id; pass it to ``feedback`` or ``explain``, also later and elsewhere.
        fallback: why memory could not answer (deadline, breaker, failure), or None.
    """

    text: str
    hits: tuple[Hit, ...]
    tokens: int
    token: str
    fallback: str | None = None

    @property
    def records(self) -> tuple[MemoryRecord, ...]:
        """The recalled records, best first."""
        return tuple(hit.record for hit in self.hits)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A record that a READ considered, or that a PRUNE compared with others.

    Attributes:
        position: rank by the policy's score, from 0; of a PRUNE, the least valuable first.
        tokens: what showing it would have cost.
        shown: whether it was; of a PRUNE, whether it stayed.
        inclusion_p: probability with which the policy would choose it.
        features: name to value, as the policy saw them.
        reward: what credit assignment gave it later, or None.
        value: what a PRUNE took it to be worth; None of a READ.
    """

    record_id: str
    position: int
    tokens: int
    shown: bool
    inclusion_p: float
    used: bool
    reward: float | None
    features: Mapping[str, float]
    value: float | None = None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One choice of the memory, SKIPs included.

    Attributes:
        legal: the actions the rules allowed.
        propensity: probability with which the policy took ``action``.
        policy: name and version, e.g. ``rules@1``; ``user`` for what was asked for explicitly.
        features: name to value for WRITE and CONSOLIDATE; READ has them on its candidates.
        reason: one line for people.
        records: ids of the records it wrote, showed or changed.
        now: the time the decision was taken at.
        fallback: set when a deadline, the breaker or a failure decided instead of the policy.
        undone: True after ``undo``.
        cost: what a model was paid to find the piece, as ``Message.llm_cost`` says.
    """

    id: str
    operation: Operation
    action: Action
    legal: tuple[Action, ...]
    propensity: float
    policy: str
    features: Mapping[str, float]
    reason: str
    records: tuple[str, ...]
    run_id: str | None
    turn_id: str | None
    now: datetime
    fallback: str | None = None
    undone: bool = False
    reward: float | None = None
    candidates: tuple[Candidate, ...] = ()
    cost: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What became of a write. Only ``committed`` is acknowledged: it survives a kill.

    Attributes:
        state: ``queued`` means the deadline passed and the write may still commit; ``dropped`` that it failed.
        turn_id: pass it again to repeat the write without doubling it.
        decisions: one for each piece of what was observed.
        reason: why it was queued or dropped.
    """

    state: Literal["committed", "queued", "dropped"]
    turn_id: str
    decisions: tuple[Decision, ...] = ()
    reason: str = ""

    @property
    def record_ids(self) -> tuple[str, ...]:
        """Ids of the records that were written."""
        return tuple(i for d in self.decisions for i in d.records)


@dataclass(frozen=True, kw_only=True)
class FeedbackReceipt:
    """Whether a feedback counted; a repeated one does not."""

    counted: bool
    token: str | None
    score: float


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why a decision fell as it did; ``str()`` gives it as text.

    Attributes:
        contributions: for each candidate (READ) or for the decision (``""``), feature name to its share of the score.
        fixed: for each candidate of a READ, the rules' score, without what was learned.
        displaced: for each record that was shown by exploration, or that what was learned put ahead, those that gave way.
        outdated: for each record that a READ chose but left out, since it holds no longer, the one that says so.
        texts: record id to text, for the records that still exist.
    """

    decision: Decision
    contributions: Mapping[str, Mapping[str, float]]
    fixed: Mapping[str, float] = field(default_factory=dict)
    displaced: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    outdated: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join(self.lines)

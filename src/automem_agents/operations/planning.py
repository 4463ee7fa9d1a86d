"""Planning a WRITE: what the rules allow for a piece, and what the policy makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from automem_agents.clock import to_micros
from automem_agents.errors import PolicyError
from automem_agents.features import LOOKED_AT, WRITE, write_features
from automem_agents.journal import records
from automem_agents.journal.decisions import NewDecision
from automem_agents.journal.records import RecordRow
from automem_agents.memory_schema import PINNED
from automem_agents.operations.changes import NEAR, NEIGHBOURS, chances, chooser, may_supersede
from automem_agents.operations.ids import new_id
from automem_agents.operations.keys import is_found
from automem_agents.operations.pieces import Piece
from automem_agents.operations.same import (
    MIN_COSINE,
    Statement,
    names_what_went,
    overlap,
    repeats,
    replaces,
    same_moment,
)
from automem_agents.protocols import Floats, Policy, WriteChoice, WriteProblem
from automem_agents.store import MemoryStore, WorkingSet
from automem_agents.store.heard import Heard
from automem_agents.types import TRUST, Action, Operation

_NEIGHBOURS = 3
_ABOUT, _FEW = 0.0, 10  # how close, and how many, those are that a text may say it replaces


@dataclass(frozen=True)
class Plan:
    """What will be done with a piece: the decision, and the records it replaces."""

    piece: Piece
    vector: Floats
    decision: NewDecision
    replaces: tuple[int, ...] = ()

    @property
    def stores(self) -> bool:
        """Whether a record is written."""
        return self.decision.action is not Action.SKIP

    @property
    def passes_over(self) -> bool:
        """Whether a policy skips what it might have stored."""
        return self.decision.action is Action.SKIP and Action.ADD in self.decision.legal

    @property
    def relation(self) -> str:
        """How the new record relates to those it replaces."""
        return "merge" if self.decision.action is Action.MERGE else "update"


@dataclass(frozen=True)
class _Near:
    """The live record most like a piece: its cosine, how far its words overlap, whether it says the same, of which fact."""

    cosine: float = 0.0
    overlap: float = 0.0
    repeated: tuple[int, ...] = ()
    key: str | None = None


class _Fact(NamedTuple):
    """A piece with the key of its fact, the live records that state it, and, where a model found them, how likely that is."""

    piece: Piece
    stated: Sequence[int] = ()
    chance: float = 0.0


@dataclass
class Planner:
    """Plans the pieces of one turn, inside its transaction.

    Args:
        policy: None stores everything that can be stored.
        run_id: of the turn, for the log.
        session: of the turn; None if nothing was said before it.
        finds_changes: whether a text without a key that says that something changed may supersede its neighbours.
    """

    store: MemoryStore
    connection: Connection
    ws: WorkingSet
    policy: Policy | None
    namespace: int
    run_id: str | None
    session: str | None = None
    finds_changes: bool = False
    _heard: Heard = field(default_factory=Heard)  # of a turn without a session
    _said: set[tuple[bytes, str]] = field(default_factory=set)
    _keys: set[str] = field(default_factory=set)
    _replaced: set[int] = field(default_factory=set)

    def plan(self, pieces: list[Piece], vectors: list[Floats]) -> list[Plan]:
        """Return a plan for each piece; of the messages with one key, the last states the fact."""
        last = {piece.message.key: piece.position for piece in pieces if not piece.refused}
        kept = [
            replace(piece, refused="stated anew in the same turn")
            if _given(piece) and not piece.refused and piece.position < last[piece.message.key]
            else piece
            for piece in pieces
        ]
        return [self._plan(piece, vector) for piece, vector in zip(kept, vectors, strict=True)]

    def _plan(self, piece: Piece, vector: Floats) -> Plan:
        if piece.refused:
            return Plan(
                piece, vector, self._decision(piece, None, (Action.SKIP,), WriteChoice(Action.SKIP, piece.refused))
            )
        duplicate = self._is_duplicate(piece)
        piece, keyed, chance = _Fact(piece) if duplicate else self._superseded(piece, vector)
        key = piece.message.key
        near = _Near() if duplicate else self._near(piece, vector)
        held = bool(keyed)
        if not _given(piece) and set(keyed) <= set(near.repeated):
            keyed = ()  # the fact is as it was
        features = self._features(piece, near, bool(keyed))
        legal = self._legal(duplicate, bool(keyed), bool(near.repeated) and not (keyed or _given(piece)))
        choice = self._choose(features, legal, duplicate)
        if choice.action is Action.UPDATE and chance:
            choice = replace(
                choice, reason=f"says that what a near record states has changed, to all appearances ({chance:.2f})"
            )
        self._said.add((piece.fingerprint, piece.date))
        if held and choice.action is Action.ADD and not _given(piece):
            piece, key = _with_key(piece, None), None  # the key stays with the record that has it
        if key is None and choice.action is Action.MERGE:
            piece, key = _with_key(piece, near.key), near.key  # what says the same states the same fact
        if key and choice.action is not Action.SKIP:
            self._keys.add(key)
        replaced = {Action.UPDATE: tuple(keyed), Action.MERGE: near.repeated}.get(choice.action, ())
        self._replaced.update(replaced)
        piece = self._still_pinned(piece, replaced)
        return Plan(piece, vector, self._decision(piece, features, legal, choice), replaced)

    def _features(self, piece: Piece, near: _Near, keyed: bool) -> NDArray[np.float16]:
        heard, session = (self.ws.heard, self.session) if self.session else (self._heard, "")
        features = write_features(
            piece.text,
            tokens=piece.tokens,
            trust=TRUST[piece.message.origin],
            nearest=near.cosine,
            overlap=near.overlap,
            keyed=keyed,
            role=piece.message.role,
            assistant_log=self.ws.assistant_log or piece.message.role == "assistant",
            speaker=piece.message.speaker,
            before=heard.before(session),
            rarities=self.ws.rarities(piece.text, LOOKED_AT),
        )
        heard.hear(session, piece.message.speaker, piece.text)
        return features

    def _legal(self, duplicate: bool, keyed: bool, repeated: bool) -> tuple[Action, ...]:
        if duplicate:
            return (Action.SKIP,)
        explicit = self.policy is None
        skip = () if explicit else (Action.SKIP,)
        update = (Action.UPDATE,) if keyed else ()
        merge = (Action.MERGE,) if repeated and not explicit else ()
        add = () if explicit and keyed else (Action.ADD,)
        return (*skip, *add, *update, *merge)

    def _choose(self, features: NDArray[np.float16], legal: tuple[Action, ...], duplicate: bool) -> WriteChoice:
        if duplicate:
            return WriteChoice(Action.SKIP, "already stored word for word")
        if self.policy is None:
            return WriteChoice(legal[-1], "asked for")
        choice = self.policy.write(WriteProblem(WRITE.names, features, legal, self.namespace))
        if choice.action not in legal:
            raise PolicyError(f"the policy {self.policy.name} chose {choice.action}, which is not legal")
        return choice

    def _is_duplicate(self, piece: Piece) -> bool:
        mine = Statement(piece.message.speaker, piece.text, piece.date)
        if (piece.fingerprint, piece.date) in self._said:
            return True
        like = self.ws.with_fingerprint(piece.fingerprint)
        rows = records.live_by_seq(self.connection, self.namespace, like) if like else []
        rows = [row for row in rows if row.fingerprint == piece.fingerprint]
        same_key = [row for row in rows if not _given(piece) or row.key == piece.message.key]
        pinning = piece.message.kind == PINNED
        return any(same_moment(mine, _statement(row)) for row in same_key if row.kind == PINNED or not pinning)

    def _superseded(self, piece: Piece, vector: Floats) -> _Fact:
        """Return the live records whose fact a piece states anew, and the piece with the key of that fact.

        Without a key that a caller gave, nothing is superseded that is trusted more, or that holds since later.
        """
        key = piece.message.key
        if key is not None and _given(piece):
            return _Fact(piece, self._live_with_key(key))
        held = [] if key is None else records.live_with_key(self.connection, self.namespace, key)
        rows = records.live_by_seq(self.connection, self.namespace, held)
        if key in self._keys or not self._may_replace(piece, rows):
            return _Fact(_with_key(piece, None))
        if rows or self.policy is None or piece.segment:
            return _Fact(piece, held)
        rows = self._named_as_replaced(piece, vector)
        if len(rows) == 1 and self._may_replace(piece, rows):
            return _Fact(_with_key(piece, key or rows[0].key), [rows[0].seq])
        return self._changed(piece, vector)

    def _named_as_replaced(self, piece: Piece, vector: Floats) -> list[RecordRow]:
        mine = Statement(piece.message.speaker, piece.text, piece.date)
        if not names_what_went(mine):
            return []
        close = list(self.store.dense.closest(self.namespace, self.ws, vector, _FEW, _ABOUT))
        return [
            row
            for row in records.live_by_seq(self.connection, self.namespace, close)
            if row.seq not in self._replaced
            and (row.key is None or is_found(row.key))
            and replaces(mine, _statement(row))
        ]

    def _changed(self, piece: Piece, vector: Floats) -> _Fact:
        """Return the near records whose fact a text says has changed, as far as a model can tell."""
        if not self.finds_changes or not may_supersede(piece.text):
            return _Fact(piece)
        cosines = self.store.dense.closest(self.namespace, self.ws, vector, NEIGHBOURS, NEAR)
        mine = Statement(piece.message.speaker, piece.text, piece.date)
        rows = [
            row
            for row in records.live_by_seq(self.connection, self.namespace, list(cosines))
            if row.seq not in self._replaced
            and not row.segment
            and (row.key is None or (is_found(row.key) and piece.message.key in (None, row.key)))
            and self._may_replace(piece, [row])
        ]
        if any(repeats(mine, _statement(row)) for row in rows):
            return _Fact(piece)
        near = {row.seq: (_statement(row), cosines[row.seq]) for row in rows}
        likely = {seq: p for seq, p in chances(mine, near, self.ws.held_by).items() if p >= chooser().least}
        keys = {row.key for row in rows if row.seq in likely and row.key}
        if not likely or len(keys) > 1:
            return _Fact(piece)
        key = piece.message.key or next(iter(keys), None)
        return _Fact(_with_key(piece, key), list(likely), max(likely.values()))

    def _may_replace(self, piece: Piece, rows: Sequence[RecordRow]) -> bool:
        occurred_at = piece.message.occurred_at
        since = self.store.clock.now() if occurred_at is None else to_micros(occurred_at)
        return all(
            row.kind != PINNED and TRUST[piece.message.origin] >= row.trust and since >= row.valid_from for row in rows
        )

    def _live_with_key(self, key: str) -> list[int]:
        if key in self._keys:  # a long text's later segments join the first, they don't replace it
            return []
        return records.live_with_key(self.connection, self.namespace, key)

    def _still_pinned(self, piece: Piece, replaced: Sequence[int]) -> Piece:
        """Return a piece that is pinned where one that it replaces is."""
        if not any(row.kind == PINNED for row in records.live_by_seq(self.connection, self.namespace, replaced)):
            return piece
        return replace(piece, message=piece.message.model_copy(update={"kind": PINNED}))

    def _near(self, piece: Piece, vector: Floats) -> _Near:
        cosines = self.store.dense.closest(self.namespace, self.ws, vector, _NEIGHBOURS, MIN_COSINE)
        if not cosines:
            return _Near()
        close = [seq for seq, cosine in cosines.items() if cosine >= MIN_COSINE]
        rows = records.rows_by_seq(self.connection, self.namespace, close) if close else {}
        mine = Statement(piece.message.speaker, piece.text, piece.date)
        own = None if _given(piece) else piece.message.key
        free = [seq for seq in close if seq not in self._replaced and _may_be_merged(rows[seq], own)]
        same = [seq for seq in free if repeats(mine, _statement(rows[seq]))]
        key = next((rows[seq].key for seq in same if rows[seq].key), own)
        same = [seq for seq in same if rows[seq].key in (None, key)]
        overlaps = [overlap(piece.text, row.text) for row in rows.values()]
        return _Near(max(cosines.values()), max(overlaps, default=0.0), tuple(same), key)

    def _decision(
        self, piece: Piece, features: NDArray[np.float16] | None, legal: tuple[Action, ...], choice: WriteChoice
    ) -> NewDecision:
        asked = f"{self.policy.name}@{self.policy.version}" if self.policy else "user"
        cost = piece.message.llm_cost if piece.segment == 0 else {}  # what was paid for a message is paid once
        return NewDecision(
            id=new_id("dec"),
            namespace=self.namespace,
            run_id=self.run_id,
            operation=Operation.WRITE,
            action=choice.action,
            legal=legal,
            propensity=choice.propensity,
            policy=choice.policy or asked,
            feature_set=WRITE.id,
            features=features,
            reason=choice.reason,
            now=self.store.clock.now(),
            arguments={"cost": dict(cost)} if cost else {},
            seed=choice.seed,
            draw=choice.draw,
        )


def _may_be_merged(row: RecordRow, own: str | None) -> bool:
    """Whether what says the same may take the place of a record: not of another fact with a key, nor of a pinned one."""
    return row.kind != PINNED and (row.key in (None, own) or (own is None and is_found(row.key)))


def _given(piece: Piece) -> bool:
    """Tell whether the caller named the fact."""
    return piece.message.key is not None and not is_found(piece.message.key)


def _with_key(piece: Piece, key: str | None) -> Piece:
    return replace(piece, message=piece.message.model_copy(update={"key": key}))


def _statement(row: RecordRow) -> Statement:
    return Statement(row.speaker, row.text, records.label_of(row.occurred_at, row.date_text))

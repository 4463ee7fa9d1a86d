"""What a WRITE earned: what it stored was used, itself or what it was merged into; or what it skipped was missed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select, update

from automem_agents.journal.prepared import PreparedLookup, PreparedSelect, PreparedUpdate
from automem_agents.journal.schema import changes, decision_candidates, decisions, lineage, records
from automem_agents.types import Action, Operation

HORIZON = 10  # READs of its namespace that a record may wait for its first use, before that counts against it
COMPARED = 8  # WRITEs of such records that one whose record was used is compared with
_NOW = 2**63 - 1  # no decision is newer
_NEARBY = 8  # rows from which one is drawn: turns begin with what a user says, so that the first would be biased


class Written(NamedTuple):
    """A WRITE, and a record that it stored or kept aside."""

    record_seq: int
    decision_seq: int
    reward: float | None


class _Parent(NamedTuple):
    child: int
    parent: int


class _Seq(NamedTuple):
    seq: int


class _Packed(NamedTuple):
    seq: int
    features: bytes


# through the turn: changes have no index by record
_WRITTEN = PreparedLookup(
    select(changes.c.record_seq, decisions.c.seq.label("decision_seq"), decisions.c.reward)
    .join_from(records, decisions, decisions.c.turn_seq == records.c.turn_seq)
    .join(changes, (changes.c.decision_seq == decisions.c.seq) & (changes.c.record_seq == records.c.seq))
    .where((changes.c.op == "add") | (changes.c.op == "skip")),
    records.c.seq,
    Written,
)
_FEATURES = PreparedLookup(
    select(changes.c.record_seq, decisions.c.features)
    .join_from(records, decisions, decisions.c.turn_seq == records.c.turn_seq)
    .join(changes, (changes.c.decision_seq == decisions.c.seq) & (changes.c.record_seq == records.c.seq))
    .where(decisions.c.features.is_not(None), decisions.c.feature_set == bindparam("wanted")),
    records.c.seq,
    _Packed,
)
_RECALLED = decision_candidates.c
_SHOWN_LAST = PreparedSelect(
    select(_RECALLED.decision_seq.label("seq"))
    .join_from(changes, decision_candidates, _RECALLED.record_seq == changes.c.record_seq)
    .join(decisions, decisions.c.seq == _RECALLED.decision_seq)
    .where(
        changes.c.decision_seq == bindparam("write"),
        changes.c.op == "add",
        _RECALLED.decision_seq <= bindparam("upto"),
        _RECALLED.shown,
        decisions.c.operation == Operation.READ,
    )
    .order_by(_RECALLED.decision_seq.desc())
    .limit(1),
    _Seq,
)
_SHOWN = PreparedSelect(
    select(_RECALLED.record_seq.label("seq"))
    .where(_RECALLED.decision_seq == bindparam("read"), _RECALLED.shown)
    .order_by(_RECALLED.position),
    _Seq,
)
_UNUSED_OF = PreparedLookup(
    select(decisions.c.seq, decisions.c.features)
    .join_from(records, decisions, decisions.c.turn_seq == records.c.turn_seq)
    .join(changes, (changes.c.decision_seq == decisions.c.seq) & (changes.c.record_seq == records.c.seq))
    .where(
        changes.c.op == "add",
        decisions.c.reward.is_(None),
        decisions.c.features.is_not(None),
        decisions.c.feature_set == bindparam("wanted"),
    ),
    records.c.seq,
    _Packed,
)
_SAYS_THE_SAME = PreparedLookup(
    select(lineage.c.child, lineage.c.parent).where(lineage.c.relation != "update"), lineage.c.child, _Parent
)
_USED = PreparedLookup(select(records.c.seq).where(records.c.used > 0), records.c.seq, _Seq)
_SET_REWARD = PreparedUpdate(
    update(decisions).where(decisions.c.seq == bindparam("write")).values(reward=bindparam("now_reward"))
)
_IN = decisions.c.namespace == bindparam("in_namespace")
_WAITED = PreparedSelect(
    select(decisions.c.seq)
    .where(_IN, decisions.c.operation == Operation.READ, decisions.c.seq <= bindparam("upto"))
    .order_by(decisions.c.seq.desc())
    .limit(1)
    .offset(HORIZON - 1),
    _Seq,
)
_FIRST = PreparedSelect(select(decisions.c.seq).where(_IN).order_by(decisions.c.seq).limit(1), _Seq)
_LAST_WRITE = PreparedSelect(
    select(decisions.c.seq)
    .where(_IN, decisions.c.operation == Operation.WRITE, decisions.c.seq < bindparam("before"))
    .order_by(decisions.c.seq.desc())
    .limit(1),
    _Seq,
)
_UNUSED = PreparedSelect(
    select(decisions.c.seq, decisions.c.features)
    .where(
        _IN,
        decisions.c.seq >= bindparam("start"),
        decisions.c.seq < bindparam("before"),
        decisions.c.operation == Operation.WRITE,
        decisions.c.action != Action.SKIP,
        decisions.c.feature_set == bindparam("wanted"),
        decisions.c.features.is_not(None),
        decisions.c.reward.is_(None),
    )
    .order_by(decisions.c.seq)
    .limit(_NEARBY),
    _Packed,
)


@dataclass(frozen=True)
class CreditedWrite:
    """A WRITE whose record was needed, and some of the same namespace whose records were not.

    Attributes:
        seq: of its credit.
        feature_set: of all.
        packed_features: of the WRITE, for ``unpack_features``.
        beside: of those whose records were recalled with its record, in vain; empty if nothing was recalled.
        waiting: of some that have waited for their first use long enough, in vain.
    """

    seq: int
    namespace: int
    decision_seq: int
    feature_set: str
    packed_features: bytes
    beside: tuple[bytes, ...]
    waiting: tuple[bytes, ...]


def written_by(connection: Connection, record_seqs: Collection[int]) -> list[Written]:
    """Return the WRITEs of records, and of all that was merged into them or summed up by them."""
    found, front = set(record_seqs), set(record_seqs)
    while front:
        front = {row.parent for row in _SAYS_THE_SAME.all(connection, sorted(front))} - found
        found |= front
    return _WRITTEN.all(connection, sorted(found))


def features_of(connection: Connection, record_seqs: Sequence[int], feature_set: str) -> dict[int, bytes]:
    """Return what was seen of records when they were written, for ``unpack_features``, where the log still has it."""
    return {row.seq: row.features for row in _FEATURES.all(connection, record_seqs, wanted=feature_set)}


def used_among(connection: Connection, record_seqs: Sequence[int]) -> set[int]:
    """Return the records that some answer used."""
    return {row.seq for row in _USED.all(connection, record_seqs)}


def set_write_reward(connection: Connection, decision_seq: int, reward: float | None) -> None:
    """Note what a WRITE earned."""
    _SET_REWARD.many(connection, [{"write": decision_seq, "now_reward": reward}])


def recalled_beside(connection: Connection, decision_seq: int, feature_set: str, upto: int) -> tuple[bytes, ...]:
    """Return the WRITEs of what was last recalled with the record of one, and was not used so far.

    Args:
        upto: the newest decision at the time.
    """
    read = _SHOWN_LAST.first(connection, write=decision_seq, upto=upto)
    if read is None:
        return ()
    shown = [row.seq for row in _SHOWN.all(connection, read=read.seq)]
    found = {row.seq: row.features for row in _UNUSED_OF.all(connection, shown, wanted=feature_set)}
    return tuple(features for seq, features in sorted(found.items()) if seq != decision_seq)


def waited_since(connection: Connection, namespace: int, upto: int = _NOW) -> int | None:
    """Return the decision before which a WRITE has waited ``HORIZON`` READs of its namespace; None where none has.

    Args:
        upto: the newest decision that counts.
    """
    read = _WAITED.first(connection, in_namespace=namespace, upto=upto)
    return None if read is None else read.seq


def waiting(
    connection: Connection, namespace: int, decision_seq: int, feature_set: str, upto: int
) -> tuple[bytes, ...]:
    """Draw WRITEs of a namespace whose records waited ``HORIZON`` READs for their first use, in vain; the same each time.

    Args:
        upto: the newest decision at the time.
    """
    waited = waited_since(connection, namespace, upto)
    first = _FIRST.first(connection, in_namespace=namespace)
    if waited is None or first is None:
        return ()
    last = _LAST_WRITE.first(connection, in_namespace=namespace, before=waited)
    if last is None:
        return ()
    random, drawn = Random(decision_seq), dict[int, bytes]()
    for _ in range(COMPARED):
        start = random.randint(first.seq, last.seq)
        near = _UNUSED.all(connection, in_namespace=namespace, start=start, before=waited, wanted=feature_set)
        if near:
            one = near[random.randrange(len(near))]
            drawn[one.seq] = one.features
    return tuple(drawn.values())

"""What is missed: a text that was skipped or pruned, and would have been shown for a question that went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import fsum
from statistics import median
from typing import Final

import numpy as np
from sqlalchemy import Connection

from automem_agents.journal import aside, records
from automem_agents.journal.aside import Aside
from automem_agents.journal.records import RecordRow
from automem_agents.learning.signals import restates
from automem_agents.learning.words import question_content
from automem_agents.learning.write_credit import blame_skips
from automem_agents.operations.same import MIN_COSINE, Statement, repeats
from automem_agents.operations.skipped import Vectors, bring_to_life
from automem_agents.store import MemoryStore
from automem_agents.text.render import record_text
from automem_agents.text.terms import terms

MOST: Final = 3  # texts that come back at once
_LIKELY: Final = 64  # texts that are embedded
_FEW: Final = 10  # live records that a text is compared with
COVERAGE: Final = 0.5  # share of the question's weight, by rarity, that a text must exceed to answer it


def missed(
    store: MemoryStore, namespace: int, found: Sequence[Aside], question: str, shown: Sequence[str]
) -> list[int]:
    """Return what answers a question better than most of what was shown for it, best first; outside of a transaction.

    Args:
        found: what was skipped or pruned.
        shown: the records that were shown, as ``speaker (date): text``.
    """
    weights = {term: max(0.0, store.rarity(namespace, term)) for term in sorted(question_content(question))}
    whole = fsum(weights.values())
    if not found or not whole > 0:
        return []
    covered = [_covered(_text(row), weights) / whole for row in found]
    likely = sorted((i for i, share in enumerate(covered) if share > COVERAGE), key=lambda i: -covered[i])[:_LIKELY]
    if not likely:
        return []
    texts = [*shown, *(_text(found[i]) for i in likely)]
    asked_for, *vectors = store.embed([question, *texts])
    scores = [_covered(text, weights) / whole + float(v @ asked_for) for text, v in zip(texts, vectors, strict=True)]
    least = median(scores[: len(shown)]) if shown else 0.0
    ranked = sorted(zip(scores[len(shown) :], likely, strict=True), reverse=True)
    return [found[i].seq for score, i in ranked if score > least][:MOST]


def said_again(store: MemoryStore, namespace: int, found: Sequence[Aside], message: str) -> list[int]:
    """Return what a user says again of what was skipped or pruned, in order."""
    again = restates(message, [_text(row) for row in found], lambda term: store.rarity(namespace, term))
    return [found[i].seq for i in again[:MOST]]


def bring_back(
    store: MemoryStore, connection: Connection, namespace: int, seqs: Sequence[int], vectors: Vectors
) -> list[int]:
    """Make texts live that were missed, and blame the SKIPs; return those that were.

    What a user forgot stays forgotten, what is too old for its kind stays gone, and what states a fact that another record
    states by now stays aside, as does what a live record says again.

    Args:
        vectors: of those that have none.
    """
    seqs = aside.by_policies(connection, namespace, seqs)
    rows = records.rows_by_seq(connection, namespace, seqs)
    schema, now = store.schema.current(), store.clock.now()
    free: list[int] = []
    stated: set[str] = set()
    for row in (rows[seq] for seq in seqs):
        if schema.too_old(row.kind, row.key, row.recorded_at, now) or not (row.vector or row.seq in vectors):
            continue
        if row.key is not None:
            if row.key in stated or records.live_with_key(connection, namespace, row.key):
                continue
            stated.add(row.key)
        free.append(row.seq)
    if free:
        bring_to_life(connection, namespace, _not_said_again(store, connection, rows, free, vectors), vectors)
        blame_skips(connection, namespace, free)
    return free


def _not_said_again(
    store: MemoryStore, connection: Connection, rows: Mapping[int, RecordRow], seqs: Sequence[int], vectors: Vectors
) -> list[int]:
    """Return the texts that no live record says again, and each other of them once."""
    found: list[RecordRow] = []
    for row in (rows[seq] for seq in seqs):
        vector = np.frombuffer(row.vector or vectors[row.seq], "<f4")
        with store.working_set(row.namespace, connection) as ws:
            close = store.dense.closest(row.namespace, ws, vector, _FEW, MIN_COSINE)
        live = records.live_by_seq(connection, row.namespace, list(close))
        if not any(row.key == other.key and repeats(_statement(row), _statement(other)) for other in (*live, *found)):
            found.append(row)
    return [row.seq for row in found]


def _statement(row: RecordRow) -> Statement:
    return Statement(row.speaker, row.text, records.label_of(row.occurred_at, row.date_text))


def _text(row: Aside) -> str:
    return record_text(row.speaker, records.label_of(row.occurred_at, row.date_text), row.text)


def _covered(text: str, weights: dict[str, float]) -> float:
    said = set(terms(text))
    return fsum(weight for term, weight in weights.items() if term in said)

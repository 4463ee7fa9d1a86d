"""What is missed: a text that was skipped or pruned, and would have been shown for a question that went wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import fsum
from typing import Final

import numpy as np
from sqlalchemy import Connection

from automem_agents.journal import aside, records
from automem_agents.journal.aside import Aside
from automem_agents.learning.signals import restates
from automem_agents.learning.write_credit import blame_skips
from automem_agents.store import MemoryStore
from automem_agents.text.render import record_text
from automem_agents.text.terms import terms
from automem_agents.types import State

MOST: Final = 3  # texts that come back at once
COVERAGE: Final = 0.4  # share of the question's weight, by rarity, that a text must have to answer it

Rarity = Callable[[str], float]


def missed(
    store: MemoryStore, connection: Connection, namespace: int, question: str, shown: Sequence[str]
) -> list[int]:
    """Return what was skipped or pruned and answers a question better than most of what was shown for it, best first.

    Args:
        shown: the records that were shown, as ``speaker (date): text``.
    """
    found = aside.newest(connection, namespace)
    asked = dict.fromkeys(terms(question))
    weights = {term: max(0.0, store.rarity(namespace, term)) for term in asked}
    whole = fsum(weights.values())
    if not found or not whole > 0:
        return []
    covered = [_covered(_text(row), weights) / whole for row in found]
    if max(covered) < COVERAGE:
        return []
    vectors = np.stack([np.frombuffer(row.vector, "<f4") for row in found])
    asked_for, *of_shown = store.embed([question, *shown])
    usual = [
        _covered(text, weights) / whole + float(vector @ asked_for)
        for text, vector in zip(shown, of_shown, strict=True)
    ]
    least = float(np.median(usual)) if usual else 0.0
    scores = np.array(covered) + vectors @ asked_for
    likely = [i for i in np.argsort(-scores, kind="stable").tolist() if covered[i] >= COVERAGE and scores[i] > least]
    return [found[i].seq for i in likely[:MOST]]


def said_again(store: MemoryStore, connection: Connection, namespace: int, message: str) -> list[int]:
    """Return what was skipped or pruned, and a user says again, in order."""
    found = aside.newest(connection, namespace)
    again = restates(message, [_text(row) for row in found], lambda term: store.rarity(namespace, term))
    return [found[i].seq for i in again[:MOST]]


def bring_back(store: MemoryStore, connection: Connection, namespace: int, seqs: Sequence[int]) -> list[int]:
    """Make texts live that were missed, and blame the SKIPs; return those that are.

    What a user forgot stays forgotten, and what states a fact that another record states by now stays aside.
    """
    seqs = aside.by_policies(connection, namespace, seqs)
    rows = records.rows_by_seq(connection, namespace, seqs)
    free = [
        seq for seq in seqs if (key := rows[seq].key) is None or not records.live_with_key(connection, namespace, key)
    ]
    if free:
        records.set_state(connection, namespace, free, State.LIVE, None)
        records.log_changes(connection, namespace, free, "restore")
        blame_skips(connection, namespace, free)
    return free


def _text(row: Aside) -> str:
    return record_text(row.speaker, records.label_of(row.occurred_at, row.date_text), row.text)


def _covered(text: str, weights: dict[str, float]) -> float:
    said = set(terms(text))
    return fsum(weight for term, weight in weights.items() if term in said)

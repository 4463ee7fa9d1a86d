"""What is missed: a text that was skipped or pruned, and would have been shown for a question that went wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import fsum
from statistics import median
from typing import Final

from sqlalchemy import Connection

from automem_agents.journal import aside, records
from automem_agents.journal.aside import Aside
from automem_agents.learning.signals import restates
from automem_agents.learning.words import question_content
from automem_agents.learning.write_credit import blame_skips
from automem_agents.operations.skipped import bring_to_life
from automem_agents.store import MemoryStore
from automem_agents.text.render import record_text
from automem_agents.text.terms import terms

MOST: Final = 3  # texts that come back at once
_LIKELY: Final = 64  # texts that are embedded
COVERAGE: Final = 0.5  # share of the question's weight, by rarity, that a text must exceed to answer it

Rarity = Callable[[str], float]


def missed(
    store: MemoryStore, connection: Connection, namespace: int, question: str, shown: Sequence[str]
) -> list[int]:
    """Return what was skipped or pruned and answers a question better than most of what was shown for it, best first.

    Args:
        shown: the records that were shown, as ``speaker (date): text``.
    """
    found = aside.newest(connection, namespace)
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
        bring_to_life(store, connection, namespace, free)
        blame_skips(connection, namespace, free)
    return free


def _text(row: Aside) -> str:
    return record_text(row.speaker, records.label_of(row.occurred_at, row.date_text), row.text)


def _covered(text: str, weights: dict[str, float]) -> float:
    said = set(terms(text))
    return fsum(weight for term, weight in weights.items() if term in said)

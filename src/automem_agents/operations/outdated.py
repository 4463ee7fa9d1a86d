"""Which of the records that a recall would show does a newer one of them make outdated, most likely?

Far less certainty is enough than for an UPDATE: nothing is superseded, what is newer is shown, and the next recall decides
anew. And there is a question: what fits it less than half as well as the best record is not looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from automem_agents.features.change import certain, view
from automem_agents.features.outdated import OUTDATED, Fitting, outdated_features
from automem_agents.journal import records
from automem_agents.memory_schema import PINNED
from automem_agents.operations.changes import may_supersede
from automem_agents.operations.chooser import Chooser, shipped
from automem_agents.operations.keys import is_found
from automem_agents.operations.questions import Question, question_of
from automem_agents.protocols import Floats
from automem_agents.store import MemoryStore
from automem_agents.text.facts import MOST_CHARS
from automem_agents.types import MemoryRecord, Namespace

FIT = 0.5  # share of the best cosine with the question
_LONGEST = 25  # words of what may be outdated: of a longer text too much would be left out


def chooser() -> Chooser:
    """Return the model that chooses what is outdated; ``benchmarks/outdated_chooser.py`` makes it."""
    return shipped("outdated_chooser", OUTDATED)


def may_be_outdated(question: Question, new: str, old: str) -> bool:
    """Tell whether a text may make a record outdated: a short plain one that isn't about another number or another thing.

    Examples:
        >>> question = Question(frozenset(), frozenset(), ())
        >>> may_be_outdated(question, "Amendment 2 changes the notice period", "The notice period is 30 days")
        True
        >>> may_be_outdated(question, "Press 2 is idle now", "Press 3 is running")
        False
    """
    if len(old) > MOST_CHARS or not certain(old):
        return False
    mine, theirs = view(new), view(old)
    same = not mine.ids or not theirs.ids or mine.ids == theirs.ids
    return same and theirs.words <= _LONGEST and not question.is_of_another(mine.content, theirs.content)


def outdated(
    store: MemoryStore,
    namespace: Namespace,
    query: str,
    shown: Mapping[int, MemoryRecord],
    cosines: Mapping[int, float],
) -> dict[int, int]:
    """Return which records most likely hold no longer, each with the newest that says so.

    That one may hold no longer itself, by one that is newer still, and is left out then, too.

    Args:
        shown: records by seq.
        cosines: of the question and those of them that may be left out, or make others outdated: all but what every recall
            begins with.
    """
    best = max(cosines.values(), default=0.0)
    question = question_of(query)
    if best <= 0 or question is None:
        return {}
    fits = {seq: cosine / best for seq, cosine in cosines.items() if seq in shown and cosine >= FIT * best}
    olds = {
        new: [old for old in fits if old < new and _may_replace(question, shown[new], shown[old])]
        for new in sorted(fits, reverse=True)
        if may_supersede(shown[new].text)
    }
    pairs = {new: found for new, found in olds.items() if found}
    if not pairs:
        return {}
    vectors = _vectors(store, namespace, {*pairs, *(old for found in pairs.values() for old in found)})
    texts = {seq: Fitting(shown[seq].text, fits[seq]) for seq in vectors}  # what was deleted meanwhile has no vector
    gone: dict[int, int] = {}
    with store.working_set(namespace.key) as ws:
        for new, found in pairs.items():
            for old in found:
                if old in gone or new not in vectors or old not in vectors:
                    continue
                cosine = float(vectors[new] @ vectors[old])
                features = outdated_features(question.content, texts[new], texts[old], cosine, ws.held_by)
                if chooser().chance(features) >= chooser().least:
                    gone[old] = new
    return gone


def _may_replace(question: Question, record: MemoryRecord, before: MemoryRecord) -> bool:
    return (
        _may_speak_of(record, before)
        and before.kind != PINNED
        and not before.segment
        and (record.key is None or is_found(record.key))  # a caller's key says by itself what it takes the place of
        and (before.key is None or (is_found(before.key) and record.key in (None, before.key)))
        and record.trust >= before.trust
        and record.valid_from >= before.valid_from
        and may_be_outdated(question, record.text, before.text)
    )


def _may_speak_of(record: MemoryRecord, before: MemoryRecord) -> bool:
    """Tell whether a record may gainsay another: its own speaker's, or a user what a tool or an assistant said."""
    same = before.speaker.casefold() == record.speaker.casefold()
    return same or (record.role == "user" and before.role in ("assistant", "tool"))


def _vectors(store: MemoryStore, namespace: Namespace, seqs: Collection[int]) -> dict[int, Floats]:
    with store.journal.look() as connection:
        packed = records.vectors_by_seq(connection, namespace.key, sorted(seqs))
    return {seq: np.frombuffer(vector, "<f4") for seq, vector in packed.items()}

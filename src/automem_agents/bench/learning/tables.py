"""What a policy that learns sees of each question's candidates, with the gold labels: for models fitted at a desk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automem_agents.bench.dataset import Conversation, Question
from automem_agents.bench.systems import DEPTH, WholeTurns
from automem_agents.features import LEARNED_READ, learned_features
from automem_agents.operations.read import fetch
from automem_agents.policies.learned import learnable, scaled_score
from automem_agents.policies.rules import RulesPolicy
from automem_agents.protocols import Ints, ReadProblem
from automem_agents.types import Namespace


@dataclass(frozen=True)
class Table:
    """The candidates of a question that are evidence, n of them, in order of time.

    Attributes:
        turns: ids of their turns.
        fixed: (n,) the rules' score, in about standard deviations.
        columns: (n, l) of ``LEARNABLE``.
        gold: (n,) whether the turn answers the question.
    """

    question: str
    conversation: str
    turns: tuple[str, ...]
    fixed: NDArray[np.float64]
    columns: NDArray[np.float64]
    gold: NDArray[np.bool_]

    def take(self, kept: Ints) -> Table:
        """Return the table of some of the candidates."""
        turns = tuple(self.turns[i] for i in kept.tolist())
        return Table(self.question, self.conversation, turns, self.fixed[kept], self.columns[kept], self.gold[kept])

    def ranked(self, scores: NDArray[np.float64]) -> list[str]:
        """Return the turns, best first, each once."""
        order = np.argsort(-scores, kind="stable").tolist()
        return list(dict.fromkeys(self.turns[i] for i in order))[:DEPTH]


def tables_of(system: WholeTurns, conversation: Conversation) -> Iterator[Table]:
    """Look up the candidates of each question as a recall does."""
    for question in conversation.scored:
        yield _table(system, conversation, question)


def _table(system: WholeTurns, conversation: Conversation, question: Question) -> Table:
    store, namespace = system.memory.store, Namespace(conversation.id)
    vector = store.embed([question.question])[0]
    found = store.find(namespace.key, question.question, vector, look_around=True)
    features = learned_features(found)
    rules, gold = RulesPolicy(), set(question.evidence)
    fixed = scaled_score(rules, features)
    evident = np.sort(rules.evident(ReadProblem(LEARNED_READ.names, features, lambda order: order), fixed))
    records = fetch(store, namespace, found.seqs.tolist())
    turns = tuple(records[seq].turn_id or "" for seq in found.seqs.tolist())
    whole = Table(
        question.id, conversation.id, turns, fixed, learnable(features), np.array([turn in gold for turn in turns])
    )
    return whole.take(evident)

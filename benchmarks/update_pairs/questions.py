"""Questions to a made-up memory, and pairs of what it would show: does the newer one make the older one outdated?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from automem_agents.bench.retention.chatter import remark
from automem_agents.bench.retention.templates import Template, Trap
from automem_agents.embedders import WordLlamaEmbedder
from automem_agents.features.change import share
from automem_agents.features.outdated import Fitting, outdated_features
from automem_agents.index.lexical import LexicalIndex
from automem_agents.operations.changes import may_supersede
from automem_agents.operations.outdated import FIT, may_be_outdated
from automem_agents.operations.questions import Question as Seen
from automem_agents.operations.questions import question_of
from automem_agents.text.terms import terms
from update_pairs.pairs import HERE, Said, statement

_SHOWN = 14
_LEXICAL = 0.7  # of the share of the question's words, beside the cosine
_REPEATED = 0.3
_T = TypeVar("_T")


@dataclass(frozen=True)
class Size:
    """How much a made-up memory holds."""

    facts: int
    traps: int
    asked: int
    talk: int
    chatter: int


SIZES = (Size(999, 99, 30, 60, 80), Size(3, 4, 3, 5, 5), Size(8, 8, 6, 15, 15), Size(20, 15, 15, 30, 40))


@dataclass(frozen=True)
class Question:
    """What is asked, and what was said about it, all of which still holds; or the fact that it is about."""

    text: str
    said: tuple[str, ...] = ()
    fact: str = ""


def asked() -> list[Question]:
    """Return the questions of ``asked.txt``, all of which have more than one answer or one that did not change."""
    paragraphs = (HERE / "asked.txt").read_text("utf-8").split("\n", 1)[1].strip().split("\n\n")
    return [Question(first, tuple(rest)) for first, *rest in (part.split("\n") for part in paragraphs)]


def asked_pairs(
    facts: Sequence[Template],
    traps: Sequence[Trap],
    questions: Sequence[Question],
    talk: Sequence[Said],
    memories: int,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the features (n, d) of pairs that questions to some memories bring up, and whether the older is outdated."""
    embedder = WordLlamaEmbedder()
    rows: list[list[float]] = []
    labels: list[bool] = []
    for number in range(memories):
        random = Random(seed * 1000 + number)
        size = SIZES[number % len(SIZES)]
        some = _some(random, facts, size.facts)
        others = _some(random, questions, size.asked)
        live = _told(some, _some(random, traps, size.traps), others, _some(random, talk, size.talk), size, random)
        about = [*(Question(fact.question, fact=fact.name) for fact in some), *others]
        for features, label in _pairs(embedder, live, about):
            rows.append(features)
            labels.append(label)
    return np.array(rows), np.array(labels)


def _some(random: Random, of: Sequence[_T], most: int) -> list[_T]:
    return random.sample(list(of), min(most, len(of)))


def _told(
    facts: Sequence[Template],
    traps: Sequence[Trap],
    questions: Sequence[Question],
    talk: Sequence[Said],
    size: Size,
    random: Random,
) -> list[Said]:
    """Return what is said to a memory, in order of time; what is said twice is there once."""
    timed = [(random.random(), line) for line in talk]
    timed += [(random.random(), Said("user", remark(random))) for _ in range(size.chatter)]
    for fact in facts:
        timed += _changes(fact, random)
    known = {fact.name: fact for fact in facts}
    for trap in traps:
        if trap.before:
            first, second = random.sample(trap.values, 2)
            lines = [trap.before.format(first=first), trap.then.format(second=second)]
            timed += _in_order([Said("user", line) for line in lines], random)
        elif trap.about in known:
            value = random.choice(known[trap.about].values)
            timed.append((random.random(), Said("user", trap.then.format(value=value))))
    for question in questions:
        timed += _in_order([Said("user", line, fact=question.text, value="holds") for line in question.said], random)
    return list({(each.role, each.text): each for _, each in sorted(timed, key=lambda pair: pair[0])}.values())


def _in_order(lines: Sequence[Said], random: Random) -> list[tuple[float, Said]]:
    return list(zip(sorted(random.random() for _ in lines), lines, strict=True))


def _changes(fact: Template, random: Random) -> list[tuple[float, Said]]:
    """Return statements of a fact: it is first stated, changes up to three times, and is said again at times."""
    values = random.sample(fact.values, len(fact.values))[: random.choice((2, 3, 3, 4))]
    times = sorted(random.random() for _ in values)
    found = []
    for version, (value, time, until) in enumerate(zip(values, times, [*times[1:], 1.0], strict=True)):
        for again in range(1 + (random.random() < _REPEATED)):
            line = random.choice(fact.then if version else fact.first)
            when = time + again * random.random() * (until - time)
            found.append((when, statement(fact, line, value, values[version - 1] if version else "")))
    return found


def _pairs(
    embedder: WordLlamaEmbedder, live: Sequence[Said], questions: Sequence[Question]
) -> Iterator[tuple[list[float], bool]]:
    index = LexicalIndex()
    stems = [terms(f"{each.role}: {each.text}") for each in live]
    for some in stems:
        index.add(some)
    vectors = embedder.embed([f"{each.role}: {each.text}" for each in live])
    for question, vector in zip(questions, embedder.embed([each.text for each in questions]), strict=True):
        seen = question_of(question.text)
        if seen is None:
            continue
        cosines = vectors @ vector
        rare = {word: 1 / max(count, 1) for word, count in index.held_by(seen.content).items()}
        lexical = np.array([share(seen.content.intersection(some), seen.content, rare) for some in stems])
        shown = np.sort(np.argsort(-(cosines + _LEXICAL * lexical), kind="stable")[:_SHOWN]).tolist()
        best = max(float(cosines[at]) for at in shown)
        near = [at for at in shown if cosines[at] >= FIT * best]
        for new in near:
            for old in near:
                if old >= new or not _may_replace(seen, live[new], live[old]):
                    continue
                label = _label(live[new], live[old], question)
                if label is not None:
                    texts = (Fitting(live[at].text, float(cosines[at]) / best) for at in (new, old))
                    cosine = float(vectors[new] @ vectors[old])
                    yield outdated_features(seen.content, *texts, cosine, index.held_by), label


def _may_replace(question: Seen, new: Said, old: Said) -> bool:
    return new.role == old.role and may_supersede(new.text) and may_be_outdated(question, new.text, old.text)


def _label(new: Said, old: Said, question: Question) -> bool | None:
    """Tell whether the older is outdated; None where both say the same, or it is not what was asked for."""
    if not new.fact or new.fact != old.fact or new.value == old.value == "holds":
        return False
    return None if new.value == old.value or new.fact != question.fact else True

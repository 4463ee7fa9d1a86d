"""Pairs of statements, of which it is known whether the newer one takes the place of the older one. All of it made up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from automem_agents.bench.retention.chatter import remark
from automem_agents.bench.retention.template_files import read
from automem_agents.bench.retention.templates import Line, Template, Trap, role_of, text_of
from automem_agents.embedders import WordLlamaEmbedder
from automem_agents.features.change import change_features
from automem_agents.index.lexical import LexicalIndex
from automem_agents.operations.changes import NEAR, NEIGHBOURS, may_be_superseded, may_supersede
from automem_agents.text.terms import terms

HERE = Path(__file__).parent
_STALE = 0.5  # share of facts of which an older statement is live, too
_SMALL = 20  # small memories for each large one


@dataclass(frozen=True)
class Said:
    """A statement: who says it, and of which fact with which value; chatter has no fact."""

    role: str
    text: str
    fact: str = ""
    value: str = ""


@dataclass(frozen=True)
class Pair:
    """A new statement and a live one near it.

    Attributes:
        label: whether the new one takes the place of the other; None where both say the same.
        features: of ``change_features``.
    """

    new: Said
    old: Said
    label: bool | None
    features: list[float]


def own_changes(file: str = "changes.txt") -> list[Template]:
    """Return the facts of a file."""
    found = []
    for number, line in enumerate((HERE / file).read_text("utf-8").splitlines()[1:]):
        first, then, values, question = (part.strip() for part in line.split("|"))
        ways = [tuple(way.strip().replace("{}", "{value}") for way in some.split(" / ")) for some in (first, then)]
        named = tuple(value.strip() for value in values.split(","))
        found.append(
            Template(name=f"{file}-{number}", kind="own", question=question, first=ways[0], then=ways[1], values=named)
        )
    return found


def together() -> list[Said]:
    """Return the lines of ``together.txt``."""
    lines = (HERE / "together.txt").read_text("utf-8").splitlines()[1:]
    return [Said("user", line) for line in lines if line]


def seen_parts(half: int | None) -> tuple[list[Template], list[Trap]]:
    """Return the seen facts and traps: all, or one half (0 or 1) of them."""
    templates, traps = read("seen")
    if half is None:
        return list(templates), list(traps)
    return list(templates[half::2]), list(traps[half::2])


def pairs(
    facts: Sequence[Template], traps: Sequence[Trap], talk: Sequence[Said], worlds: int, seed: int
) -> Iterator[list[Pair]]:
    """Yield, for each new statement, its pairs with the live ones that are near it and might be superseded."""
    embedder = WordLlamaEmbedder()
    known = {template.name: template for template in read("seen")[0]}
    for number in range(worlds * (_SMALL + 1)):
        random = Random(seed * 1000 + number)
        if number % (_SMALL + 1):
            yield from _small(embedder, facts, traps, talk, known, random)
            continue
        drawn = {fact.name: random.sample(fact.values, len(fact.values)) for fact in facts}
        live, new = _world(facts, traps, talk, known, drawn, random)
        yield from _near(embedder, live, new)


def _small(
    embedder: WordLlamaEmbedder,
    facts: Sequence[Template],
    traps: Sequence[Trap],
    talk: Sequence[Said],
    known: dict[str, Template],
    random: Random,
) -> Iterator[list[Pair]]:
    """Yield the pairs of a memory that has just begun."""
    few = random.choice((2, 5, 12))
    some, of_traps, said = (random.sample(list(of), min(few, len(of))) for of in (facts, traps, talk))
    drawn = {fact.name: random.sample(fact.values, len(fact.values)) for fact in some}
    live, new = _world(some, of_traps, said, known, drawn, random, chatter=(0, 2, 5))
    yield from _near(embedder, live, new)


def _world(
    facts: Sequence[Template],
    traps: Sequence[Trap],
    talk: Sequence[Said],
    known: dict[str, Template],
    drawn: dict[str, list[str]],
    random: Random,
    chatter: Sequence[int] = (10, 40, 160),
) -> tuple[list[Said], list[Said]]:
    """Return what is live, and what is said next: each is told to the same live statements."""
    live = [*talk, *(Said("user", remark(random)) for _ in range(random.choice(chatter)))]
    new = [*talk, *(Said("user", remark(random)) for _ in range(random.choice(chatter)))]
    for fact in facts:
        older, was, now = drawn[fact.name][:3]
        if random.random() < _STALE:  # an older statement that was not superseded
            line = random.choice(fact.first)
            live.append(statement(fact, line, older))
        line = random.choice((*fact.first, *fact.then) if random.random() < 0.5 else fact.first)
        live.append(statement(fact, line, was, older))
        new.extend(statement(fact, line, now, was) for line in fact.then)
    for trap in traps:
        if trap.about in known and random.random() < _STALE:
            live.append(Said("user", trap.then.format(value=random.choice(known[trap.about].values))))
        if trap.before:
            first, second = random.sample(trap.values, 2)
            live.append(Said("user", trap.before.format(first=first)))
            new.append(Said("user", trap.then.format(second=second)))
        elif trap.about in known:
            new.append(Said("user", trap.then.format(value=random.choice(known[trap.about].values))))
    return live, new


def statement(fact: Template, line: Line, value: str, old: str = "") -> Said:
    """Return what states a fact with a value, in the words of a line."""
    return Said(role_of(line), text_of(line, value, old), fact.name, value)


def _near(embedder: WordLlamaEmbedder, live: Sequence[Said], new: Sequence[Said]) -> Iterator[list[Pair]]:
    index = LexicalIndex()
    for said in live:
        index.add(terms(f"{said.role}: {said.text}"))
    vectors = embedder.embed([f"{said.role}: {said.text}" for said in live])
    asked = embedder.embed([f"{said.role}: {said.text}" for said in new])
    for said, vector in zip(new, asked, strict=True):
        cosines = vectors @ vector
        best = [at for at in np.argsort(-cosines, kind="stable")[:NEIGHBOURS] if cosines[at] >= NEAR]
        yield [
            _pair(said, live[at], float(cosines[at]), index)
            for at in best
            if may_supersede(said.text)
            and live[at].role == said.role
            and live[at].text != said.text
            and may_be_superseded(said.text, live[at].text)
        ] or [Pair(said, said, None, [])]


def _pair(new: Said, old: Said, cosine: float, index: LexicalIndex) -> Pair:
    same = bool(new.fact) and new.fact == old.fact
    label = None if same and new.value == old.value else same
    return Pair(new, old, label, change_features(new.text, old.text, cosine, index.held_by))

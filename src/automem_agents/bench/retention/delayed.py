"""Delayed payoff: facts told at the beginning, thousands of turns of chatter, and only then the questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from automem_agents.bench.retention.chatter import ACKNOWLEDGEMENTS, remark
from automem_agents.bench.retention.staleness import TOKENS, fresh_memory
from automem_agents.bench.retention.stream import GROUPS, TEMPLATES
from automem_agents.bench.retention.templates import Template, mentions, role_of, text_of
from automem_agents.bench.stats import estimate, resamples
from automem_agents.controller import MemoryController
from automem_agents.protocols import Embedder
from automem_agents.types import Recall

TOLD_AT, NEEDED_AT, FACTS = 50, 9_000, 20
USED_AT = 2_000  # half of the facts are asked for once, long before
ASKED_EVERY = 25  # otherwise the user asks about the chatter


@dataclass(frozen=True, kw_only=True)
class DelayedRow:
    """How many of the facts come back.

    Attributes:
        used: whether they were asked for once on the way; None for all.
        recalled: share of the facts whose value is shown within 500 tokens; ``low``, ``high`` by bootstrap over facts.
        records: live ones at the end.
    """

    system: str
    used: bool | None
    recalled: float
    low: float | None
    high: float | None
    n: int
    turns: int
    records: int


@dataclass(frozen=True)
class _Fact:
    text: str
    question: str
    value: str


@dataclass(frozen=True)
class _Turn:
    """What the user says, whether memory is asked for it, and the fact that it asks for."""

    text: str
    asks: bool = False
    fact: _Fact | None = None


def delayed(
    embedder: Embedder,
    systems: Mapping[str, Mapping[str, object]],
    turns: int = NEEDED_AT,
    facts: int = FACTS,
    seed: int = 0,
    on_turn: Callable[[int], None] = lambda _: None,
) -> list[DelayedRow]:
    """Tell each memory the same facts and the same chatter, and ask for the facts at the end.

    Args:
        systems: name to what the memory is opened with: a policy, a budget, any setting.
        turns: after which the facts are asked for.
        facts: told one a turn from turn 50 on, from templates drawn anew for each seed.
        on_turn: called with the number of turns that were told.
    """
    random = Random(seed)
    chosen = [_fact(template, random) for template in random.sample(_BY_USER, facts)]
    script = _script(chosen, turns, random)
    rows: list[DelayedRow] = []
    for name, options in systems.items():
        with fresh_memory(embedder, options) as memory:
            for turn in script:
                _take(memory, turn, random)
                on_turn(1)
            shown = [_shows(memory.recall(fact.question, max_tokens=TOKENS, user_id=_USER), fact) for fact in chosen]
            records = len(memory.records(limit=None, user_id=_USER))
        rows += _rows(name, shown, turns, records, seed)
    return rows


_USER = "user"
_BY_USER = [t for group in GROUPS for t in TEMPLATES[group] if role_of(t.first[0]) == "user"]


def _fact(template: Template, random: Random) -> _Fact:
    value = random.choice(template.values)
    return _Fact(text_of(template.first[0], value), template.question, value)


def _script(facts: Sequence[_Fact], turns: int, random: Random) -> list[_Turn]:
    """Return all turns; the facts are told early, and the first half of them is asked for once on the way."""
    script = [_Turn(remark(random), turn % ASKED_EVERY == 0) for turn in range(turns)]
    told = min(TOLD_AT, turns // 10)
    script[told : told + len(facts)] = [_Turn(fact.text) for fact in facts]
    used = max(told + len(facts), turns * USED_AT // NEEDED_AT)
    half = facts[: len(facts) // 2]
    script[used : used + len(half)] = [_Turn(fact.question, True, fact) for fact in half]
    return script


def _take(memory: MemoryController, turn: _Turn, random: Random) -> None:
    """Take one turn as an agent does; it answers with the fact where it is asked for one and memory shows it."""
    run = memory.trajectory(run_id=_USER, user_id=_USER)
    recall = run.recall(turn.text, max_tokens=TOKENS) if turn.asks else None
    known = turn.fact is not None and recall is not None and _shows(recall, turn.fact)
    answer = f"{turn.fact.value}, as you told me." if turn.fact and known else random.choice(ACKNOWLEDGEMENTS)
    run.observe([{"role": "user", "content": turn.text}, {"role": "assistant", "content": answer}])
    if turn.asks:
        memory.flush()  # between two turns of a user there are seconds


def _shows(recall: Recall, fact: _Fact) -> bool:
    """Tell whether the user's statement came back; an answer that repeats the value doesn't say what it is of."""
    return any(mentions(record.text, fact.value) for record in recall.records if record.role == "user")


def _rows(system: str, shown: Sequence[bool], turns: int, records: int, seed: int) -> list[DelayedRow]:
    half = len(shown) // 2
    parts: dict[bool | None, Sequence[bool]] = {None: shown, True: shown[:half], False: shown[half:]}
    rows = []
    for used, part in parts.items():
        found = estimate([float(each) for each in part], [1] * len(part), resamples(len(part), seed))
        rows.append(
            DelayedRow(
                system=system,
                used=used,
                recalled=round(found.mean, 6),
                low=found.low,
                high=found.high,
                n=len(part),
                turns=turns,
                records=records,
            )
        )
    return rows

"""Does memory keep up with facts that change? Each is asked for at once, and again when others have been talked about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from automem_agents.bench.retention.chatter import ACKNOWLEDGEMENTS
from automem_agents.bench.retention.stream import GROUPS, TEMPLATES, TRAPS, Told, changing_facts
from automem_agents.bench.retention.templates import Trap, mentions
from automem_agents.bench.stats import estimate, resamples
from automem_agents.bench.systems import PATIENT
from automem_agents.controller import MemoryController
from automem_agents.policies import RulesPolicy
from automem_agents.protocols import Embedder, WriteChoice, WriteProblem
from automem_agents.types import Action, MemoryRecord, Receipt

AFTER = (0, 1, 10, 100)
TOKENS = 500
_SEEDS = 1000  # users of one seed
QUOTING = "From what I know:"
ANSWERS = (QUOTING, *ACKNOWLEDGEMENTS)
_QUESTIONS = {template.name: template.question for group in GROUPS for template in TEMPLATES[group]}
_NAMES = {group: [*(t.name for t in TEMPLATES[group]), *(t.name for t in TRAPS[group])] for group in GROUPS}
_GROUPS = {name: group for group, names in _NAMES.items() for name in names}
_TRAPS: dict[str, Trap] = {trap.name: trap for group in GROUPS for trap in TRAPS[group]}


class AddAll(RulesPolicy):
    """A fixed rule: what can be stored is stored beside all else."""

    name = "add_all"

    def write(self, problem: WriteProblem) -> WriteChoice:
        """Add whatever may be added."""
        if Action.ADD in problem.legal:
            return WriteChoice(Action.ADD, "everything is added")
        return WriteChoice(Action.SKIP, "may not be added")


@dataclass(frozen=True)
class Arm:
    """A memory under test.

    Attributes:
        given_keys: whether each statement comes with the key of its fact, as a perfect extractor would name it.
        echoed: whether the agent's answer repeats the value of every other statement, without what it is of.
        options: passed on when the memory is opened.
    """

    name: str
    given_keys: bool = False
    echoed: bool = False
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def stream_only(self) -> bool:
        """Whether it needs to know what each turn states."""
        return self.given_keys or self.echoed


ARMS: Mapping[str, Arm] = {
    arm.name: arm
    for arm in (
        Arm("automem"),
        Arm("no_keys", options={"key_extractor": None}),
        Arm("add_all", options={"key_extractor": None, "policy": AddAll(), "learn": "off", "hide_outdated": False}),
        Arm("given_keys", given_keys=True, options={"key_extractor": None}),
        Arm("echoed", echoed=True),
    )
}


STREAM_ARMS = ("automem", "no_keys", "add_all", "given_keys")


@dataclass(frozen=True, kw_only=True)
class StaleRow:
    """A share with its intervals over templates.

    Attributes:
        group: seen or held templates, or all.
        measure: ``current`` value shown, ``superseded`` value shown, ``false_update`` by a trap, old value in the
            ``history``, ``duplicate`` among live records, ``injected`` text stored; of another fact what was
            ``left_out`` as outdated.
        after: further turns between the change and the question; None for all together.
        share: of ``n`` recalls, traps, changes, records, injections or records left out.
        low, high: bootstrap interval over templates; ``low_t``, ``high_t`` Student's t.
        perfect: number of the ``templates`` where nothing went wrong.
    """

    system: str
    group: str
    measure: str
    after: int | None
    share: float
    low: float | None
    high: float | None
    low_t: float | None
    high_t: float | None
    n: int
    templates: int
    perfect: int


_Cell = tuple[str, int | None, str]


@dataclass
class Tally:
    """How often something happened, of how many times it could, by measure, turns later, and template."""

    happened: Counter[_Cell] = field(default_factory=Counter)
    times: Counter[_Cell] = field(default_factory=Counter)

    def note(self, measure: str, name: str, happened: int, times: int = 1, after: int | None = None) -> None:
        """Count it, also among all that is not split by ``after``."""
        for each in {after, None}:
            self.happened[measure, each, name] += happened
            self.times[measure, each, name] += times


@contextmanager
def fresh_memory(embedder: Embedder, options: Mapping[str, object]) -> Iterator[MemoryController]:
    """Open a memory in a temporary folder, with nothing left to chance."""
    with TemporaryDirectory(prefix="automem-bench-", ignore_cleanup_errors=True) as folder:
        chosen = {**PATIENT, "exploration": 0.0, "train": False, **options}
        with MemoryController.open(Path(folder), embedder=embedder, **chosen) as memory:  # type: ignore[arg-type]
            yield memory


def staleness(
    embedder: Embedder,
    users: int = 4,
    arms: Sequence[str] = STREAM_ARMS,
    seed: int = 0,
    templates: int | None = None,
    settings: Mapping[str, object] | None = None,
    on_turn: Callable[[int], None] = lambda _: None,
) -> list[StaleRow]:
    """Tell each memory the same streams of changing facts, ask for the facts, and count what is shown.

    Args:
        users: number of streams, each a namespace with every fact.
        templates: only so many of each group, for a short run.
        settings: of the memory.
        on_turn: called with the number of turns that were told.
    """
    rows: list[StaleRow] = []
    for name in arms:
        tally = Tally()
        with fresh_memory(embedder, {**(settings or {}), **ARMS[name].options}) as memory:
            for number in range(users):
                told = changing_facts(_SEEDS * seed + number, templates=templates)
                _Listener(memory, ARMS[name], told, f"user-{number}", tally).listen(on_turn)
        rows += rows_of(tally, name, seed)
    return rows


def changing_turns(users: int, seed: int = 0) -> int:
    """Return how many turns one memory is told."""
    return sum(len(changing_facts(_SEEDS * seed + number)) for number in range(users))


class _Listener:
    """Tells a memory the stream of one user, asks, and counts."""

    def __init__(self, memory: MemoryController, arm: Arm, told: Sequence[Told], user: str, tally: Tally) -> None:
        self._memory = memory
        self._arm = arm
        self._told = told
        self._user = user
        self._tally = tally
        self._random = Random(user)
        self._run = memory.trajectory(user_id=user)
        self._values: dict[str, list[str]] = {}
        self._recalled = ""
        self._given: set[int] = set()

    def listen(self, on_turn: Callable[[int], None]) -> None:
        """Go through the stream; what was changed is asked for when its time comes, unless it has changed again."""
        due: dict[int, list[tuple[Told, int]]] = {}
        for position, told in enumerate(self._told):
            receipt = self._tell(position, told)
            if told.kind in ("trap", "before"):
                self._tally.note("false_update", told.name, self._touched(receipt, told))
            if told.kind == "statement" and told.origin == position:
                self._values.setdefault(told.name, []).append(told.value)
                if told.version:
                    for after in AFTER:
                        due.setdefault(position + after, []).append((told, after))
            for changed, after in due.pop(position, ()):
                if changed.value == self._values[changed.name][-1]:
                    self._ask(changed, after)
            on_turn(1)
        self._look_back()

    def _tell(self, position: int, told: Told) -> Receipt:
        said: dict[str, object] = {"role": told.role, "content": told.text}
        if self._arm.given_keys and told.kind == "statement":
            said["key"] = told.name
        messages = [said]
        if told.role == "user":
            messages.append({"role": "assistant", "content": self._answer(position, told)})
        if self._recalled:
            messages = with_recall(messages, self._recalled, self._random)
            self._given.add(position)
            self._recalled = ""
        return self._run.observe(messages, turn_id=f"{self._user}/{position}")

    def _answer(self, position: int, told: Told) -> str:
        if self._arm.echoed and told.value and position % 2:
            return _echo(told)
        return self._random.choice(ACKNOWLEDGEMENTS)

    def _ask(self, changed: Told, after: int) -> None:
        """Ask for a fact; the next turn has what was recalled in its prompt."""
        recall = self._memory.recall(_QUESTIONS[changed.name], max_tokens=TOKENS, user_id=self._user)
        old = self._values[changed.name][:-1]
        about = [hit.record for hit in recall.hits if self._is_about(hit.record, changed.name)]
        shown = [record for record in about if mentions(record.text, changed.value)]
        stale = [
            record for record in about if record not in shown and any(mentions(record.text, value) for value in old)
        ]
        self._tally.note("current", changed.name, not all(map(self._is_answer, shown)), after=after)
        self._tally.note("superseded", changed.name, bool(stale), after=after)
        self._judge(recall.token, changed.name)
        self._recalled = recall.text

    def _judge(self, token: str, name: str) -> None:
        """Count what a recall left out as outdated, and which of it was no older statement of the same fact."""
        for old, new in self._memory.explain(token, user_id=self._user).outdated.items():
            pair = [self._told[self._source(self._get(record_id))] for record_id in (old, new)]
            right = len({told.name for told in pair}) == 1 and all(told.kind == "statement" for told in pair)
            self._tally.note("left_out", name, not right)

    def _source(self, record: MemoryRecord) -> int:
        """Return the position of the turn that a record comes from."""
        return int((record.turn_id or "").rpartition("/")[2])

    def _is_about(self, record: MemoryRecord, name: str) -> bool:
        told = self._told[self._source(record)]
        return told.kind == "statement" and told.name == name

    def _touched(self, receipt: Receipt, told: Told) -> bool:
        """Tell whether a turn replaced a record that it must leave alone: any but an earlier one of its own kind."""
        own = told.name if _TRAPS[told.name].about else None
        written = [record for record in map(self._get, receipt.record_ids) if not self._is_answer(record)]
        parents = [self._get(parent) for record in written for parent in record.parents]
        return any(self._told[self._source(parent)].name != own for parent in parents)

    def _get(self, record_id: str) -> MemoryRecord:
        return self._memory.get(record_id, user_id=self._user)

    def _look_back(self) -> None:
        """Count, once all is told: old values in histories, duplicates, and recalled text that was stored."""
        live = self._memory.records(limit=None, user_id=self._user)
        self._histories(live)
        said = [self._told[self._source(record)] for record in live if not self._is_answer(record)]
        for told, records in Counter(self._told[each.origin] for each in said).items():
            self._tally.note("duplicate", told.name or f"{self._user}/{told.origin}", records - 1, records)
        ever = self._memory.records(limit=None, tombstones=True, user_id=self._user)
        stored = [record for record in ever if self._source(record) in self._given and self._is_injected(record)]
        self._tally.note("injected", self._user, len(stored), len(self._given))

    def _is_answer(self, record: MemoryRecord) -> bool:
        return record.text in ANSWERS or record.text == _echo(self._told[self._source(record)])

    def _is_injected(self, record: MemoryRecord) -> bool:
        """Tell whether a record has more in it than was said."""
        return record.text != self._told[self._source(record)].text and not self._is_answer(record)

    def _histories(self, live: Iterable[MemoryRecord]) -> None:
        for name, values in self._values.items():
            newest = [r.id for r in live if self._is_about(r, name) and mentions(r.text, values[-1])][-1:]
            past = [r for n in newest for r in self._memory.history(n, user_id=self._user) if r.id not in newest]
            found = [any(mentions(record.text, value) for record in past) for value in values[:-1]]
            self._tally.note("history", name, sum(found), len(found))


def _echo(told: Told) -> str:
    return f"Noted: {told.value}."


def with_recall(messages: Sequence[dict[str, object]], recalled: str, random: Random) -> list[dict[str, object]]:
    """Return a turn whose prompt holds a recall, in one of the ways in which agents put it there."""
    said, *answer = messages
    line = next(line for line in recalled.split("\n") if line.startswith("[m"))
    beside: list[list[dict[str, object]]] = [
        [{"role": "system", "content": recalled}, *messages],
        [said, {"role": "tool", "content": recalled}, *answer],
        [said, {"role": "assistant", "content": f"{QUOTING}\n{line}"}],
    ]
    inside: list[list[dict[str, object]]] = [
        [{**said, "content": f"{recalled}\n\n{said['content']}"}, *answer],
        [{**said, "content": f"{said['content']}\n\n{recalled}"}, *answer],
    ]
    return random.choice(beside + inside)


def rows_of(tally: Tally, system: str, seed: int = 0) -> list[StaleRow]:
    """Return a row for each measure, number of turns later, and group of templates."""
    cells: dict[tuple[str, int | None, str], list[str]] = {}
    for measure, after, name in tally.times:
        for group in {_GROUPS.get(name, "all"), "all"}:
            cells.setdefault((measure, after, group), []).append(name)
    rows = [_row(tally, system, cell, sorted(names), seed) for cell, names in cells.items()]
    return sorted(rows, key=lambda row: (row.measure, row.group, -1 if row.after is None else row.after))


_WANTED = ("current", "history")  # the others should not happen


def _row(tally: Tally, system: str, cell: _Cell, names: Sequence[str], seed: int) -> StaleRow:
    measure, after, group = cell
    happened = [float(tally.happened[measure, after, name]) for name in names]
    times = [tally.times[measure, after, name] for name in names]
    found = estimate(happened, times, resamples(len(names), seed))
    low, high, low_t, high_t = (
        None if bound is None else round(bound, 6) for bound in (found.low, found.high, found.low_t, found.high_t)
    )
    best = [float(count) if measure in _WANTED else 0.0 for count in times]
    return StaleRow(
        system=system,
        group=group,
        measure=measure,
        after=after,
        share=round(found.mean, 6),
        low=low,
        high=high,
        low_t=low_t,
        high_t=high_t,
        n=sum(times),
        templates=len(names),
        perfect=sum(a == b for a, b in zip(happened, best, strict=True)),
    )

"""A made-up user whose facts change: statements, repetitions, traps and chatter in order, the same for a seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from automem_agents.bench.retention.chatter import remark, said_again, small_talk
from automem_agents.bench.retention.template_files import Group, read
from automem_agents.bench.retention.templates import Line, Template, Trap, role_of, text_of

GROUPS: tuple[Group, ...] = ("seen", "held")
TEMPLATES: dict[Group, tuple[Template, ...]] = {group: read(group)[0] for group in GROUPS}
TRAPS: dict[Group, tuple[Trap, ...]] = {group: read(group)[1] for group in GROUPS}
REPEATED = 0.3


@dataclass(frozen=True)
class Told:
    """One turn of a stream.

    Attributes:
        kind: a statement of a fact, a trap, what came before a trap and must stay, a remark, or small talk.
        name: of the template or trap; "" for chatter.
        version: of the fact: 0 as it was first stated, raised with each change.
        value: what it states; "" for chatter.
        origin: position in the stream of the turn that it repeats; its own if it repeats none.
    """

    kind: Literal["statement", "trap", "before", "remark", "small talk"]
    role: str
    text: str
    origin: int
    name: str = ""
    version: int = 0
    value: str = ""


@dataclass
class _User:
    """What a user has said so far.

    Attributes:
        values: of each template, one for each version.
        spare: of each template, two values that are never true, or the same twice.
        current: of each template, the position of its newest statement.
    """

    random: Random
    values: dict[str, list[str]]
    spare: dict[str, list[str]]
    told: list[Told] = field(default_factory=list)
    current: dict[str, int] = field(default_factory=dict)
    remarks: list[int] = field(default_factory=list)

    def say(self, kind: Literal["trap", "before", "remark", "small talk"], text: str, name: str = "") -> None:
        if kind == "remark":
            self.remarks.append(len(self.told))
        self.told.append(Told(kind, "user", text, len(self.told), name))

    def state(self, template: Template, version: int) -> None:
        values = self.values[template.name]
        line: Line = self.random.choice(template.then if version else template.first)
        text = text_of(line, values[version], values[version - 1] if version else "")
        self.current[template.name] = at = len(self.told)
        self.told.append(Told("statement", role_of(line), text, at, template.name, version, values[version]))

    def repeat(self) -> None:
        """Say again a recent remark, or any fact that still holds."""
        pool = [*self.current.values(), *self.remarks[-len(self.current) :]]
        if pool:
            said = self.told[self.random.choice(pool)]
            text = said_again(said.text, self.random, by_user=said.role == "user")
            self.told.append(Told(said.kind, said.role, text, said.origin, said.name, said.version, said.value))

    def fall_into(self, trap: Trap, number: int) -> None:
        if trap.about:
            self.say("trap", trap.then.format(value=self.spare[trap.about][number % 2]), trap.name)
            return
        first, second = self.random.sample(trap.values, 2)
        self.say("before", trap.before.format(first=first), trap.name)
        self.say("trap", trap.then.format(second=second), trap.name)


def changing_facts(
    seed: int, changes: int = 2, repeated: float = REPEATED, templates: int | None = None
) -> tuple[Told, ...]:
    """Return the turns of one user: every fact is stated and changed, with all traps in between.

    Args:
        changes: of each fact, at most 3; a value never comes back.
        repeated: share of turns that repeat an earlier one whose fact still holds.
        templates: only so many of each group, for a short run.
    """
    random = Random(seed)
    chosen = [t for group in GROUPS for t in random.sample(TEMPLATES[group], templates or len(TEMPLATES[group]))]
    names = {template.name for template in chosen}
    traps = [trap for group in GROUPS for trap in TRAPS[group] if not trap.about or trap.about in names]
    drawn = {template.name: random.sample(template.values, len(template.values)) for template in chosen}
    user = _User(
        random,
        {name: values[: changes + 1] for name, values in drawn.items()},
        {name: (values[changes + 1 :] * 2)[:2] for name, values in drawn.items()},
    )
    for version in range(changes + 1):
        for action in _round(user, chosen, traps, version):
            if isinstance(action, Template):
                user.state(action, version)
            elif isinstance(action, Trap):
                user.fall_into(action, version)
            else:
                user.say("remark", remark(random)) if action else user.say("small talk", small_talk(random))
            while random.random() < repeated:
                user.repeat()
    return tuple(user.told)


def _round(
    user: _User, templates: Sequence[Template], traps: Sequence[Trap], version: int
) -> Iterator[Template | Trap | bool]:
    """Return what is said in one round: each fact once; traps once all facts are known, those that coexist once."""
    fallen = [trap for trap in traps if version and (trap.about or version == 1)]
    chatter = [user.random.random() < 0.8 for _ in range(len(templates))]
    actions: list[Template | Trap | bool] = [*templates, *fallen, *chatter]
    user.random.shuffle(actions)
    yield from actions

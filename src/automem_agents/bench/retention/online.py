"""What a memory learns to keep while it is used: three conversations are lived through, then the next one is heard."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from automem_agents.bench.learning.modes import Mode
from automem_agents.bench.learning.teachers import teacher
from automem_agents.bench.retention.admission import BUDGET, UNITS, Kept, Reader, admission, chosen, kept_of
from automem_agents.bench.retention.admission import steps as fixed_steps
from automem_agents.bench.retention.arms import RULES
from automem_agents.bench.retention.heard import Heard
from automem_agents.bench.stats import Numbers
from automem_agents.bench.systems import WholeTurns
from automem_agents.learning.ruling import RulingPolicy
from automem_agents.learning.write_learner import WriteLearner
from automem_agents.policies.learned import write_cluster
from automem_agents.protocols import Embedder

BEFORE = 3  # conversations that are lived through before the one that counts
ONLINE_MODES = ("implicit", "citations", "permuted")
GATED = "gated "


@dataclass(frozen=True)
class _World:
    """A store that has heard everything, and what it takes to live on in a copy of it."""

    store: Path
    settings: Mapping[str, object]
    embedder: Embedder
    seed: int

    def system(self, folder: Path) -> WholeTurns:
        return WholeTurns(folder, {"train": False, **self.settings}, self.embedder, costs={})


def online(
    all_heard: Sequence[Heard],
    modes: Sequence[str],
    shares: Sequence[int],
    reader: Reader,
    settings: Mapping[str, object],
    embedder: Embedder,
    seed: int = 0,
    on_step: Callable[[int], None] = lambda _: None,
) -> Iterator[Kept]:
    """Keep shares of each conversation by what was learned from those before it, and by the rules.

    Each arm is named by its feedback; with ``gated``, what was learned counts only where its gate is open.
    """
    yield from admission(all_heard, (RULES,), shares, reader, seed, on_step)
    with TemporaryDirectory(prefix="automem-bench-", ignore_cleanup_errors=True) as folder:
        world = _World(Path(folder) / "store", settings, embedder, seed)
        told = world.system(world.store)
        for heard in all_heard:
            told.read(heard.talk)
            on_step(1)
        told.close()
        for mode in modes:
            for at, heard in enumerate(all_heard):
                learned = _lived(world, before(all_heard, at), Mode.parse(mode), at)
                for arm, values in _values(mode, heard, learned).items():
                    yield from _kept(arm, heard, values, shares, reader)
                on_step(1)


def online_steps(count: int, modes: Sequence[str], shares: Sequence[int]) -> int:
    """Return how often ``online`` calls back."""
    return fixed_steps(count, (RULES,), shares) + count + count * len(modes)


def before(all_heard: Sequence[Heard], at: int) -> list[Heard]:
    """Return the conversations of the same source that come before one, as in a circle."""
    source = all_heard[at].talk.source
    mine = [heard for heard in all_heard if heard.talk.source == source]
    place = mine.index(all_heard[at])
    turned = mine[place + 1 :] + mine[:place]
    return turned[-BEFORE:]


def _lived(world: _World, talks: Sequence[Heard], mode: Mode, order: int) -> WriteLearner:
    """Live through conversations in a copy of the store; return what was learned of WRITEs."""
    with TemporaryDirectory(prefix="automem-bench-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / "store"
        shutil.copytree(world.store, copy)
        system = world.system(copy)
        try:
            teaching = teacher(system.memory, mode, BUDGET, world.seed + order)
            for heard in talks:
                for question in heard.talk.scored:
                    teaching.ask(heard.talk, question)
            system.memory.flush()
            policy = system.memory.policy
            learner = policy.learner if isinstance(policy, RulingPolicy) else None
            return WriteLearner() if learner is None else learner.writes
        finally:
            system.close()


def _values(mode: str, heard: Heard, learned: WriteLearner) -> dict[str, Numbers]:
    rows = heard.features.astype(np.float16)
    cluster = write_cluster(rows[-1])  # by then, whoever speaks in it has been heard
    values = learned.rule(cluster).values(rows)
    gated = values if learned.verdict(0, cluster).open else heard.column("keep")
    return {mode: values, f"{GATED}{mode}": gated}


def _kept(arm: str, heard: Heard, values: Numbers, shares: Sequence[int], reader: Reader) -> Iterator[Kept]:
    for unit in UNITS:
        for share in shares:
            kept = chosen(values, heard.costs, share, unit)
            yield kept_of(arm, heard, share, unit, [(kept, reader.shown(heard, kept), slice(None))])

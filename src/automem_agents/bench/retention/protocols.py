"""The protocols that need conversations: keep a share once all was said, or never more than that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from automem_agents._optional import require
from automem_agents.bench.dataset import Conversation
from automem_agents.bench.options import exact_counter, names_of, progress, wide_console
from automem_agents.bench.report import write_json
from automem_agents.bench.retention.admission import Kept, Reader, admission, steps, wanted
from automem_agents.bench.retention.arms import ARMS, MODELS, READERS, RULES, USED, default_arms, is_arm, parted
from automem_agents.bench.retention.churn import CHURN_ARMS, LFU, LRU, churn, churn_steps
from automem_agents.bench.retention.heard import Heard, hear
from automem_agents.bench.retention.online import ONLINE_MODES, online, online_steps
from automem_agents.bench.retention.plots import draw
from automem_agents.bench.retention.report import as_json, print_report
from automem_agents.bench.retention.rows import rows_of
from automem_agents.embedders import WordLlamaEmbedder
from automem_agents.errors import InvalidInput
from automem_agents.protocols import Embedder

Steps = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class _Protocol:
    """What there is to keep by, what is kept by default, and what differences are from."""

    arms: tuple[str, ...]
    defaults: Callable[[], tuple[str, ...]]
    shares: str
    references: tuple[str, ...]
    steps: Callable[[int, Sequence[str], Sequence[int]], int]


PROTOCOLS: Mapping[str, _Protocol] = {
    "admission": _Protocol(arms=ARMS, defaults=default_arms, shares="20,30,50,70", references=(RULES,), steps=steps),
    "churn": _Protocol(
        arms=CHURN_ARMS, defaults=lambda: CHURN_ARMS, shares="30", references=(LRU, LFU, RULES), steps=churn_steps
    ),
    "online": _Protocol(
        arms=ONLINE_MODES,
        defaults=lambda: ONLINE_MODES,
        shares="30,50",
        references=(RULES,),
        steps=online_steps,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """What is to be done.

    Attributes:
        systems, keep: names and percentages, separated by commas; "" for those of the protocol.
        budget: tokens of a recall.
        plots: a folder for pictures, if there are to be any.
    """

    protocol: str
    systems: str = ""
    keep: str = ""
    budget: int = 500
    seed: int = 0
    plots: Path | None = None
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def arms(self) -> tuple[str, ...]:
        """What keeps."""
        there = PROTOCOLS[self.protocol].arms
        names = names_of("--systems", self.systems) if self.systems else PROTOCOLS[self.protocol].defaults()
        both = self.protocol == "admission"
        unknown = [name for name in names if not (is_arm(name) if both else name in there)]
        if unknown:
            more = f"; all but {' and '.join(USED)} can be read by a model, as linear+{READERS[0]}" if both else ""
            raise InvalidInput(f"unknown system {unknown[0]!r}; there are {', '.join(there)}{more}")
        return names

    @property
    def shares(self) -> tuple[int, ...]:
        """Percentages."""
        parts = names_of("--keep", self.keep or PROTOCOLS[self.protocol].shares)
        if not all(part.isdecimal() and 0 < int(part) <= 100 for part in parts):
            raise InvalidInput(f"--keep must be percentages from 1 to 100, separated by commas, not {self.keep!r}")
        return tuple(sorted({int(part) for part in parts}))


def keep(wish: Keeping, talks: Sequence[Conversation], json_out: Path | None, quiet: bool) -> None:
    """Keep shares of conversations, and report what was left."""
    protocol, arms, shares = PROTOCOLS[wish.protocol], wish.arms, wish.shares
    _check_enough(talks, arms)
    if wish.plots is not None:
        require("matplotlib", "bench")
    counter, embedder = exact_counter(), WordLlamaEmbedder()
    with progress(len(talks) + protocol.steps(len(talks), arms, shares), quiet) as advance:
        heard = []
        for talk in talks:
            heard.append(hear(talk, wish.settings, embedder, counter))
            advance(1)
        found = _found(wish, heard, embedder, advance)
    compared = [rows_of(found, wanted(heard), wish.seed, reference) for reference in protocol.references]
    rows = [row for one in compared for row in one]
    if wish.plots is not None:
        draw(compared[0], wish.protocol, wish.budget, wish.plots)
    if json_out is not None:
        write_json(json_out, as_json(rows))
    if json_out != Path("-"):
        print_report(rows, wish.budget, wide_console())


def _found(wish: Keeping, heard: Sequence[Heard], embedder: Embedder, on_step: Steps) -> list[Kept]:
    reader = Reader(embedder, wish.budget)
    if wish.protocol == "churn":
        return list(churn(heard, wish.arms, wish.shares, reader, on_step))
    if wish.protocol == "online":
        return list(online(heard, wish.arms, wish.shares, reader, wish.settings, embedder, wish.seed, on_step))
    return list(admission(heard, wish.arms, wish.shares, reader, wish.seed, on_step))


def _check_enough(talks: Sequence[Conversation], arms: Sequence[str]) -> None:
    """A model is used on a conversation that it didn't learn from; one that reads learns where another model has kept."""
    sizes = Counter(talk.source for talk in talks)
    for arm in arms:
        keeps, reads = parted(arm)
        least = 3 if reads else 2 if keeps in MODELS else 1
        counted = {"all": len(talks)} if reads is None and keeps in MODELS and MODELS[keeps].mixed else sizes
        few = [(source, size) for source, size in counted.items() if size < least]
        if few:
            source, size = few[0]
            raise InvalidInput(
                f"{arm} learns from other conversations: it needs {least} of a source, and of {source!r} there is {size} only; "
                "give more of them, or choose other --systems"
            )

"""The bounds that were set beforehand, and whether they are met."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from latency_parts.found import Found

KB = 1024
_CACHES = 32  # MiB that SQLite's page caches may take beside the working sets


@dataclass(frozen=True)
class Verdict:
    """One bound.

    Attributes:
        measured: the figure at its worst, or None where it wasn't measured.
        met: None where it wasn't measured.
        detail: at which size, and what else is worth knowing.
    """

    target: str
    bound: float
    measured: float | None
    unit: str
    detail: str = ""
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the bound holds."""
        if self.measured is None:
            return None
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound


def verdicts(figures: Mapping[str, Any]) -> list[Verdict]:
    """Return every bound, in order."""
    found = Found(figures)
    return [*_writes(found), *_recalls(found), *_beside(found), *_threads(found), *_space(found), *_scale(found)]


def _writes(found: Found) -> Iterator[Verdict]:
    for other, bound, name in (
        ("floor", 4.0, "4 × floor"),
        ("mem0", 1 / 8, "1/8 of mem0 on Chroma"),
        ("chroma", 1 / 6, "1/6 of an upsert a turn"),
    ):
        yield _ratio(found, "growth", "write_overhead_wall", other, bound, f"`observe` overhead ≤ {name}")
    lag = found.rows("indexed", "time_to_indexed")
    if lag:
        text = "; ".join(f"{_count(r['size'])}: p50 {r['p50']:.0f} ms, p95 {r['p95']:.0f} ms" for r in lag)
        yield Verdict("time to indexed is printed beside", float("inf"), max(r["p50"] for r in lag), "ms", text)


def _recalls(found: Found) -> Iterator[Verdict]:
    metric = "recall_overhead_wall"
    mine = found.rows("growth", metric, "automem")
    for low, high, bound, name in (
        (0, 1_000, 1.0, "≤ 1 ms up to 1k records"),
        (1_001, 10_000, 5.0, "≤ 5 ms at 10k records"),
    ):
        here = [r for r in mine if low <= r["size"] <= high]
        worst = max((r["p50"] for r in here), default=None)
        text = "; ".join(f"{_count(r['size'])}: p50 {r['p50']:.2f}, p95 {r['p95']:.2f} ms" for r in here)
        yield Verdict(f"`recall` overhead {name}", bound, worst, "ms", text)
    yield _ratio(found, "growth", metric, "mem0", 1 / 2, "`recall` overhead ≤ 1/2 of mem0 on Chroma")
    name = "p95 of `recall` overhead at 50k ≤ 10 × at 1k"
    at = {r["size"]: r["p95"] for r in mine}
    if 1_000 in at and 50_000 in at:
        text = f"{at[50_000]:.2f} / {at[1_000]:.2f} ms"
        yield Verdict(name, 10.0, at[50_000] / at[1_000], "×", text)
    else:
        yield Verdict(name, 10.0, None, "×")


def _ratio(found: Found, scenario: str, metric: str, other: str, bound: float, name: str) -> Verdict:
    """Compare medians with another system's at each size that both have; the worst counts, CPU stands beside."""
    parts, worst = [], None
    for size in found.sizes(scenario, metric, ("automem", other)):
        ratio = _quotient(found, scenario, metric, size, other)
        if ratio is None:
            continue
        cpu = _quotient(found, scenario, metric.replace("wall", "cpu"), size, other)
        worst = ratio if worst is None else max(worst, ratio)
        parts.append(f"{_count(size)}: {ratio:.2f}" + ("" if cpu is None else f" (CPU {cpu:.2f})"))
    return Verdict(name, bound, worst, "×", "; ".join(parts))


def _quotient(found: Found, scenario: str, metric: str, size: int, other: str) -> float | None:
    mine, theirs = (found.row(scenario, name, size, metric) for name in ("automem", other))
    return None if mine is None or theirs is None else mine["p50"] / max(theirs["p50"], 1e-9)


def _beside(found: Found) -> Iterator[Verdict]:
    for call in ("recall", "observe"):
        metric = f"{'write' if call == 'observe' else call}_overhead_wall"
        rows = found.rows("beside", metric, "automem")
        name = f"`{call}` overhead ≤ 1.5 × while the rest of the store grows"
        if len(rows) < 2:
            yield Verdict(name, 1.5, None, "×")
            continue
        few, many = rows[0], rows[-1]
        text = f"{_count(few['size'])} to {_count(many['size'])} beside: {few['p50']:.2f} to {many['p50']:.2f} ms"
        yield Verdict(name, 1.5, many["p50"] / max(few["p50"], 1e-9), "×", text)


def _threads(found: Found) -> Iterator[Verdict]:
    sizes = found.sizes("threads", "ops", ("automem", "mem0"))
    ratio = _quotient(found, "threads", "ops", sizes[0], "mem0") if sizes else None
    text = "; ".join(f"{r['system']}: {r['p50']:.0f}" for r in found.rows("threads", "ops"))
    yield Verdict("8 threads, mixed: ops/s ≥ 5 × mem0 on Chroma", 5.0, ratio, "×", text, at_least=True)
    errors = found.rows("threads", "errors", "automem")
    worst = max((r["p50"] for r in errors), default=None)
    yield Verdict("8 threads, mixed: no error", 0.0, worst, "", "; ".join(r["note"] for r in errors if r["note"]))


def _space(found: Found) -> Iterator[Verdict]:
    for metric, bound, name in (
        ("disk_without_log", 6 * KB, "≤ 6 KB of disk a record, decision log apart"),
        ("rss", 5 * KB, "≤ 5 KB of memory a record"),
    ):
        here = {r["system"]: r["p50"] for r in found.rows("space", metric) if r["system"].startswith("automem")}
        text = "; ".join(f"`{system}`: {value / KB:.1f}" for system, value in here.items())
        worst = max(here.values(), default=None)
        yield Verdict(name, bound / KB, None if worst is None else worst / KB, "KB", text)
    yield _ratio(found, "cold", "start_wall", "mem0", 0.7, "cold start to first recall ≤ 0.7 × mem0 on Chroma")


def _scale(found: Found) -> Iterator[Verdict]:
    opened = found.rows("scale", "open")
    total = _count(opened[-1]["size"]) if opened else "1M"
    yield Verdict(f"opens with {total} records in ≤ 2 s", 2.0, opened[-1]["p50"] if opened else None, "s")
    later = found.rows("scale", "recall_later")
    name = "`recall` in one of its namespaces ≤ 1.5 × that namespace alone"
    if len(later) > 1:
        alone, among = later[0], later[-1]
        text = f"{alone['p50']:.2f} alone, {among['p50']:.2f} ms among {total}"
        yield Verdict(name, 1.5, among["p50"] / max(alone["p50"], 1e-9), "×", text)
    else:
        yield Verdict(name, 1.5, None, "×")
    for limit in (64, 256):
        grown = found.rows("scale", f"rss_growth_{limit}")
        name = f"memory grows by ≤ `working_set_bytes` of {limit} MiB (and {_CACHES} for SQLite's caches)"
        yield Verdict(name, limit + _CACHES, max((r["p50"] for r in grown), default=None), "MiB")


def _count(size: int) -> str:
    """Write a size shortly.

    Examples:
        >>> _count(50_000), _count(100), _count(1_000_000)
        ('50k', '100', '1M')
    """
    for unit, letter in ((1_000_000, "M"), (1_000, "k")):
        if size >= unit and size % unit == 0:
            return f"{size // unit}{letter}"
    return f"{size:,}"

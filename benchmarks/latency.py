"""How long a write and a recall take, side by side with other memories and with the physical floor.

python benchmarks/latency.py --quick                                    # a few minutes, small sizes
python benchmarks/latency.py --json latency.json --into docs/performance.md --plots docs/img
python benchmarks/latency.py --from latency.json --into docs/performance.md --plots docs/img    # draw it again
python benchmarks/latency.py --systems automem,floor --scenarios growth,threads
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from latency_parts.driver import PINNED, Bench
from latency_parts.environments import python_of, versions
from latency_parts.machine import machine
from latency_parts.plan import FULL, QUICK, TINY
from latency_parts.report import START, put_into, tables
from latency_parts.scenarios import SCENARIOS, steps_of
from latency_parts.systems import SYSTEMS
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

PLANS = {"full": FULL, "quick": QUICK, "tiny": TINY}


def main(arguments: list[str] | None = None) -> None:
    """Measure, or read what was measured; then write what was asked for."""
    chosen = _parser().parse_args(arguments)
    figures = json.loads(chosen.figures.read_text(encoding="utf-8")) if chosen.figures else measured(chosen)
    if chosen.into is None:
        sys.stdout.write(tables(figures))
    else:
        page = chosen.into.read_text(encoding="utf-8")
        chosen.into.write_text(put_into(page, tables(figures)), encoding="utf-8")
    if chosen.plots is not None:
        from latency_parts.plots import draw

        draw(figures, chosen.plots)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", dest="plan", action="store_const", const="quick", default="full", help="small sizes")
    parser.add_argument("--plan", choices=PLANS)
    parser.add_argument("--systems", type=_names(SYSTEMS), default=list(SYSTEMS), help=", ".join(SYSTEMS))
    parser.add_argument("--scenarios", type=_names(SCENARIOS), default=list(SCENARIOS), help=", ".join(SCENARIOS))
    parser.add_argument("--environments", type=Path, default=Path(".venv-bench"), help="where the peers are installed")
    parser.add_argument("--data", type=Path, help="conversations as JSON lines, instead of made-up turns")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cap", type=float, help="seconds that a peer may spend in a scenario")
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--from", dest="figures", type=Path, help="measure nothing: read these figures")
    parser.add_argument("--into", type=Path, help=f"put the tables into this page, behind {START}")
    parser.add_argument("--plots", type=Path, help="draw the plots into this folder")
    return parser


def _names(known: dict[str, Any]) -> Any:
    def read(text: str) -> list[str]:
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"no {', '.join(unknown)}; there are {', '.join(known)}")
        return names

    return read


def measured(chosen: argparse.Namespace) -> dict[str, Any]:
    """Run the scenarios; what is found is written after each."""
    begun, about, folder = time.monotonic(), machine(), chosen.environments.resolve()
    columns = (TextColumn("{task.description:<46}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bench = _bench(chosen, _installed(chosen.systems, folder, progress), folder)
        figures = {**_about(chosen, bench), "machine": about}
        for name in chosen.scenarios:
            _run(name, bench, progress)
            figures |= {
                "minutes": round((time.monotonic() - begun) / 60, 1),
                "notes": bench.notes,
                "rows": [asdict(row) for row in bench.rows],
            }
            if chosen.json is not None:
                _save(figures, chosen.json)
        if any("failed" in note for note in bench.notes):
            progress.console.print(f"something failed: the stores and logs stay in {bench.folder}")
        else:
            shutil.rmtree(bench.folder, ignore_errors=True)
    return figures


def _save(figures: dict[str, Any], path: Path) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def _installed(systems: list[str], folder: Path, progress: Progress) -> dict[str, Path]:
    task = progress.add_task("environments", total=len(systems))
    pythons = {}
    for name in systems:
        pythons[name] = python_of(name, folder, lambda what: progress.update(task, description=what))
        progress.advance(task)
    return pythons


def _bench(chosen: argparse.Namespace, pythons: dict[str, Path], folder: Path) -> Bench:
    plan = PLANS[chosen.plan]
    if chosen.cap is not None:
        plan = replace(plan, cap=chosen.cap)
    data = None if chosen.data is None else str(chosen.data.resolve())
    return Bench(chosen.systems, pythons, plan, chosen.seed, data, kept=folder / "scale")


def _run(name: str, bench: Bench, progress: Progress) -> None:
    task = progress.add_task(name, total=steps_of(name, bench))
    bench.tick = lambda what: progress.update(task, advance=1, description=f"{name}: {what}")
    SCENARIOS[name].run(bench)
    progress.update(task, description=name, completed=steps_of(name, bench))


def _about(chosen: argparse.Namespace, bench: Bench) -> dict[str, Any]:
    return {
        "measured": datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0"),
        "plan": chosen.plan,
        "cap": bench.plan.cap,
        "seed": chosen.seed,
        "data": None if chosen.data is None else chosen.data.name,
        "pinned": PINNED,
        "versions": {name: versions(python) for name, python in bench.pythons.items()},
    }


if __name__ == "__main__":
    main()

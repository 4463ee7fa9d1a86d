"""What an exact search costs as a product of BLAS, and as a dot product a row: wall and CPU time.

python benchmarks/dot_products.py
OMP_NUM_THREADS=1 python benchmarks/dot_products.py

Between two searches nothing happens for 2 ms, as between two turns: threads that go on spinning are seen in CPU time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from latency_parts.rows import interval
from rich.console import Console
from rich.table import Table

from automem_agents.protocols import Floats

SIZES = (1_000, 5_000, 10_000, 50_000)
PAUSE = 0.002  # seconds
WAYS: dict[str, Callable[[Floats, Floats], Floats]] = {"BLAS": np.matmul, "a row": np.vecdot}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--searches", type=int, default=300, help="of each way, in turns")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    table = Table("vectors", "way", "wall, ms", "CPU, ms", title="A search, median and its 95 % interval")
    for size in SIZES:
        rng = np.random.default_rng(chosen.seed)
        vectors = rng.standard_normal((size, chosen.dimension), np.float32)
        queries = rng.standard_normal((chosen.searches, chosen.dimension), np.float32)
        for way, search in WAYS.items():
            wall, cpu = zip(*(_timed(search, vectors, query) for query in queries), strict=True)
            table.add_row(f"{size:,}", way, _told(wall), _told(cpu))
    Console().print(table)


def _timed(search: Callable[[Floats, Floats], Floats], vectors: Floats, query: Floats) -> tuple[float, float]:
    """Return milliseconds of a search, and of CPU until the next one would come."""
    wall, cpu = time.perf_counter(), time.process_time()
    search(vectors, query)
    wall = time.perf_counter() - wall
    time.sleep(PAUSE)
    return wall * 1000, (time.process_time() - cpu) * 1000


def _told(values: tuple[float, ...]) -> str:
    low, high = interval(np.array(values))
    return f"{np.median(values):.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()

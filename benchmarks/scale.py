"""Make a store of a million records in a thousand namespaces, once, and measure what it costs to use it.

python benchmarks/scale.py --folder .venv-bench/scale
python benchmarks/scale.py --folder small-store --users 20 --records 300
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from latency_parts import large_store


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="the stores are kept here and used again")
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--records", type=int, default=1000, help="in each namespace")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    rows = large_store.run(
        chosen.folder, chosen.users, chosen.records, chosen.seed, lambda what: print(what, file=sys.stderr)
    )
    print(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()

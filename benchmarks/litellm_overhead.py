"""What the memory adds to a LiteLLM call: python benchmarks/litellm_overhead.py [--calls 200] [--records 1000].

The model is LiteLLM's mock, so that the call itself costs as little as it can. Both are timed in turn, call by call.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import time
from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

from automem_agents import MemoryController
from automem_agents_litellm import completion
from automem_agents_litellm._litellm import litellm

MODEL = "gpt-4o-mini"
PLACES = ("Oslo", "Bergen", "Rome", "Lisbon", "Kyoto", "Quito", "Accra", "Perth")


def timed(call: Callable[[], Any]) -> float:
    """Return the milliseconds that a call takes."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def spread(values: list[float]) -> dict[str, float]:
    """Return the median and the 95th percentile."""
    cuts = statistics.quantiles(values, n=20)
    return {"p50": round(statistics.median(values), 2), "p95": round(cuts[18], 2)}


def measure(memory: MemoryController, calls: int, stream: bool) -> dict[str, Any]:
    """Time the same call with and without memory."""
    times: dict[str, list[float]] = {"plain": [], "memory": []}
    for n in range(calls + 10):
        asked = [{"role": "user", "content": f"Where did I spend the summer of {n}, in {PLACES[n % 8]} or elsewhere?"}]
        options: dict[str, Any] = {"mock_response": f"In {PLACES[n % 8]}, you said.", "stream": stream}
        pairs = {
            "plain": lambda a=asked, o=options: litellm().completion(MODEL, a, **o),
            "memory": lambda a=asked, o=options: completion(MODEL, a, memory=memory, **o),
        }
        for name, call in pairs.items():
            took = timed((lambda c=call: list(c())) if stream else call)
            if n >= 10:  # the first ones warm up
                times[name].append(took)
    added = [with_it - plain for plain, with_it in zip(times["plain"], times["memory"], strict=True)]
    return {**{name: spread(values) for name, values in times.items()}, "added": spread(added)}


def main() -> None:
    logging.getLogger("LiteLLM").setLevel(logging.WARNING)  # it tells of every call
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--records", type=int, default=1000)
    given = parser.parse_args()
    with TemporaryDirectory() as folder, MemoryController.open(folder, user_id="ada") as memory:
        for n in range(given.records):
            memory.add(f"In year {n} I spent the summer in {PLACES[n % 8]} with {n % 7} friends")
        found = {"completion": measure(memory, given.calls, False), "stream": measure(memory, given.calls, True)}
    print(json.dumps({"unit": "ms", "records": given.records, "calls": given.calls, **found}, indent=1))


if __name__ == "__main__":
    main()

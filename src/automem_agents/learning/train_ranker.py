"""The process that trains a ranker: examples come in by its input, the ranker goes out by its output.

torch is imported here and nowhere else: neither its import nor its threads ever hold up the agent's process.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Sequence

import numpy as np

from automem_agents.values import Epoch, RankingExample, TorchRanker, Training
from automem_agents.values.container import pack, unpack

NICE = 10  # the agent comes first


def packed(examples: Sequence[RankingExample], names: Sequence[str], offset: str, seed: int) -> bytes:
    """Return examples as bytes for ``main``."""
    arrays = {
        "features": np.concatenate([example.features for example in examples]).astype(np.float64),
        "labels": np.concatenate([example.labels for example in examples]).astype(np.float64),
        "lengths": np.array([len(example.labels) for example in examples], np.float64),
        "weights": np.array([example.weight for example in examples]),
    }
    groups = [example.group for example in examples]
    return pack(arrays, {"groups": groups, "names": list(names), "offset": offset, "seed": seed})


def trained(data: bytes) -> tuple[dict[str, float], bytes]:
    """Train a ranker on what ``packed`` returned; return its held-out loss, before and after, and the ranker saved."""
    arrays, told = unpack(data)
    ends = np.cumsum(arrays["lengths"].astype(np.int64))[:-1]
    rows = zip(np.split(arrays["features"], ends), np.split(arrays["labels"], ends), strict=True)
    examples = [
        RankingExample(features, labels, float(weight), group)
        for (features, labels), weight, group in zip(rows, arrays["weights"], told["groups"], strict=True)
    ]
    best: dict[int, float] = {}

    def noted(epoch: Epoch) -> None:
        best[epoch.member] = epoch.best

    training = Training(seed=told["seed"])
    ranker = TorchRanker.fit(examples, told["names"], offset=told["offset"], training=training, progress=noted)
    return {"held_out": float(np.mean(list(best.values())))}, ranker.save()


def main() -> None:
    """Read examples, write a line of metrics and the ranker."""
    with contextlib.suppress(AttributeError, OSError):  # Windows has no nice
        os.nice(NICE)
    metrics, model = trained(sys.stdin.buffer.read())
    sys.stdout.buffer.write(json.dumps(metrics).encode() + b"\n" + model)

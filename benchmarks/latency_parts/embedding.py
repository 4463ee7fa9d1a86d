"""The one embedder of all systems: wordllama's 256 dimensions, with the time spent in it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIMENSION = 256
_BATCH = 64


class TimedEmbedder:
    """Unit vectors of texts; ``wall`` and ``cpu`` are the seconds spent so far. Safe to share between threads."""

    name = "wordllama-256"
    dimension = DIMENSION

    def __init__(self) -> None:
        self.wall = 0.0
        self.cpu = 0.0
        self._lock = threading.Lock()
        self._model: Any = None

    def load(self) -> None:
        """Read the weights."""
        with self._lock:
            if self._model is None:
                import wordllama

                # 0.4.0 looks for its tokenizer in another folder than it ships it in; as cache, the package has both
                folder = Path(wordllama.__file__).parent
                self._model = wordllama.WordLlama.load(dim=DIMENSION, cache_dir=folder, disable_download=True)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return (len(texts), 256)."""
        self.load()
        wall, cpu = time.perf_counter(), time.thread_time()
        with self._lock:
            order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # a batch is padded to its longest text
            out = np.empty((len(texts), DIMENSION), np.float32)
            for start in range(0, len(order), _BATCH):
                group = order[start : start + _BATCH]
                out[group] = self._model.embed([texts[i] for i in group], batch_size=len(group), norm=True)
            self.wall += time.perf_counter() - wall
            self.cpu += time.thread_time() - cpu
        return out

    def one(self, text: str) -> NDArray[np.float32]:
        """Return (256,)."""
        vector: NDArray[np.float32] = self.embed([text])[0]
        return vector

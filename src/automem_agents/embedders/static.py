"""The default embedder: static word vectors whose weights are in wordllama's own package."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automem_agents._fork import IMPORTS, keep_for_ever, survive_fork
from automem_agents.protocols import Floats

if TYPE_CHECKING:
    from wordllama import WordLlamaInference

_BATCH = 64
_PADDED_CHARS = 64_000


class WordLlamaEmbedder:
    """256-dimensional static embeddings, offline, about 0.1 ms a text on a CPU.

    Examples:
        >>> WordLlamaEmbedder().embed(["hello"]).shape
        (1, 256)
    """

    name = "wordllama-256"
    dimension = 256

    def __init__(self) -> None:
        self._model: WordLlamaInference | None = None
        self._lock = threading.Lock()
        survive_fork(self)

    def after_fork(self) -> None:
        """Read the weights anew in a forked child if another thread of the parent was in the middle of using them."""
        if self._lock.locked():
            keep_for_ever(self._model)
            self._model = None
        self._lock = threading.Lock()  # one that is free, but was waited for, can still hang here

    def embed(self, texts: Sequence[str]) -> Floats:
        """Return (len(texts), 256); a text without words gives zeros."""
        model = self.load()
        out = np.empty((len(texts), self.dimension), np.float32)
        for group in alike(texts):
            with self._lock:  # its tokenizer keeps padding and truncation state
                out[group] = model.embed([texts[i] for i in group], batch_size=len(group))
        return out

    def load(self) -> WordLlamaInference:
        """Read the weights, once; what is called under a deadline does so before it starts."""
        with self._lock:
            if self._model is None:
                self._model = self._read()
            return self._model

    @staticmethod
    def _read() -> WordLlamaInference:
        with IMPORTS:
            import wordllama

            # 0.4.0 looks for its tokenizer in another folder than it ships it in; its own package as cache finds both.
            package = Path(wordllama.__file__).parent
            model = wordllama.WordLlama.load(dim=256, cache_dir=package, disable_download=True)
        keep_no_texts(model)
        return model


def keep_no_texts(model: WordLlamaInference) -> None:
    """Have its tokenizer keep no texts: it would hold the last ten thousand, also those that memory has erased."""
    resize: Callable[[int], None] | None = getattr(model.tokenizer.model, "_resize_cache", None)
    if resize is not None:
        resize(0)


def alike(texts: Sequence[str]) -> list[list[int]]:
    """Group texts of like length: a batch is padded to its longest text, and one long text would make it huge.

    Returns:
        Indexes into ``texts``; a group has at most 64, and no more than 64,000 characters once padded, or one text.

    Examples:
        >>> alike(["a", "b" * 50_000, "c"])
        [[0, 2], [1]]
    """
    groups: list[list[int]] = []
    for i in sorted(range(len(texts)), key=lambda i: len(texts[i])):
        if groups and len(groups[-1]) < _BATCH and (len(groups[-1]) + 1) * len(texts[i]) <= _PADDED_CHARS:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups

"""The default embedder: static word vectors whose weights are in wordllama's own package."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automem_agents.protocols import Floats

if TYPE_CHECKING:
    from wordllama import WordLlamaInference


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

    def embed(self, texts: Sequence[str]) -> Floats:
        """Return (len(texts), 256); a text without words gives zeros."""
        model = self.load()
        with self._lock:  # its tokenizer keeps padding and truncation state
            return np.asarray(model.embed(list(texts)), dtype=np.float32)

    def load(self) -> WordLlamaInference:
        """Read the weights, once; what is called under a deadline does so before it starts."""
        with self._lock:
            if self._model is None:
                self._model = self._read()
            return self._model

    @staticmethod
    def _read() -> WordLlamaInference:
        import wordllama

        # 0.4.0 looks for its tokenizer in another folder than it ships it in; its own package as cache finds both.
        package = Path(wordllama.__file__).parent
        return wordllama.WordLlama.load(dim=256, cache_dir=package, disable_download=True)

"""The physical floor: what any durable memory pays at the least."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from latency_parts.adapters.base import TOP, Memory
from latency_parts.embedding import DIMENSION, TimedEmbedder


class Floor(Memory):
    """One row of text and vector, one commit that survives a power loss; a matrix for each user in memory."""

    def __init__(self, folder: Path, embedder: TimedEmbedder, **options: object) -> None:
        super().__init__(folder, embedder, **options)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(folder / "floor.db", check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("CREATE TABLE IF NOT EXISTS rows (seq INTEGER PRIMARY KEY, user TEXT, text TEXT, vector BLOB)")
        self._matrices: dict[str, np.ndarray] = {}
        self._texts: dict[str, list[str]] = {}
        for user, text, vector in self._db.execute("SELECT user, text, vector FROM rows ORDER BY seq"):
            self._keep(user, text, np.frombuffer(vector, np.float32))

    def _keep(self, user: str, text: str, vector: np.ndarray) -> None:
        texts = self._texts.setdefault(user, [])
        matrix = self._matrices.get(user)
        if matrix is None or len(texts) == len(matrix):
            grown = np.zeros((max(64, 2 * len(texts)), DIMENSION), np.float32)
            if matrix is not None:
                grown[: len(texts)] = matrix
            matrix = self._matrices[user] = grown
        matrix[len(texts)] = vector
        texts.append(text)

    def write(self, user: str, number: int, text: str) -> int:
        vector = self.embedder.one(text)
        with self._lock:
            self._insert(user, text, vector)
        return 1

    def _insert(self, user: str, text: str, vector: np.ndarray) -> None:
        self._db.execute("INSERT INTO rows (user, text, vector) VALUES (?, ?, ?)", (user, text, vector.tobytes()))
        self._keep(user, text, vector)

    def recall(self, user: str, question: str) -> int:
        vector = self.embedder.one(question)
        with self._lock:
            texts = self._texts.get(user, [])
            scores = np.vecdot(self._matrices[user][: len(texts)], vector)
            count = min(TOP, len(texts))
            best = np.argpartition(-scores, count - 1)[:count]
            return len([texts[i] for i in best[np.argsort(-scores[best])]])

    def fill(self, user: str, first: int, texts: Sequence[str]) -> None:
        vectors = self.embedder.embed(texts)
        with self._lock:
            self._db.execute("BEGIN")
            for text, vector in zip(texts, vectors, strict=True):
                self._insert(user, text, vector)
            self._db.execute("COMMIT")

    def close(self) -> None:
        self._db.close()

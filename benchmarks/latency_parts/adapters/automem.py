"""This package, through its public face."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from latency_parts.adapters.base import Memory
from latency_parts.embedding import TimedEmbedder

_SESSION = 20  # turns
_STRICT = {"strict": True, "recall_deadline": 300.0, "observe_deadline": 300.0}  # a slow call counts as slow


class AutoMem(Memory):
    """``observe`` and ``recall``; filled by importing records."""

    def __init__(self, folder: Path, embedder: TimedEmbedder, **options: object) -> None:
        super().__init__(folder, embedder, **options)
        from automem_agents import MemoryController

        self.memory = MemoryController.open(folder / "memory", embedder=embedder, **{**_STRICT, **options})

    def write(self, user: str, number: int, text: str) -> int:
        message = {"role": "user", "content": text, "date": _date(number)}
        receipt = self.memory.observe(message, session=_session(number), user_id=user)
        return len(receipt.record_ids)

    def recall(self, user: str, question: str) -> int:
        return len(self.memory.recall(question, user_id=user).hits)

    def fill(self, user: str, first: int, texts: Sequence[str]) -> None:
        path = self.folder / "fill.jsonl"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(f"{_record(user, first + i, text)}\n" for i, text in enumerate(texts))
        report = self.memory.import_jsonl(path, user_id=user)
        path.unlink()
        if report.stored != len(texts):
            raise RuntimeError(f"{report.stored} of {len(texts)} records were imported")

    def settle(self) -> None:
        if not self.memory.flush(600.0):
            raise RuntimeError("Chroma did not catch up")

    def close(self) -> None:
        self.memory.close()


def _session(number: int) -> str:
    return f"session-{number // _SESSION}"


def _date(number: int) -> str:
    return f"{1 + number // _SESSION % 28} May {2020 + number // _SESSION // 28 % 6}"


def _record(user: str, number: int, text: str) -> str:
    now = "2026-01-01T00:00:00Z"
    return json.dumps(
        {
            "type": "record",
            "id": f"mem_{user}_{number}",
            "text": text,
            "role": "user",
            "speaker": "user",
            "session": _session(number),
            "turn_id": f"fill-{number}",
            "source": "user",
            "trust": 1.0,
            "date_text": _date(number),
            "recorded_at": now,
            "valid_from": now,
        }
    )

"""Audit of memories that mem0 gave out: ``get_all``, exports and backups as JSON or JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from automem_agents.clock import to_micros
from automem_agents.embedders import CheckedEmbedder, WordLlamaEmbedder
from automem_agents.errors import InvalidInput
from automem_agents.operations.audit.report import AuditReport
from automem_agents.operations.audit.run import STEPS, audit
from automem_agents.operations.audit.subject import Entry, Subject
from automem_agents.protocols import Embedder, Floats
from automem_agents.text.clean import clean

_LISTS = ("results", "memories", "data")  # where the memories of a page are
_TEXTS = ("memory", "content", "text", "data")
_WHOSE = ("user_id", "agent_id", "app_id")
_REMEDY = "delete them in mem0"


def audit_mem0(
    path: Path,
    *,
    examples: int = 3,
    embedder: Embedder | None = None,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> AuditReport:
    """Audit a file of mem0's, in memory; each user, agent and app for itself.

    Args:
        path: what ``get_all`` returned or an export holds, as JSON or JSON lines.
        examples: at most so many of each check.
        embedder: compares near duplicates; default is wordllama, offline.
        on_step: called with what is done of the whole.

    Raises:
        InvalidInput: if the file can't be read, naming the memory that isn't one.
    """
    entries: dict[tuple[object, ...], list[Entry]] = {}
    for number, value in enumerate(_memories(path), start=1):
        whose = tuple(str(value.get(name)) for name in _WHOSE)
        entries.setdefault(whose, []).append(_entry(value, number, f"{path}, memory {number}"))
    checked = CheckedEmbedder(embedder or WordLlamaEmbedder())
    total, done = STEPS * len(entries), 0

    def step() -> None:
        nonlocal done
        done += 1
        on_step(done, total)

    return audit(str(path), (_subject(group, checked) for group in entries.values()), examples, step, _REMEDY)


def _subject(group: Sequence[Entry], embedder: Embedder) -> Subject:
    live = sorted(group, key=lambda entry: entry.recorded_at or 0)

    def vectors(positions: Sequence[int]) -> Floats:
        return embedder.embed([live[at].text for at in positions])

    return Subject(live=live, vectors=vectors)


def _memories(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"can't read {path}: {error}") from None
    if not text.strip():
        raise InvalidInput(f"{path} is empty")
    try:
        values = [json.loads(text)]
    except (ValueError, RecursionError) as error:
        values = list(_lines(path, text, error))
    yield from _flat(values, str(path))


def _lines(path: Path, text: str, error: Exception) -> Iterator[Any]:
    """Yield the value of each line of a file that is not one JSON value."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):
                raise InvalidInput(f"{path} is neither JSON ({error}) nor JSON lines (line {number})") from None


def _flat(values: list[Any], where: str) -> Iterator[Mapping[str, Any]]:
    """Yield the memories of lists and pages, whatever is in what, in order."""
    ahead = values[::-1]
    while ahead:
        value = ahead.pop()
        if isinstance(value, dict):
            inner = next((value[name] for name in _LISTS if isinstance(value.get(name), (list, dict))), None)
            if inner is None:
                yield value
            else:
                ahead.append(inner)
        elif isinstance(value, list):
            ahead.extend(reversed(value))
        else:
            raise InvalidInput(f"{where}: a memory is an object, not {type(value).__name__}")


def _entry(value: Mapping[str, Any], number: int, where: str) -> Entry:
    text = next((value[name] for name in _TEXTS if isinstance(value.get(name), str)), None)
    if text is None:
        raise InvalidInput(f"{where}: no text; it is looked for under {', '.join(_TEXTS)}")
    created = _time(value.get("created_at"), where)
    return Entry(
        id=str(value.get("id") or f"memory {number}"),
        text=clean(text),
        speaker=str(value.get("actor_id") or value.get("role") or ""),
        date="" if created is None else f"{created:%Y-%m-%d}",
        nbytes=len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")),
        role=str(value.get("role") or ""),
        recorded_at=None if created is None else to_micros(created),
    )


def _time(value: object, where: str) -> datetime | None:
    try:
        if isinstance(value, str) and value:
            moment = datetime.fromisoformat(value)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidInput(f"{where}: created_at is not a time: {value!r}") from None
    return None

"""Records out to and in from JSON lines, and readers for the other shapes that are imported."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection

from automem_agents.clock import to_micros
from automem_agents.errors import InvalidInput
from automem_agents.journal import records
from automem_agents.journal.records import NewRecord
from automem_agents.journal.turns import IMPORTED, NewTurn, turn_seq
from automem_agents.operations.checks import checked_text
from automem_agents.operations.messages import Message, Turn, checked_turn
from automem_agents.store import MemoryStore
from automem_agents.text.clean import fingerprint
from automem_agents.text.render import date_label, record_line, record_text
from automem_agents.types import STORED, MemoryRecord, Namespace, Receipt, State

_BATCH = 256


class ExportedRecord(BaseModel):
    """A record as it stands in an export: all but its vector, which is made again on import."""

    model_config = ConfigDict(extra="forbid")

    type: str = "record"
    id: str
    text: str
    role: str
    speaker: str
    run_id: str | None = None
    session: str | None = None
    turn_id: str | None = None
    position: int = 0
    segment: int = 0
    kind: str = "log"
    key: str | None = None
    source: str
    trust: float = Field(ge=0, le=1)
    occurred_at: datetime | None = None
    date_text: str | None = None
    recorded_at: datetime
    valid_from: datetime
    valid_to: datetime | None = None
    state: State = State.LIVE
    parents: tuple[str, ...] = ()
    relation: Literal["update", "merge", "alike", "summary"] = "update"
    metadata: dict[str, Any] = {}
    recalled: int = 0
    used: int = 0


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """How many lines were read, and what became of them."""

    lines: int
    stored: int
    skipped: int


def export_file(store: MemoryStore, namespace: Namespace, path: Path) -> int:
    """Write all records of a namespace, tombstones included, as JSON lines; return how many.

    Raises:
        InvalidInput: if the file can't be written.
    """
    after, count = 0, 0
    try:
        with path.open("w", encoding="utf-8") as file:
            while True:
                with store.journal.read() as connection:
                    rows = records.page(connection, namespace.key, STORED, _BATCH, after, None, None)
                    page = records.to_records(connection, namespace, rows)
                    how = records.relations_of(connection, [row.seq for row in rows])
                relations = (how.get(row.seq, "update") for row in rows)
                file.writelines(f"{exported(*pair)}\n" for pair in zip(page, relations, strict=True))
                count += len(page)
                if len(page) < _BATCH:
                    return count
                after = rows[-1].seq
    except OSError as error:
        raise InvalidInput(f"can't write {path}: {error}") from None


def import_file(
    store: MemoryStore,
    namespace: Namespace,
    path: Path,
    observe: Callable[[Turn], Receipt],
    on_line: Callable[[], None],
) -> ImportReport:
    """Read an export, messages or conversations; see ``MemoryController.import_jsonl``."""
    restored: list[tuple[str, dict[str, Any]]] = []
    turns: list[Turn] = []
    lines = 0
    for number, value in json_lines(path):  # the whole file is checked before anything is stored
        lines += 1
        where = f"{path}, line {number}"
        if value.get("type") == "record":
            restored.append((where, value))
        else:
            turns.extend(turns_of(value, where))
    stored = import_records(store, namespace, restored) if restored else 0
    skipped = len(restored) - stored
    for turn in turns:
        receipt = observe(turn)
        stored += len(receipt.record_ids)
        skipped += not receipt.record_ids
        on_line()
    return ImportReport(lines=lines, stored=stored, skipped=skipped)


def exported(record: MemoryRecord, relation: str = "update") -> str:
    """Return a record, and how it came from its parents, as one line of JSON."""
    names = ExportedRecord.model_fields.keys() - {"type", "relation"}
    values = {name: getattr(record, name) for name in names}
    return ExportedRecord.model_validate({**values, "relation": relation}).model_dump_json()


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the numbered objects of a file of JSON lines.

    Raises:
        InvalidInput: naming the line that can't be read.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, _object(path, number, line)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"can't read {path}: {error}") from None


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InvalidInput(f"{path}, line {number}: not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidInput(f"{path}, line {number}: an object was expected, not {type(value).__name__}")
    return value


def turns_of(value: dict[str, Any], where: str) -> Iterator[Turn]:
    """Yield the turns of a conversation (``sessions``) or of a single message (``role`` and ``content``).

    Raises:
        InvalidInput: if it is neither.
    """
    if "sessions" in value:
        yield from _conversation(value, where)
    elif "content" in value:
        yield checked_turn([value], value.get("turn_id"), value.get("run_id"), value.get("session"))
    else:
        raise InvalidInput(f"{where}: neither a record, a message (content) nor a conversation (sessions)")


def _conversation(value: dict[str, Any], where: str) -> Iterator[Turn]:
    try:
        run_id = str(value["id"])
        for session in value["sessions"]:
            for turn in session["turns"]:
                caption = f" [image: {turn['caption']}]" if turn.get("caption") else ""
                message = Message(
                    role=turn.get("role", "user"),
                    name=turn["speaker"],
                    content=turn["text"] + caption,
                    date=session.get("date"),
                )
                yield checked_turn(message, f"{run_id}/{turn['id']}", run_id, f"{run_id}/{session['id']}")
    except (KeyError, TypeError, AttributeError, ValidationError) as error:
        raise InvalidInput(f"{where}: not a conversation: {type(error).__name__}: {error}") from None


def import_records(store: MemoryStore, namespace: Namespace, values: Sequence[tuple[str, dict[str, Any]]]) -> int:
    """Restore exported records with their history; return how many were new.

    All or nothing: one transaction, whatever the number.

    Raises:
        InvalidInput: naming the line that isn't an exported record.
    """
    rows = [_checked(where, value, store.settings.max_text_chars) for where, value in values]
    if len({row.id for row in rows}) < len(rows):
        raise InvalidInput("two lines have the same id; an export has each record once")
    vectors = [
        vector
        for start in range(0, len(rows), _BATCH)
        for vector in store.embed([_rendered(row) for row in rows[start : start + _BATCH]])
    ]
    with store.journal.write() as connection:
        key = store.journal.ensure_namespace(connection, namespace, store.clock.now())
        here = {row.id: row.seq for row in records.page(connection, key, tuple(State), None, 0, None, None)}
        elsewhere = records.existing_ids(connection, [row.id for row in rows]) - set(here)
        names = {row.id: _renamed(key, row.id) if row.id in elsewhere else row.id for row in rows}
        fresh = [(row, vector) for row, vector in zip(rows, vectors, strict=True) if names[row.id] not in here]
        turn_seqs = _turns(store, connection, key, [row for row, _ in fresh])
        news = [_new_record(store, key, row, vector, names[row.id], turn_seqs) for row, vector in fresh]
        seqs = records.insert_records(connection, news) if news else []
        here |= {names[row.id]: seq for (row, _), seq in zip(fresh, seqs, strict=True)}
        for (row, _), seq in zip(fresh, seqs, strict=True):
            parents = [names.get(parent, parent) for parent in row.parents]
            records.link(connection, seq, sorted(here[p] for p in parents if p in here), row.relation)
        records.log_changes(connection, key, seqs, "add")
    return len(seqs)


def _turns(
    store: MemoryStore, connection: Connection, namespace: int, rows: Sequence[ExportedRecord]
) -> dict[str | None, int]:
    """Return the seqs of the turns that records were said in, filing those that are new."""
    found: dict[str | None, int] = {}
    now = store.clock.now()
    for row in rows:
        if row.turn_id is not None and row.turn_id not in found:
            said = NewTurn(row.turn_id, namespace, row.run_id, row.session, IMPORTED, now)
            found[row.turn_id] = turn_seq(connection, said)
    return found


def _checked(where: str, value: dict[str, Any], most: int) -> ExportedRecord:
    try:
        row = ExportedRecord.model_validate(value)
        said = {"role": row.role, "name": row.speaker, "source": row.source, "key": row.key, "kind": row.kind}
        checked_turn({**said, "date": row.date_text, "metadata": row.metadata}, row.id, row.run_id, row.session)
        return row.model_copy(update={"text": checked_text(row.text, most)})
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidInput(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error}") from None


def _rendered(row: ExportedRecord) -> str:
    return record_text(row.speaker, date_label(row.occurred_at, row.date_text), row.text)


def _renamed(namespace: int, record_id: str) -> str:
    """The id of a copy of another namespace's record: the same at each import, so that none is copied twice."""
    return f"mem_{blake2b(f'{namespace}/{record_id}'.encode(), digest_size=12).hexdigest()}"


def _new_record(
    store: MemoryStore,
    namespace: int,
    row: ExportedRecord,
    vector: Any,
    record_id: str,
    turn_seqs: Mapping[str | None, int],
) -> NewRecord:
    def micros(moment: datetime | None) -> int | None:
        return None if moment is None else to_micros(moment)

    return NewRecord(
        id=record_id,
        namespace=namespace,
        text=row.text,
        fingerprint=fingerprint(row.speaker, row.text),
        vector=vector.astype("<f4").tobytes(),
        tokens=store.counter.count(_rendered(row)),
        line_tokens=store.counter.count(record_line(row.speaker, row.text)),
        role=row.role,
        speaker=row.speaker,
        run_id=row.run_id,
        session=row.session,
        turn_seq=turn_seqs.get(row.turn_id),
        position=row.position,
        segment=row.segment,
        kind=row.kind,
        key=row.key,
        source=row.source,
        trust=row.trust,
        occurred_at=micros(row.occurred_at),
        date_text=row.date_text,
        recorded_at=to_micros(row.recorded_at),
        valid_from=to_micros(row.valid_from),
        valid_to=micros(row.valid_to),
        state=row.state,
        metadata=row.metadata,
        recalled=row.recalled,
        used=row.used,
    )

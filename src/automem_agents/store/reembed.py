"""Moving a store to another embedder: every vector is computed again, or none is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, select, update

from automem_agents.embedders import CheckedEmbedder
from automem_agents.errors import StoreUnavailable
from automem_agents.index.embedded import EmbeddedChroma
from automem_agents.journal import Journal, sqlite
from automem_agents.journal.records import label_of
from automem_agents.journal.schema import index_marks, records
from automem_agents.protocols import Embedder
from automem_agents.text.render import record_text

_BATCH = 256


def existing_store(folder: Path) -> Path:
    """Return ``folder`` if a store is in it.

    Raises:
        StoreUnavailable: if there is none.
    """
    if not (folder / sqlite.FILE).is_file():
        raise StoreUnavailable(
            f"there is no store in the folder {str(folder)!r}; one is made when something is first added to it"
        )
    return folder


def reembed(
    folder: Path, embedder: Embedder, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> int:
    """Compute the vectors of all records, tombstones included, with ``embedder``; return how many.

    One transaction: a kill leaves the store as it was. Another process that has the store open is refused from then on,
    until it opens the store again; one that has its Chroma open has to close it first. Chroma's files in the folder are
    removed and fed again when next used; collections in a Chroma of your own have to be deleted by you.

    Args:
        folder: of the store.
        embedder: the new one.
        on_progress: called after each batch with the number of records done, and of all.

    Raises:
        StoreUnavailable, SchemaTooNew: if there is no store that can be opened, or another process has its Chroma open.
        EmbedderError: if the embedder fails.
    """
    checked = CheckedEmbedder(embedder)
    journal = Journal(existing_store(folder))
    chroma = EmbeddedChroma(folder)
    try:
        if not chroma.acquire():
            raise StoreUnavailable(f"the vector index is in use: {chroma.owner()}. Close the store there first")
        with journal.write() as connection:
            total = connection.scalar(select(func.count()).select_from(records)) or 0
            done = 0
            for batch in _batches(connection):
                _replace_vectors(connection, batch, checked)
                done += len(batch)
                on_progress(done, total)
            connection.execute(delete(index_marks))
            journal.begin_epoch(connection)
            journal.set_meta(connection, "embedder", f"{checked.name}/{checked.dimension}")
            # Before the commit: a missing index is fed again, one with vectors of the old embedder would be believed.
            chroma.reset([])
    finally:
        chroma.close()
        journal.close()
    return done


def _batches(connection: Connection) -> Iterator[Sequence[Row[Any]]]:
    columns = [records.c[name] for name in ("seq", "speaker", "text", "occurred_at", "date_text")]
    after = 0
    while batch := connection.execute(
        select(*columns).where(records.c.seq > after).order_by(records.c.seq).limit(_BATCH)
    ).all():
        yield batch
        after = batch[-1].seq


def _replace_vectors(connection: Connection, rows: Sequence[Row[Any]], embedder: CheckedEmbedder) -> None:
    vectors = embedder.embed(
        [record_text(row.speaker, label_of(row.occurred_at, row.date_text), row.text) for row in rows]
    )
    statement = update(records).where(records.c.seq == bindparam("row")).values(vector=bindparam("new"))
    values = [{"row": r.seq, "new": v.astype("<f4").tobytes()} for r, v in zip(rows, vectors, strict=True)]
    connection.execute(statement, values)

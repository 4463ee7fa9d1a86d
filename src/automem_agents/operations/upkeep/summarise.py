"""SUMMARISE: of records that are much alike, the one in their middle stays, or a model writes one for all of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np

from automem_agents.errors import InvalidInput
from automem_agents.journal.records import NewRecord, RecordRow
from automem_agents.operations.ids import new_id
from automem_agents.operations.pieces import sanitised
from automem_agents.operations.upkeep.alike import close_pairs, vectors_of
from automem_agents.operations.upkeep.snapshot import Snapshot
from automem_agents.operations.upkeep.step import Step
from automem_agents.protocols import Scrubber, Summariser
from automem_agents.store import MemoryStore
from automem_agents.text.clean import fingerprint
from automem_agents.text.cues import polarity
from automem_agents.text.render import record_line, record_text, without_blocks
from automem_agents.types import Action

log = logging.getLogger(__name__)
MIN_ALIKE = 0.9  # cosine of two records that may stand for one another
LEAST = 3  # records that are worth a summary
MOST = 16  # of which one summary is made
_AT_A_TIME = 32  # summaries in one pass
_SOURCE = "consolidated"


class Condenser:
    """Has a summariser write what is stored: its words are cleaned and scrubbed as those of a message.

    Args:
        summariser: somebody else's model; what it can't condense stays as it is.
        scrubber: removes what must not be stored.

    Attributes:
        failures: how often something went wrong.
    """

    def __init__(self, summariser: Summariser, scrubber: Scrubber | None = None) -> None:
        self._summariser = summariser
        self._scrubber = scrubber
        self.failures = 0

    def condense(self, texts: Sequence[str], longest: int) -> str:
        """Return what stands for several texts; nothing if the summariser fails, or writes more than ``longest`` characters."""
        try:
            text = sanitised(without_blocks(self._summariser.summarise(texts)), self._scrubber)
            if len(text) > longest:
                raise InvalidInput(f"{len(text)} characters, at most {longest} are stored")
            return text
        except Exception as error:  # noqa: BLE001 - counted
            self.failures += 1
            log.warning("a summary failed, its records stay: %s: %s", type(error).__name__, error)
            return ""


def condensed(
    store: MemoryStore, snapshot: Snapshot, rows: Sequence[RecordRow], compared: int, condenser: Condenser | None
) -> Iterator[Step]:
    """Yield a step for each cluster of records that are much alike, of one speaker and kind, without keys.

    Args:
        rows: that are still there, oldest first.
        compared: records up to this seq were compared before.
        condenser: None keeps the record that is nearest to the centre of a cluster, as it is.
    """
    free = [row for row in rows if row.key is None and snapshot.may_go(row)]
    for number, cluster in enumerate(_clusters(free, compared)):
        if number == _AT_A_TIME:
            return
        step = _medoid(cluster) if condenser is None else _summary(store, condenser, cluster, snapshot.now)
        if step is not None:
            yield step


def _clusters(rows: Sequence[RecordRow], compared: int) -> Iterator[list[RecordRow]]:
    """Yield clusters around the records that have most others near them; each record is in one at most."""
    near: dict[int, set[int]] = {}
    for i, j in close_pairs(rows, MIN_ALIKE, compared):
        if _same_voice(rows[i], rows[j]):
            near.setdefault(i, set()).add(j)
            near.setdefault(j, set()).add(i)
    taken: set[int] = set()
    for middle in sorted(near, key=lambda at: (-len(near[at]), at)):
        if middle not in taken:
            members = sorted(({middle} | near[middle]) - taken)[:MOST]
            if len(members) >= LEAST:
                taken.update(members)
                yield [rows[at] for at in members]


def _same_voice(a: RecordRow, b: RecordRow) -> bool:
    """Whether two records may stand for one another: who says it, of what kind, and no other numbers or negations."""
    said_by = a.speaker.casefold() == b.speaker.casefold() and a.kind == b.kind
    return said_by and polarity(a.text) == polarity(b.text)


def _medoid(cluster: Sequence[RecordRow]) -> Step:
    vectors = vectors_of(cluster)
    middle = int(np.argmax(vectors @ vectors.mean(axis=0)))
    others = [row for at, row in enumerate(cluster) if at != middle]
    why = f"stands for {len(cluster)} records that are alike"
    return Step(Action.SUMMARISE, why, others, kept=cluster[middle], relation="alike")


def _summary(store: MemoryStore, condenser: Condenser, cluster: Sequence[RecordRow], now: int) -> Step | None:
    """Return a step that writes what a model makes of a cluster; None, and the records stay, if it can't."""
    text = condenser.condense([row.text for row in cluster], store.settings.max_text_chars)
    if not text:
        return None
    made = _record(store, cluster, text, now)
    why = f"condensed {len(cluster)} records"
    return Step(Action.SUMMARISE, why, list(cluster), made=made, relation="summary")


def _record(store: MemoryStore, cluster: Sequence[RecordRow], text: str, now: int) -> NewRecord:
    newest = cluster[-1]
    rendered = record_text(newest.speaker, "", text)
    return NewRecord(
        id=new_id("mem"),
        namespace=newest.namespace,
        text=text,
        fingerprint=fingerprint(newest.speaker, text),
        vector=store.embed([rendered])[0].astype("<f4").tobytes(),
        tokens=store.counter.count(rendered),
        line_tokens=store.counter.count(record_line(newest.speaker, text)),
        role=newest.role,
        speaker=newest.speaker,
        run_id=None,
        session=None,
        turn_seq=None,
        position=0,
        segment=0,
        kind=newest.kind,
        key=None,
        source=_SOURCE,
        trust=min(row.trust for row in cluster),
        occurred_at=None,
        date_text=None,
        recorded_at=now,
        valid_from=now,
        metadata={},
        recalled=max(row.recalled for row in cluster),
        used=max(row.used for row in cluster),
    )

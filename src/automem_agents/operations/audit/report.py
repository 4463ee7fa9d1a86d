"""What an audit says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Example:
    """One record that a check found.

    Attributes:
        record_id: its id.
        text: its text, shortened, secrets masked.
        why: what is wrong with it; names another record where there is one.
    """

    record_id: str
    text: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found.

    Attributes:
        check: its name.
        title: the same for people.
        known: whether what was audited says enough to check this.
        count: records that it found.
        share: of the records that it looked at, 0 to 1.
        examples: the first of them.
        remedy: what to do about them; "" if there is nothing.
    """

    check: str
    title: str
    known: bool
    count: int
    share: float
    examples: tuple[Example, ...]
    remedy: str


@dataclass(frozen=True, kw_only=True)
class Span:
    """A tenth of the history: of its turns in order, or of its time where turns are not known.

    Attributes:
        turns: None where they are not known.
        records, nbytes: that were stored in it and are still there, as a record or as a tombstone.
    """

    turns: int | None
    records: int
    nbytes: int


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """What is in a memory that should not be there.

    Attributes:
        source: the store's folder or the file.
        namespaces: how many were audited, each for itself.
        records: that are live.
        states: how many records there are of each state; the skipped and the tombstones still take room.
        nbytes: of texts, vectors and metadata, by state.
        findings: one of each check.
        growth: by tenth of the history, oldest first; empty where nothing says when records were stored.
    """

    source: str
    namespaces: int
    records: int
    states: Mapping[str, int]
    nbytes: Mapping[str, int]
    findings: tuple[Finding, ...]
    growth: tuple[Span, ...]

    def finding(self, check: str) -> Finding:
        """Return what a check found.

        Raises:
            KeyError: if there is no such check.
        """
        return {finding.check: finding for finding in self.findings}[check]

"""Secrets in texts, tombstones and skipped ones included: those are still on the disk."""

from __future__ import annotations

from collections.abc import Iterator

from automem_agents.operations.audit.subject import Flag, Subject
from automem_agents.text.credentials import secrets_in
from automem_agents.types import State


def secrets(subject: Subject) -> Iterator[Flag]:
    """Flag records that hold what looks like a secret; what it is stands in no flag."""
    for entry in (*subject.live, *subject.gone):
        kinds = dict.fromkeys(secret.kind for secret in secrets_in(entry.text))
        if kinds:
            where = "" if entry.state == State.LIVE else f", {entry.state}"
            yield Flag(entry, ", ".join(kinds) + where)

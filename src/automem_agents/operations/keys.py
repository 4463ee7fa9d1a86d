"""Keys that an extractor finds in what is said, beside those that callers give."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from automem_agents.operations.pieces import Piece
from automem_agents.protocols import KeyExtractor
from automem_agents.text.keys import FOUND

log = logging.getLogger(__name__)

_LONGEST = 256


def is_found(key: str | None) -> bool:
    """Tell whether a key was found by an extractor."""
    return key is not None and key.startswith(FOUND)


class CountedExtractor:
    """An extractor that costs no turn anything: what goes wrong in it is logged and counted, and no key is found.

    Attributes:
        failures: how often something went wrong.
    """

    def __init__(self, extractor: KeyExtractor) -> None:
        self._extractor = extractor
        self.failures = 0

    def key(self, text: str, speaker: str) -> str | None:
        """Return the key of the fact that a text states, None if it states none or the extractor fails."""
        try:
            return self._extractor.key(text, speaker)
        except Exception as error:  # noqa: BLE001 - whatever an extractor does wrong, the turn is stored
            self.failures += 1
            log.warning("no key was found, the turn goes on: %s: %s", type(error).__name__, error)
            return None


def with_keys(pieces: Sequence[Piece], extractor: KeyExtractor | None) -> list[Piece]:
    """Return the pieces with the keys of the facts that they state, where their message has none.

    Only a message that is one piece gets a key: to supersede a part of a message would tear it apart. Of several that
    state one fact in one turn the last gets it; the others are kept as they are.
    """
    if extractor is None:
        return list(pieces)
    parts = Counter(piece.position for piece in pieces)
    out: list[Piece] = []
    taken: set[str] = set()
    for piece in reversed(pieces):
        free = piece.message.key is None and not piece.refused and parts[piece.position] == 1
        key = _key(piece, extractor) if free else None
        if key is not None and key not in taken:
            taken.add(key)
            piece = replace(piece, message=piece.message.model_copy(update={"key": key}))
        out.append(piece)
    return out[::-1]


def _key(piece: Piece, extractor: KeyExtractor) -> str | None:
    key = extractor.key(piece.text, piece.message.speaker)
    return f"{FOUND}{key}" if key and len(FOUND) + len(key) <= _LONGEST else None

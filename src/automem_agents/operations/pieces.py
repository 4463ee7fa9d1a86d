"""The pieces of a turn that ask to be stored, and the reasons why some may not be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from automem_agents.operations.messages import Message
from automem_agents.protocols import Scrubber, TokenCounter
from automem_agents.settings import Settings
from automem_agents.text.clean import clean, fingerprint
from automem_agents.text.render import cited_line, date_label, record_line, record_text, without_blocks
from automem_agents.text.segments import segments


@dataclass(frozen=True)
class Piece:
    """A segment of a message.

    Attributes:
        refused: why it can't be stored whatever the policy says, or "".
    """

    message: Message
    text: str
    position: int
    segment: int
    date: str
    tokens: int
    line_tokens: int
    fingerprint: bytes
    refused: str = ""

    @property
    def rendered(self) -> str:
        """The text that is indexed."""
        return record_text(self.message.speaker, self.date, self.text)


def pieces_of(
    messages: Sequence[Message],
    settings: Settings,
    counter: TokenCounter,
    scrubber: Scrubber | None,
    knows_line: Callable[[str], bool],
) -> list[Piece]:
    """Clean, scrub and cut messages; what can't be stored becomes one refused piece.

    Args:
        knows_line: tells whether a line that begins with a ref is a record as a recall shows it.
    """
    out: list[Piece] = []
    for position, message in enumerate(messages):
        text, refused = _storable(message, settings, scrubber, knows_line)
        texts = [text] if refused else segments(text, settings.segment_tokens, counter)
        out += [_piece(message, part, (position, number), counter, refused) for number, part in enumerate(texts)]
    return out


def _storable(
    message: Message, settings: Settings, scrubber: Scrubber | None, knows_line: Callable[[str], bool]
) -> tuple[str, str]:
    if message.role in ("system", "developer"):
        return "", "system prompt"
    if len(message.text) > settings.max_text_chars:
        return "", f"too long: {len(message.text)} characters, at most {settings.max_text_chars} are stored"
    text = _without_injected(message.text, knows_line)
    injected = text != message.text
    text = sanitised(text, scrubber)
    if not text:
        return "", "recalled text that was put into the prompt" if injected else "empty"
    return text, ""


def _without_injected(text: str, knows_line: Callable[[str], bool]) -> str:
    """Drop recalls, and single lines copied out of one."""
    text = without_blocks(text)
    if "[m" not in text:
        return text
    lines = text.split("\n")
    kept = [line for line in lines if (cited := cited_line(line)) is None or not knows_line(cited)]
    return text if len(kept) == len(lines) else "\n".join(kept)


def sanitised(text: str, scrubber: Scrubber | None) -> str:
    """Return ``text`` as it may be hashed and stored."""
    cleaned = clean(text)
    return clean(scrubber.scrub(cleaned)) if scrubber else cleaned


def _piece(message: Message, text: str, place: tuple[int, int], counter: TokenCounter, refused: str) -> Piece:
    date = date_label(message.occurred_at, message.date and clean(message.date))
    return Piece(
        message=message,
        text=text,
        position=place[0],
        segment=place[1],
        date=date,
        tokens=0 if refused else counter.count(record_text(message.speaker, date, text)),
        line_tokens=0 if refused else counter.count(record_line(message.speaker, text)),
        fingerprint=fingerprint(message.speaker, text),
        refused=refused,
    )

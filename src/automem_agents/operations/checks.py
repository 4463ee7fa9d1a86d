"""Arguments of the verbs, checked once."""

from __future__ import annotations

from automem_agents.errors import InvalidInput
from automem_agents.text.clean import clean

MAX_QUERY = 20_000


def checked_query(query: object) -> str:
    """Return a clean query; only its first 20,000 characters count.

    Raises:
        InvalidInput: if it isn't a string.
    """
    if not isinstance(query, str):
        raise InvalidInput(f"query must be a string, not {type(query).__name__}")
    return clean(query[:MAX_QUERY])


def checked_count(name: str, value: object, least: int, most: int = 1_000_000) -> int:
    """Return a whole number in a range.

    Raises:
        InvalidInput: if it isn't one.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput(f"{name} must be a whole number, not {value!r}")
    if not least <= value <= most:
        raise InvalidInput(f"{name} must be from {least} to {most:,}, not {value}")
    return value


def checked_text(value: object, most: int) -> str:
    """Return a clean text that can be stored.

    Raises:
        InvalidInput: if it isn't a string, is empty, or is too long.
    """
    if not isinstance(value, str):
        raise InvalidInput(f"text must be a string, not {type(value).__name__}")
    if len(value) > most:
        raise InvalidInput(f"text has {len(value):,} characters; at most {most:,} are stored (setting max_text_chars)")
    text = clean(value)
    if not text:
        raise InvalidInput("text must not be empty")
    return text

"""Arguments of the verbs, checked once."""

from __future__ import annotations

import json
from datetime import timedelta
from os import PathLike
from pathlib import Path

from automem_agents.errors import InvalidInput
from automem_agents.text.clean import clean

MAX_QUERY = 20_000
MAX_METADATA = 65_536


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


def checked_age(name: str, value: object) -> timedelta:
    """Return a time span that is not negative.

    Raises:
        InvalidInput: if it isn't one.
    """
    if not isinstance(value, timedelta) or value < timedelta(0):
        raise InvalidInput(f"{name} must be a timedelta that is not negative, not {value!r}")
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


def checked_metadata(metadata: object) -> object:
    """Return metadata that is plain JSON of at most 65,536 characters.

    Raises:
        InvalidInput: if it isn't.
    """
    try:
        size = len(json.dumps(metadata, allow_nan=False, ensure_ascii=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"metadata must be plain JSON: {str(error)[:200]}") from None
    if size > MAX_METADATA:
        raise InvalidInput(f"metadata takes {size:,} bytes as JSON; at most {MAX_METADATA:,} are stored")
    return metadata


def checked_path(name: str, value: object) -> Path:
    """Return a path that a file system can take.

    Raises:
        InvalidInput: if it isn't a path, is empty, or contains NUL or a lone surrogate.
    """
    if isinstance(value, (str, PathLike)):
        text = str(value)
        if text and not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text):
            return Path(text)
    raise InvalidInput(f"{name} must name a file or folder, not {str(value)[:100]!r}")

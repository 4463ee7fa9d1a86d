"""Chroma's new index files hold memory that it never initialised; this zeroes it.

A new HNSW segment is written with room for elements that aren't there yet, and that room is whatever the process had in
its heap before: texts of the journal too. Files written later end with their last element.
"""

from __future__ import annotations

import struct
from pathlib import Path

_HEADER = struct.Struct("<i4Q")  # version, offset, capacity, elements, bytes an element
_LENGTH_BYTES = 4  # an element's entry in length.bin


def zero_slack(folder: Path) -> None:
    """Zero what the segments of a Chroma database hold behind their last element.

    Raises:
        OSError: if a file can't be written.
    """
    for header in folder.glob("*/header.bin"):
        content = header.read_bytes()
        if len(content) < _HEADER.size:
            continue  # torn by a kill; whoever opens it will say so
        _, _, _, elements, size = _HEADER.unpack_from(content)
        _zero_behind(header.with_name("data_level0.bin"), elements * size)
        _zero_behind(header.with_name("length.bin"), elements * _LENGTH_BYTES)


def _zero_behind(path: Path, end: int) -> None:
    if not path.exists() or path.stat().st_size <= end:
        return
    with path.open("r+b") as file:
        file.seek(end)
        slack = file.read()
        if any(slack):
            file.seek(end)
            file.write(bytes(len(slack)))

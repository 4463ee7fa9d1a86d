"""Chroma's new index files hold memory that it never initialised; this zeroes it.

A new HNSW segment is written with room for elements that aren't there yet, and that room is whatever the process had in
its heap before: texts of the journal too. Files written later end with their last element.
"""

from __future__ import annotations

from pathlib import Path

from automem_agents.index.hnsw_files import LENGTH_BYTES, read_header


def zero_slack(folder: Path) -> None:
    """Zero what the segments of a Chroma database hold behind their last element.

    Raises:
        OSError: if a file can't be written.
    """
    for path in folder.glob("*/header.bin"):
        header = read_header(path)
        if header is None:
            continue  # torn by a kill; whoever opens it will say so
        _zero_behind(path.with_name("data_level0.bin"), header.elements * header.size)
        _zero_behind(path.with_name("length.bin"), header.elements * LENGTH_BYTES)


def _zero_behind(path: Path, end: int) -> None:
    if not path.exists() or path.stat().st_size <= end:
        return
    with path.open("r+b") as file:
        file.seek(end)
        slack = file.read()
        if any(slack):
            file.seek(end)
            file.write(bytes(len(slack)))

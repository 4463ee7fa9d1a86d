"""The files of Chroma's HNSW segments: whether they can be loaded at all.

Chroma (hnswlib) trusts what it reads. Some damage makes it raise, some makes it give wrong neighbours, and some - half a
header, zeroed links - makes it crash the process, where no error can be caught. So files that nobody vouches for are
looked at before Chroma sees them.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from automem_agents.errors import VectorIndexError
from automem_agents.protocols import Ints

IDS = "index_metadata.pickle"  # Chroma reads a segment from its files only where this one is
_LAYOUT = struct.Struct("<i6QiI3QdQ")
_VERSION = 1
_COUNT_BYTES = 4  # before the links of an element stands how many there are
LENGTH_BYTES = 4  # an element's entry in length.bin
_LABEL_BYTES = 8
_CHUNK = 10_000  # elements looked at at once


class Header(NamedTuple):
    """``header.bin`` as hnswlib writes it."""

    version: int
    offset: int
    capacity: int
    elements: int
    size: int  # bytes an element: links, vector, label
    label_offset: int
    vector_offset: int
    top_level: int
    entry: int
    max_links: int  # on the levels above the lowest
    max_links_lowest: int
    m: int
    scale: float
    ef_construction: int


def read_header(path: Path) -> Header | None:
    """Return the header of a segment, or None if it is torn."""
    content = path.read_bytes()
    return Header(*_LAYOUT.unpack(content)) if len(content) == _LAYOUT.size else None


def elements(folder: Path) -> int:
    """Return how many elements the segments hold, deleted ones included, for hnswlib never lets go of one."""
    headers = (read_header(path) for path in folder.glob("*/header.bin"))
    return sum(header.elements for header in headers if header is not None)


def check_segments(folder: Path) -> None:
    """Look at every segment of a Chroma database.

    Raises:
        VectorIndexError: if one of them can't be loaded, or might crash the process.
    """
    for ids in sorted(folder.glob(f"*/{IDS}")):
        segment = ids.parent
        try:
            broken = _fault(segment)
        except (OSError, ValueError, IndexError) as error:
            broken = f"{type(error).__name__}: {error}"
        if broken:
            raise VectorIndexError(f"the index files in {segment.name} are damaged: {broken}")


def _fault(segment: Path) -> str:
    header = read_header(segment / "header.bin")
    if header is None or header.version != _VERSION:
        return "the header is torn or of an unknown version"
    if _strange(header):
        return "the numbers in the header don't fit together"
    if (segment / "length.bin").stat().st_size < header.elements * LENGTH_BYTES:
        return "length.bin is too short"
    if (segment / "data_level0.bin").stat().st_size < header.elements * header.size:
        return "data_level0.bin is too short"
    if not header.elements:
        return ""
    return _fault_in_lowest_level(segment / "data_level0.bin", header) or _fault_above(
        segment / "link_lists.bin", header
    )


def _strange(header: Header) -> bool:
    return (
        header.offset != 0
        or header.elements > header.capacity
        or header.vector_offset != _COUNT_BYTES + 4 * header.max_links_lowest
        or header.size != header.label_offset + _LABEL_BYTES
        or not header.vector_offset < header.label_offset
        or (header.elements > 0 and header.entry >= header.elements)
    )


def _fault_in_lowest_level(path: Path, header: Header) -> str:
    columns = header.vector_offset // 4
    with path.open("rb") as file:
        for start in range(0, header.elements, _CHUNK):
            rows = min(_CHUNK, header.elements - start)
            content = np.frombuffer(file.read(rows * header.size), np.uint8).reshape(rows, header.size)
            words = np.ascontiguousarray(content[:, : header.vector_offset]).view("<u4").reshape(rows, columns)
            counts = words[:, 0] & 0xFFFF  # the upper half has the mark of a deleted element
            if (counts > header.max_links_lowest).any():
                return "an element has too many links"
            used = np.arange(columns - 1)[None] < counts[:, None]
            if (words[:, 1:][used] >= header.elements).any():
                return "a link leads to no element"
    return ""


def _fault_above(path: Path, header: Header) -> str:
    words = np.frombuffer(path.read_bytes()[: path.stat().st_size // 4 * 4], "<u4")
    step = header.max_links + 1
    starts, levels = _levels(words, header.elements, step)
    if levels[header.entry] != header.top_level or levels.max() != header.top_level:
        return "the entry point is not on the top level"
    for level in range(1, header.top_level + 1):
        at = starts[levels >= level] + (level - 1) * step
        counts = words[at] & 0xFFFF
        if (counts > header.max_links).any():
            return "an element has too many links"
        links = words[at[:, None] + 1 + np.arange(header.max_links)[None]]
        used = links[np.arange(header.max_links)[None] < counts[:, None]]
        if (used >= header.elements).any() or (levels[used] < level).any():
            return "a link leads to no element of its level"
    return ""


def _levels(words: Ints, count: int, step: int) -> tuple[Ints, Ints]:
    """Return where the links of each element begin, and how many levels it has above the lowest."""
    sizes, position = words.tolist(), 0
    starts, levels = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for element in range(count):
        length, rest = divmod(sizes[position], 4 * step)
        if rest:
            raise ValueError("links of a wrong size")
        starts[element], levels[element] = position + 1, length
        position += 1 + length * step
    if position > len(sizes):
        raise ValueError("links are missing")
    return starts, levels

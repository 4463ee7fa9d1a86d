"""What Chroma's files hold behind their last element."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from automem_agents.index.embedded import EmbeddedChroma
from automem_agents.index.slack import zero_slack

pytestmark = pytest.mark.any_index


def segment(folder: Path, elements: int, size: int, data: bytes, lengths: bytes) -> Path:
    inside = folder / "segment"
    inside.mkdir()
    (inside / "header.bin").write_bytes(struct.pack("<i4Q", 1, 0, 100, elements, size) + bytes(64))
    (inside / "data_level0.bin").write_bytes(data)
    (inside / "length.bin").write_bytes(lengths)
    return inside


def test_only_what_is_behind_the_last_element_is_zeroed(tmp_path: Path) -> None:
    inside = segment(tmp_path, 2, 5, b"aaaaabbbbbleaked text", b"1111222233")
    zero_slack(tmp_path)
    assert (inside / "data_level0.bin").read_bytes() == b"aaaaabbbbb" + bytes(11)
    assert (inside / "length.bin").read_bytes() == b"11112222" + bytes(2)


def test_a_torn_header_is_left_to_whoever_opens_it(tmp_path: Path) -> None:
    inside = segment(tmp_path, 0, 5, b"anything", b"")
    (inside / "header.bin").write_bytes(b"\1\0")
    zero_slack(tmp_path)
    assert (inside / "data_level0.bin").read_bytes() == b"anything"


def test_the_layout_is_that_of_the_installed_chroma(tmp_path: Path) -> None:
    chroma = EmbeddedChroma(tmp_path)
    chroma.open()
    vectors = np.random.default_rng(0).normal(size=(1200, 8)).astype(np.float32)
    chroma.collection(1).upsert(range(3), vectors[:3])
    chroma.collection(2).upsert(range(1200), vectors)
    chroma.tidy()
    found = {}
    for header in tmp_path.glob("index/*/header.bin"):
        _, _, capacity, elements, size = struct.unpack_from("<i4Q", header.read_bytes())
        data = header.with_name("data_level0.bin").read_bytes()
        assert not any(data[elements * size :])
        assert capacity >= elements
        found[elements] = len(data) // size
    assert found[0] > 0  # a new file has room for what is not there yet
    assert any(elements >= 1000 and rows == elements for elements, rows in found.items())
    near = chroma.collection(2).search(vectors[7], 1)
    chroma.close()
    assert near.tolist() == [7]

"""Arrays and a text as bytes: the safetensors format, for float64 arrays, with a checksum over all of it.

Eight bytes say how long the header is, the header is JSON that says where each array lies, the arrays follow. Written in
NumPy, because a store has to save what it learned without any extra; ``safetensors.numpy.load`` reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automem_agents.errors import ModelError

MAX_BYTES = 100_000_000
_TEXT = "automem_agents"  # the key of our text among the metadata
_UNSIGNED = "0" * 64  # stands where the checksum goes while it is computed
_FLOAT64 = np.dtype("<f8")

Arrays = Mapping[str, NDArray[np.float64]]


def pack(arrays: Arrays, schema: Mapping[str, object]) -> bytes:
    """Return arrays and a schema of JSON values as bytes; the same content always gives the same bytes."""
    text = json.dumps({"sha256": _UNSIGNED, **schema}, ensure_ascii=False, separators=(",", ":"))
    header: dict[str, object] = {"__metadata__": {_TEXT: text}}
    end = 0
    for name in sorted(arrays):
        begin, end = end, end + arrays[name].size * _FLOAT64.itemsize
        header[name] = {"dtype": "F64", "shape": list(arrays[name].shape), "data_offsets": [begin, end]}
    encoded = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    content = b"".join(arrays[name].astype(_FLOAT64).tobytes() for name in sorted(arrays))
    unsigned = len(encoded).to_bytes(8, "little") + encoded + content
    return unsigned.replace(_UNSIGNED.encode(), sha256(unsigned).hexdigest().encode(), 1)


def unpack(data: bytes) -> tuple[dict[str, NDArray[np.float64]], dict[str, Any]]:
    """Return what ``pack`` was given. The arrays are copies.

    Raises:
        ModelError: if the bytes are damaged, cut short, or something else.
    """
    if not isinstance(data, bytes) or not 8 <= len(data) <= MAX_BYTES:
        raise ModelError(f"a saved model is 8 to {MAX_BYTES:,} bytes; this isn't one")
    start = 8 + int.from_bytes(data[:8], "little")
    if start > len(data):
        raise ModelError("the saved model is cut short, or is something else")
    try:
        header = json.loads(data[8:start].decode())
        schema = json.loads(header.pop("__metadata__")[_TEXT])
        checksum = schema.pop("sha256").encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError("the saved model has no header of ours; it is damaged or something else") from error
    if sha256(data.replace(checksum, _UNSIGNED.encode(), 1)).hexdigest().encode() != checksum:
        raise ModelError("the saved model was changed after it was saved: its checksum is another one")
    return {name: _array(entry, data[start:]) for name, entry in header.items()}, schema


def _array(entry: Any, content: bytes) -> NDArray[np.float64]:
    try:
        begin, end = entry["data_offsets"]
        if entry["dtype"] != "F64":
            raise ModelError(f"arrays of a saved model are F64, not {entry['dtype']}")
        array: NDArray[np.float64] = np.frombuffer(content[begin:end], _FLOAT64).reshape(entry["shape"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError("an array of the saved model isn't where its header says") from error
    return array.astype(np.float64)

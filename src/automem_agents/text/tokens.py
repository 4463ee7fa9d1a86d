"""Counting tokens offline: cl100k_base where its vocabulary is on the machine, else an estimate."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from automem_agents._fork import IMPORTS
from automem_agents.protocols import TokenCounter

if TYPE_CHECKING:
    from tiktoken import Encoding

# The name and the checksum under which tiktoken itself caches cl100k_base.
CL100K_FILE = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
CL100K_SHA256 = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
_BUNDLES = (("llama_index", "core/_static/tiktoken_cache"), ("litellm", "litellm_core_utils/tokenizers"))
_PIECE = re.compile(r"(?P<space>\n\s*|[ \t]{2,})|(?P<word>[^\W\d_]+)|(?P<digits>\d+)|(?P<mark>[^\w\s]+|_+)")
_CHUNK = 20_000
_load_lock = threading.Lock()


class TiktokenCounter:
    """Exact cl100k_base counts.

    Args:
        folder: holds the vocabulary under the name tiktoken gives it.
    """

    name = "cl100k_base"
    lines_add_up = True

    def __init__(self, folder: Path) -> None:
        self._encoding = _load_encoding(folder)

    def count(self, text: str) -> int:
        """Return the number of tokens; very long texts are counted in pieces."""
        encode = self._encoding.encode_ordinary
        return sum(len(encode(text[i : i + _CHUNK])) for i in range(0, len(text), _CHUNK))


class EstimatedCounter:
    """An estimate from the shape of the words, made to err upwards; no vocabulary needed.

    Examples:
        >>> EstimatedCounter().count("The quick brown fox")
        4
    """

    name = "estimate"
    lines_add_up = True

    def count(self, text: str) -> int:
        """Return about how many cl100k tokens ``text`` has."""
        return sum(_piece_cost(m.lastgroup or "", m.group()) for m in _PIECE.finditer(text))


def _piece_cost(kind: str, piece: str) -> int:
    if kind == "digits":
        return -(-len(piece) // 3)
    if kind == "space":
        return -(-len(piece) // 16)
    if not piece.isascii():
        return -(-len(piece.encode()) // 2)
    if kind == "mark":
        return -(-len(piece) // 2) if len(set(piece)) > 1 else -(-len(piece) // 4)
    mixed = piece != piece.lower() and piece != piece.capitalize()
    return -(-len(piece) // 3) if mixed else 1 + max(0, len(piece) - 7) // 3


def find_vocabulary() -> Path | None:
    """Return a folder that holds cl100k_base, looked for without importing anything and without a network."""
    folders = [Path(os.environ["TIKTOKEN_CACHE_DIR"])] if os.environ.get("TIKTOKEN_CACHE_DIR") else []
    for package, inside in _BUNDLES:
        spec = importlib.util.find_spec(package)
        folders += [Path(place) / inside for place in (spec.submodule_search_locations or [])] if spec else []
    return next((folder for folder in folders if _is_vocabulary(folder / CL100K_FILE)), None)


def _is_vocabulary(file: Path) -> bool:
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == CL100K_SHA256


def _load_encoding(folder: Path) -> Encoding:
    with IMPORTS, _load_lock:  # tiktoken takes its folder from the environment only
        import tiktoken

        before = os.environ.get("TIKTOKEN_CACHE_DIR")
        os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
        try:
            return tiktoken.get_encoding("cl100k_base")
        finally:
            if before is None:
                del os.environ["TIKTOKEN_CACHE_DIR"]
            else:
                os.environ["TIKTOKEN_CACHE_DIR"] = before


def default_counter() -> TokenCounter:
    """Return the exact counter if the vocabulary is on this machine, else the estimate."""
    folder = find_vocabulary()
    return TiktokenCounter(folder) if folder else EstimatedCounter()

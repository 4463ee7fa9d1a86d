"""What a text must look like before it is hashed or stored."""

from __future__ import annotations

import re
import unicodedata
from hashlib import blake2b

_BROKEN = re.compile(r"[\ud800-\udfff\0]")


def clean(text: str) -> str:
    r"""Return ``text`` in NFC and stripped, with lone surrogates and NULs replaced by U+FFFD.

    Examples:
        >>> clean("  a\0b ")
        'a�b'
    """
    return unicodedata.normalize("NFC", _BROKEN.sub("\ufffd", text)).strip()


def fingerprint(speaker: str, text: str) -> bytes:
    """Return 16 bytes that are the same for texts that differ only in case and white space.

    Examples:
        >>> fingerprint("Ada", "I like  tea") == fingerprint("ada", "i like tea")
        True
    """
    folded = " ".join(f"{speaker}\n{text}".casefold().split())
    return blake2b(folded.encode(), digest_size=16).digest()

"""Secrets in a text: keys, tokens, passwords, card numbers, bank accounts. Found to be masked, never to be shown.

What has a fixed shape is found by it, what has a checksum is checked; the rest needs a word that says what it is. All
patterns are bounded, so that a text of a million characters takes linear time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from automem_agents.text.checksums import card_numbers, ibans


class Secret(NamedTuple):
    """Where a secret stands in a text, and of what kind it is."""

    start: int
    end: int
    kind: str


class _Shape(NamedTuple):
    kind: str
    signs: tuple[str, ...]  # one of them is in every text that matches; looking for them is much quicker
    pattern: re.Pattern[str]


def _shape(kind: str, signs: str, pattern: str) -> _Shape:
    return _Shape(kind, tuple(signs.split()), re.compile(rf"(?<![\w-]){pattern}"))


_SHAPES = (
    _shape("API key", "sk-", r"sk-(?:[a-z]{2,8}-)?(?=[\w-]*\d)[\w-]{20,250}"),
    _shape("AWS key", "AKIA ASIA", r"A[KS]IA[A-Z0-9]{16}(?!\w)"),
    _shape("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", r"(?:gh[pousr]_|github_pat_)\w{30,250}"),
    _shape("GitLab token", "glpat-", r"glpat-[\w-]{20,100}"),
    _shape("Slack token", "xox", r"xox[abeoprs]-(?=[\w-]*\d)[\w-]{10,250}"),
    _shape("Google key", "AIza", r"AIza[\w-]{35}(?![\w-])"),
    _shape("payment key", "k_live_ k_test_", r"[rsp]k_(?:live|test)_\w{16,250}"),
    _shape("Hugging Face token", "hf_", r"hf_[A-Za-z0-9]{30,60}(?!\w)"),
    _shape("package token", "npm_ pypi-", r"(?:npm_[A-Za-z0-9]{36}(?!\w)|pypi-[\w-]{50,500})"),
    _shape("mail key", "SG.", r"SG\.[\w-]{16,64}\.[\w-]{16,64}"),
    _shape("bot token", ":AA", r"\d{8,10}:AA[\w-]{33}(?![\w-])"),
    _shape("JSON web token", "eyJ", r"eyJ[\w-]{8,8000}\.eyJ[\w-]{8,8000}\.[\w-]{8,2000}"),
    _Shape("bearer token", ("earer ",), re.compile(r"(?<=[Bb]earer )(?=[\w.~+/-]{0,200}\d)[\w.~+/-]{20,2000}")),
    _Shape("password in an address", ("://",), re.compile(r"(?<=://)[^\s:/@?#]{0,64}:[^\s/@]{3,128}(?=@[\w\[])")),
)
_NAMED = re.compile(
    r"(?:(?P<plain>password|passwd|passphrase|passcode|pwd|api[ _-]?key|(?:secret|access|private)[ _-]?key"
    r"|(?:access|auth|api|bot|refresh)[ _-]?token|client[ _-]?secret)"
    r"(?: (?:for|of|to|on|at) [^\n.:=,;]{1,40}?)?"
    r"|(?P<short>pass|token|secret)(?=[\"']?\s{0,2}[:=]))"
    r"[\"']?\s{0,2}(?:is now|is|was|:|=>|=)\s{0,2}"
    r"(?:(?P<quote>[\"'`“])(?P<quoted>[^\n\"'`”]{6,200})[\"'`”]|(?P<value>[^\s\"'`“”,;]{6,200}))",
    re.I,
)
_NAMES = ("pass", "pwd", "key", "token", "secret")
_DIGITS = re.compile(
    r"(?<!\w)(?:(?:pin|pin code|pin number)(?: (?:for|of|to) [^\n.:=,;\d]{1,40}?)?\s{0,2}(?:is now|is|was|:|=)\s{0,2}"
    r"(?P<pin>\d{4,8})|cv[vc]2?\s{0,2}(?:is|:|=)?\s{0,2}(?P<cvv>\d{3,4}))(?![\w.,:/-]*\d)(?! ?[a-z%€$£]{1,3}\b)",
    re.I,
)
_CODES = ("pin", "cvv", "cvc")
_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----")
_KEY_ENDS = re.compile(r"-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----")
_KEY_BODY = re.compile(r"[A-Za-z0-9+/=\s\\]*")
_STANDS_FOR_ONE = re.compile(r"\W*$|[$<{%\[]|\*{3}|x{4}|https?://|your|my[_-]|os\.|process\.|none$|null$", re.I)
_CALL = re.compile(r"[A-Za-z_][\w.]{0,100}[(\[]")  # code that makes the value
_EXAMPLE = re.compile(r"pass|secret|token|example|dummy|change|placeholder|user|test", re.I)
_SYMBOL = re.compile(r"[!@#$%^&*+=?~]")
_LETTER = re.compile(r"[A-Za-z]")
_DIGIT = re.compile(r"\d")
_MANY_DIGITS = re.compile(r"\d\D?\d\D?\d\D?\d")


def secrets_in(text: str) -> list[Secret]:
    """Return what looks like a secret, in order, without overlaps.

    Examples:
        >>> secrets_in("The router's password is Tr0ub4dor&3, floor 3.")
        [Secret(start=25, end=36, kind='password')]
        >>> secrets_in("I forgot my password again.")
        []
    """
    out: list[Secret] = []
    for secret in sorted(_all(text)):
        if not out or secret.start >= out[-1].end:
            out.append(secret)
        elif secret.end > out[-1].end:
            out[-1] = out[-1]._replace(end=secret.end)
    return out


def masked(text: str) -> str:
    """Return a text with the kind of each secret in its place.

    Examples:
        >>> masked("AWS_KEY=AKIAABCDEFGHIJKLMNOP was leaked")
        'AWS_KEY=[AWS key] was leaked'
    """
    parts, at = [], 0
    for start, end, kind in secrets_in(text):
        parts.append(f"{text[at:start]}[{kind}]")
        at = end
    return "".join(parts) + text[at:]


def _all(text: str) -> Iterator[Secret]:
    for shape in _SHAPES:
        if any(sign in text for sign in shape.signs):
            yield from (Secret(*found.span(), shape.kind) for found in shape.pattern.finditer(text))
    yield from _private_keys(text)
    lowered = text.lower()
    if any(name in lowered for name in _NAMES):
        yield from _passwords(text)
    if any(code in lowered for code in _CODES):
        yield from _codes(text)
    if _MANY_DIGITS.search(text):
        yield from (Secret(start, end, "card number") for start, end in card_numbers(text))
        yield from (Secret(start, end, "bank account") for start, end in ibans(text))


def _passwords(text: str) -> Iterator[Secret]:
    for found in _NAMED.finditer(text):
        name = "quoted" if found["quoted"] else "value"
        value = found[name].rstrip(".!?)]}>:")
        if _is_no_word(value, quoted=name == "quoted"):
            kind = "password" if (found["plain"] or found["short"]).lower().startswith(("pass", "pwd")) else "key"
            yield Secret(found.start(name), found.start(name) + len(value), kind)


def _is_no_word(value: str, *, quoted: bool) -> bool:
    """Whether a value is nothing that one would write in a sentence, or was put in quotation marks."""
    if len(value) < 6 or _STANDS_FOR_ONE.match(value):
        return False
    if quoted:
        return bool(_DIGIT.search(value)) or not _EXAMPLE.search(value)
    if _CALL.match(value):
        return False
    return bool(_LETTER.search(value) and (_DIGIT.search(value) or _SYMBOL.search(value[:-1])))


def _codes(text: str) -> Iterator[Secret]:
    for found in _DIGITS.finditer(text):
        name = "pin" if found["pin"] else "cvv"
        yield Secret(*found.span(name), "PIN" if name == "pin" else "card code")


def _private_keys(text: str) -> Iterator[Secret]:
    at, ends = 0, True
    while (begin := _KEY_BEGINS.search(text, at)) is not None:
        end = _KEY_ENDS.search(text, begin.end()) if ends else None
        ends = end is not None  # the rest has none either
        body = _KEY_BODY.match(text, begin.end())
        at = end.end() if end is not None else body.end() if body is not None else begin.end()
        yield Secret(begin.start(), at, "private key")

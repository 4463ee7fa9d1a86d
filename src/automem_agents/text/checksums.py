"""Numbers that check themselves: payment cards (Luhn) and bank accounts (IBAN)."""

from __future__ import annotations

import re
from collections.abc import Iterator

_CARD = re.compile(
    r"(?<![\w.,+/#-])(?<!\+\d )(?<!\+\d\d )(?<!\+\d{3} )"  # nor after the code of a country
    r"(?:\d{4}([ -]?)\d{4}\1\d{4}\1\d{1,7}|3\d{3}([ -]?)\d{6}\2\d{4,5})(?![\w-]|[.,]\d)"
)
_ISSUED = re.compile(  # by whom, and how long such a number is
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|(?:6011|65\d\d|64[4-9]\d|35[2-8]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}"
)
_ACCOUNT = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?=((?: ?[A-Z0-9]){11,30}))")
_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LI": 21, "LT": 20, "LU": 20,
    "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MT": 31, "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29,
    "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TN": 24, "TR": 26,
    "UA": 29, "VA": 22, "XK": 20,
}  # fmt: skip


def card_numbers(text: str) -> Iterator[tuple[int, int]]:
    """Yield where numbers of payment cards stand.

    Examples:
        >>> list(card_numbers("Card 4111 1111 1111 1111, call +49 4111 1111 1111 1111"))
        [(5, 24)]
    """
    for found in _CARD.finditer(text):
        number = re.sub("[ -]", "", found[0])
        if _ISSUED.fullmatch(number) and len(set(number)) > 1 and is_luhn(number):
            yield found.span()


def is_luhn(number: str) -> bool:
    """Tell whether the last digit is what the others ask for.

    Examples:
        >>> is_luhn("4111111111111111"), is_luhn("4111111111111112")
        (True, False)
    """
    digits = [int(digit) for digit in reversed(number)]
    return sum(d if at % 2 == 0 else 2 * d - 9 * (d > 4) for at, d in enumerate(digits)) % 10 == 0


def ibans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where international bank account numbers stand, with single spaces or none.

    Examples:
        >>> list(ibans("Pay to DE89 3704 0044 0532 0130 00 AS SOON AS you can"))
        [(7, 34)]
    """
    for found in _ACCOUNT.finditer(text):
        length = _LENGTHS.get(found[0][:2])
        if length is not None:
            end = _end_of(found[1], length - 4)
            after = text[found.end() + end : found.end() + end + 1]
            number = (found[0] + found[1][:end]).replace(" ", "")
            if len(number) == length and not after.isalnum() and _is_checked(number):
                yield found.start(), found.end() + end


def _end_of(text: str, count: int) -> int:
    """Return where the first ``count`` characters end that aren't spaces."""
    for at, character in enumerate(text):
        count -= character != " "
        if count == 0:
            return at + 1
    return len(text)


def _is_checked(number: str) -> bool:
    moved = number[4:] + number[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1

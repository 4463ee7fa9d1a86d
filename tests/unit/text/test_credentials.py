"""Secrets in texts: what must be found, what must not, and how long it may take."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automem_agents.text.checksums import card_numbers, ibans
from automem_agents.text.credentials import masked, secrets_in

pytestmark = pytest.mark.any_index

_LETTERS = "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z"  # made up, like all below; joined, so that no scanner takes them for real
KEY_HEAD, KEY_FOOT = "-----BEGIN RSA " + "PRIVATE KEY-----", "-----END RSA " + "PRIVATE KEY-----"
FOUND = [
    ("my key is sk-" + _LETTERS, "sk-" + _LETTERS, "API key"),
    ("sk-proj-" + _LETTERS + " is the key", "sk-proj-" + _LETTERS, "API key"),
    ("AWS: AKIA" + "ABCDEFGH12345678.", "AKIA" + "ABCDEFGH12345678", "AWS key"),
    ("push with ghp_" + _LETTERS + "abcd", "ghp_" + _LETTERS + "abcd", "GitHub token"),
    ("glpat-" + _LETTERS[:20], "glpat-" + _LETTERS[:20], "GitLab token"),
    ("xoxb-" + "1234567890-" + _LETTERS, "xoxb-" + "1234567890-" + _LETTERS, "Slack token"),
    ("AIza" + _LETTERS + "abc", "AIza" + _LETTERS + "abc", "Google key"),
    ("sk_live_" + _LETTERS, "sk_live_" + _LETTERS, "payment key"),
    ("hf_" + _LETTERS + "AB", "hf_" + _LETTERS + "AB", "Hugging Face token"),
    ("npm_" + _LETTERS + "ABCD", "npm_" + _LETTERS + "ABCD", "package token"),
    ("SG." + _LETTERS[:22] + "." + _LETTERS, "SG." + _LETTERS[:22] + "." + _LETTERS, "mail key"),
    ("123456789:AA" + _LETTERS + "z", "123456789:AA" + _LETTERS + "z", "bot token"),
    ("eyJ" + _LETTERS + ".eyJ" + _LETTERS + "." + _LETTERS, None, "JSON web token"),
    ("Authorization: Bearer " + _LETTERS, _LETTERS, "bearer token"),
    ("postgres://ada:s3cret@db.local/x", "ada:s3cret", "password in an address"),
    (f"{KEY_HEAD}\nMIIE{_LETTERS}\n{KEY_FOOT} and more", f"{KEY_HEAD}\nMIIE{_LETTERS}\n{KEY_FOOT}", "private key"),
    (f"{KEY_HEAD}\nMIIE{_LETTERS}", f"{KEY_HEAD}\nMIIE{_LETTERS}", "private key"),
    ("The wifi password is Tr0ub4dor&3.", "Tr0ub4dor&3", "password"),
    ("My password for the router at home is hunter22", "hunter22", "password"),
    ("password: 'correct horse battery'", "correct horse battery", "password"),
    ("DB_PASSWORD=l3tm3in!", "l3tm3in", "password"),
    ('{"api_key": "9f8e7d6c5b4a"}', "9f8e7d6c5b4a", "key"),
    ("The PIN is 4711", "4711", "PIN"),
    ("my card's CVV: 123", "123", "card code"),
    ("Card 4111 1111 1111 1111, please", "4111 1111 1111 1111", "card number"),
    ("amex 378282246310005", "378282246310005", "card number"),
    ("IBAN DE89 3704 0044 0532 0130 00", "DE89 3704 0044 0532 0130 00", "bank account"),
    ("GB29NWBK60161331926819", "GB29NWBK60161331926819", "bank account"),
]
CLEAN = [
    "I forgot my password again and had to reset it.",
    "The password is wrong, the secret is patience, the key is to relax.",
    "My password manager is great, and the token of thanks was lovely!",
    "Call me on +49 151 2345 6789 or (555) 010-1234.",
    "+49 4111 1111 1111 1111 rings for ever",
    "Fixed in 3f2a9c1d8e7b6a5f4e3d2c1b0a9f8e7d6c5b4a39, see commit 4e5f6a7.",
    "The id is 550e8400-e29b-41d4-a716-446655440000.",
    "See https://example.org/a/4111111111111111?x=1&y=2#top and mail ada@example.org",
    "https://user@example.org:8080/path",
    "Pi is 3.14159265358979323846, e is 2.718281828459045.",
    "We sold 4,111,111,111,111,111 of them in 1999-12-31 23:59:59.",
    "Order 1234 5678 9012 3456 arrived.",  # no card: the checksum is wrong
    "DE89 3704 0044 0532 0130 01 is mistyped",
    "pinned 2 photos, pin is 380 mm wide",
    "password = db.Column(db.String(120), nullable=False)",
    "token: create_access_token(identity=user.id)",
    "password='testpassword', username='testuser'",
    "API key: <your key here>, password: ********, secret: ${SECRET}",
    "I walk 10000 steps; my flight is BA2490, gate B12, seat 14C.",
    "sk-learn and sk-image are Python packages; skip-connections-are-good-for-deep-networks",
    "The bearer of this letter is my friend.",
    "My bank card expires in 2027.",
    "0000 0000 0000 0000",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
]
HARD = [
    "a", "1", "4111 ", "sk-", "-sk-", "eyJ", "-eyJ-", "eyJaaaaaaaa.", KEY_HEAD, KEY_HEAD + "x", "://a:", "password ",
    "password for ", "password is ", "pin for a ", "DE89 ", "AB12", "Bearer a", "SG.", "3411 ", "12345678:AA",
    "'password'=", "\n", "é",
]  # fmt: skip


@pytest.mark.parametrize(("text", "value", "kind"), FOUND, ids=lambda x: str(x)[:30])
def test_a_secret_is_found_where_it_stands(text: str, value: str | None, kind: str) -> None:
    (secret,) = secrets_in(text)
    assert secret.kind == kind
    found = text[secret.start : secret.end]
    assert found == (value or text) or (value is not None and found.startswith(value))
    assert found not in masked(text)
    assert f"[{kind}]" in masked(text)


@pytest.mark.parametrize("text", CLEAN)
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert secrets_in(text) == []
    assert masked(text) == text


def test_several_secrets_in_one_text() -> None:
    text = "PIN: 4711, card 4111111111111111, password is Tr0ub4dor"
    assert masked(text) == "PIN: [PIN], card [card number], password is [password]"


@pytest.mark.parametrize("part", HARD, ids=repr)
def test_a_million_characters_take_linear_time(part: str) -> None:
    text = (part * (1_000_000 // len(part) + 1))[:1_000_000]
    began = time.process_time()
    secrets_in(text)
    assert time.process_time() - began < 8  # it is less than one; what is not linear takes many


@given(st.text(alphabet="sk-eyJ.AKIA:/@ passwordis=4111DE89\n-BEGINPRIVATEKEY'", max_size=300))
def test_places_are_in_order_and_apart(text: str) -> None:
    secrets = secrets_in(text)
    assert all(0 <= s.start < s.end <= len(text) for s in secrets)
    assert all(a.end <= b.start for a, b in pairwise(secrets))


@given(st.integers(0, 10**15 - 1), st.integers(0, 8))
def test_a_wrong_digit_is_no_card(number: int, off: int) -> None:
    digits = f"4{number:015d}"
    right = [d for d in range(10) if list(card_numbers(f"card {digits[:-1]}{d}"))]
    assert len(right) == (1 if len(set(digits)) > 1 else len(right))
    wrong = (right[0] + 1 + off) % 10 if right else 0
    assert not right or not list(card_numbers(f"{digits[:-1]}{wrong}"))


def test_an_account_ends_where_its_country_says() -> None:
    text = "Pay DE89370400440532013000 NOW, or NL91ABNA0417164300."
    assert [text[a:b] for a, b in ibans(text)] == ["DE89370400440532013000", "NL91ABNA0417164300"]
    assert list(ibans("DE893704004405320130001")) == []
    assert list(ibans("ZZ893704004405320130")) == []

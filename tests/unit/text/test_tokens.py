"""Token counts are exact where the vocabulary is on the machine, and never come out of a network."""

from __future__ import annotations

import ast
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import automem_agents
from automem_agents.text.tokens import CL100K_FILE, EstimatedCounter, TiktokenCounter, default_counter, find_vocabulary

pytestmark = pytest.mark.any_index

SOURCE = Path(automem_agents.__file__).parent

PAGES = {
    "letter": (
        "Dear Ines,\n\nThank you for the long letter, which arrived on Tuesday after a fortnight in the post. The "
        "garden is finally behaving: the beans have climbed past the kitchen window, and I've picked 14 pounds of "
        "plums since the 3rd of August. Marek says we should sell them, but I'd rather make jam. We're driving to "
        "the coast next weekend if the old car holds together; it failed its inspection twice, and the mechanic "
        "wants €480 for a gearbox that he himself calls unrepairable.\n\nYour question about grandmother's clock: "
        "yes, it still runs, about nine minutes fast a day. I wouldn't dare open it. Please tell the children that "
        "the hedgehog came back.\n\nWith love,\nAgnieszka"
    ),
    "minutes": (
        "Minutes of the meeting of 12 February 2025, 10:30-11:45\n\n1. Budget. The treasurer reported a surplus of "
        "$3,214.50. Purchasing a second projector was postponed until September.\n2. Membership: 47 active members, "
        "6 applications pending. O'Brien proposed waiving fees for students; approved 5-2 with one abstention.\n"
        "3. Any other business. The heating in room B-204 doesn't work. Someone (nobody remembers who) promised to "
        "call the caretaker. Follow-up: Priyanka will e-mail facilities@example.org by Friday.\n"
    ),
    "story": (
        "The lighthouse keeper hadn't spoken aloud for eleven days when the supply boat appeared, listing badly, out "
        "of the fog. Nobody stood at the wheel. He counted to sixty, rang the bell, and counted again; the boat drew "
        'closer without answering, as if it were being pulled along the bottom of the sea by a thread. "Ridiculous," '
        "he said, and the sound of his own voice frightened him more than the silence had. He fetched the boathook, "
        "the lantern, and, after some hesitation, his grandfather's untrustworthy revolver. By the time he had "
        "climbed down the hundred and forty-two steps, the boat lay quietly alongside the jetty, moored with a knot "
        "he'd only ever seen in an encyclopaedia of seamanship."
    ),
    "how-to": (
        "How to descale the espresso machine:\n- Switch it off and let it cool for 20 minutes.\n- Fill the tank with "
        "1 litre of water and 50 ml of descaler; don't use vinegar, it attacks the gaskets.\n- Run half of the "
        "solution through the steam wand, wait a quarter of an hour, then run the rest through the group head.\n"
        "- Rinse with at least two tanks of fresh water.\nIf the pump rattles afterwards, there's probably air in "
        "the hose: open the steam valve while pumping until the stream is even."
    ),
}


def docstrings() -> str:
    """Everything written in the docstrings of the package: pages of English with code in between."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                found.append(ast.get_docstring(node) or "")
    return "\n\n".join(found)


@pytest.mark.parametrize("page", PAGES)
def test_estimate_does_not_undercount_english(page: str, cl100k: TiktokenCounter) -> None:
    assert EstimatedCounter().count(PAGES[page]) >= 0.98 * cl100k.count(PAGES[page])


def test_estimate_is_close_over_many_pages(cl100k: TiktokenCounter) -> None:
    for text in (docstrings(), "\n\n".join(PAGES.values())):
        assert 0.98 <= EstimatedCounter().count(text) / cl100k.count(text) <= 1.25


def test_exact_counts_of_known_texts(cl100k: TiktokenCounter) -> None:
    assert cl100k.count("") == 0
    assert cl100k.count("hello world") == 2
    assert cl100k.count("<|endoftext|>") > 1  # special tokens are text like any other


def test_very_long_texts_are_counted(cl100k: TiktokenCounter) -> None:
    assert 100_000 <= cl100k.count("tea " * 100_000) <= 100_020


def test_vocabulary_of_the_cache_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundled = find_vocabulary()
    assert bundled is not None
    shutil.copy(bundled / CL100K_FILE, tmp_path)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    assert find_vocabulary() == tmp_path


def test_damaged_or_missing_vocabulary_in_the_cache_folder_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)  # importing litellm sets it
    bundled = find_vocabulary()
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    assert find_vocabulary() == bundled
    (tmp_path / CL100K_FILE).write_bytes(b"not a vocabulary")
    assert find_vocabulary() == bundled


def test_estimate_serves_where_there_is_no_vocabulary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("automem_agents.text.tokens._BUNDLES", ())
    assert default_counter().name == "estimate"


@pytest.mark.parametrize("before", [None, "/somewhere/else"])
def test_environment_is_restored(before: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = find_vocabulary()
    assert folder is not None
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    if before:
        monkeypatch.setenv("TIKTOKEN_CACHE_DIR", before)
    TiktokenCounter(folder)
    import os

    assert os.environ.get("TIKTOKEN_CACHE_DIR") == before


def test_bundle_is_found_without_importing_it_and_without_a_network() -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise AssertionError('network used')\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
        "from automem_agents.text.tokens import default_counter\n"
        "counter = default_counter()\n"
        "print(counter.name, counter.count('hello world'))\n"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in ('llama_index', 'litellm')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["cl100k_base 2", "[]"]


def test_no_socket_is_opened_for_an_exact_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("network used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert default_counter().count("hello world") == 2

"""Commands on the store: doctor and reembed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from automem_agents import MemoryController
from automem_agents.errors import EmbedderError, EmbedderMismatch, StoreUnavailable
from automem_agents.store.reembed import reembed
from automem_agents.testing import FailingEmbedder, HashEmbedder

Run = Callable[..., Result]
RunJson = Callable[..., Any]
OLD, NEW = HashEmbedder(64), HashEmbedder(32, name="other")
TEXTS = [f"Note {n}: shelf {n % 17} holds {n} jars of quince" for n in range(300)]  # more than one batch
DIE_IN_THE_SECOND_BATCH = """
import os, signal, sys
from pathlib import Path
from automem_agents.store.reembed import reembed
from automem_agents.testing import HashEmbedder

def die(done, total):
    assert 0 < done < total
    os.kill(os.getpid(), signal.SIGKILL)

reembed(Path(sys.argv[1]), HashEmbedder(32, name="other"), die)
"""


@pytest.fixture
def filled(store: Path) -> Path:
    """A store of many records, written with the old embedder, all of them in Chroma."""
    with opened(store, OLD, strict=True, observe_deadline=120, index_threshold=0) as memory:
        assert len(memory.observe([{"role": "user", "content": text} for text in TEXTS]).record_ids) == len(TEXTS)
        memory.forget(memory.records(limit=1)[0].id)
        memory.search("quince")
        assert memory.flush()
    return store


def opened(folder: Path, embedder: HashEmbedder, **settings: object) -> MemoryController:
    return MemoryController.open(folder, user_id="ada", embedder=embedder, **settings)


def found(memory: MemoryController) -> str:
    return memory.search("Note 123: shelf 4 holds 123 jars of quince", top_k=1)[0].record.text


def test_doctor(run: Run, run_json: RunJson, store: Path, peanuts: str) -> None:
    health = run_json("doctor")
    assert (health["live"], health["tombstones"], health["decisions"]) == (1, 0, 1)
    assert health["embedder"] == "wordllama-256/256"
    shown = run("doctor").stdout
    assert str(store) in shown
    assert "1 live" in shown
    assert "searched exactly" in shown


def test_doctor_shows_warnings_and_still_exits_with_0(run: Run, peanuts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automem_agents.text.tokens.find_vocabulary", lambda: None)
    result = run("doctor")
    assert result.exit_code == 0
    assert "warning: tokens are estimated" in result.stdout


def test_doctor_on_a_store_of_another_embedder(run: Run, filled: Path) -> None:
    result = run("doctor")
    assert result.exit_code == 1
    assert "automem-agents reembed" in result.stderr


def test_the_command_moves_a_store_to_the_default_embedder(run: Run, run_json: RunJson, filled: Path) -> None:
    moved = run_json("reembed")
    assert moved == {"records": len(TEXTS), "embedder": "wordllama-256/256"}
    assert run_json("doctor")["embedder"] == "wordllama-256/256"
    assert run_json("search", "shelf with 123 jars", "-n", 1)[0]["record"]["text"] == TEXTS[123]
    assert "300" in run("reembed").stdout


def test_a_moved_store_opens_with_the_new_embedder_only(filled: Path) -> None:
    steps: list[tuple[int, int]] = []
    assert reembed(filled, NEW, lambda done, total: steps.append((done, total))) == len(TEXTS)
    assert steps == [(256, 300), (300, 300)]
    with pytest.raises(EmbedderMismatch):
        opened(filled, OLD)
    with opened(filled, NEW) as memory:
        assert found(memory) == TEXTS[123]
        assert len(memory.records(limit=None)) == len(TEXTS) - 1


def test_tombstones_are_moved_too(filled: Path) -> None:
    reembed(filled, NEW)
    with opened(filled, NEW) as memory:
        (forgotten,) = memory.decisions(limit=1)
        memory.undo(forgotten.id)
        assert memory.search(TEXTS[0], top_k=1)[0].dense == pytest.approx(1.0, abs=0.2)


def test_chroma_is_fed_again(filled: Path) -> None:
    reembed(filled, NEW)
    with opened(filled, NEW, index_threshold=0) as memory:
        assert memory.health().indexed_namespaces == 0
        assert found(memory) == TEXTS[123]
        assert memory.flush()
        assert found(memory) == TEXTS[123]
        health = memory.health()
    assert (health.indexed_namespaces, health.index_lag, dict(health.failures)) == (1, 0, {})
    assert health.recalls_by_chroma > 0


def test_a_failing_embedder_changes_nothing(filled: Path) -> None:
    with pytest.raises(EmbedderError):
        reembed(filled, FailingEmbedder(32))
    with opened(filled, OLD) as memory:
        assert found(memory) == TEXTS[123]


def test_a_kill_leaves_the_old_state(filled: Path) -> None:
    died = subprocess.run([sys.executable, "-c", DIE_IN_THE_SECOND_BATCH, str(filled)], env=os.environ, check=False)
    assert died.returncode == -signal.SIGKILL
    with pytest.raises(EmbedderMismatch):
        opened(filled, NEW)
    with opened(filled, OLD) as memory:
        assert found(memory) == TEXTS[123]
    assert reembed(filled, NEW) == len(TEXTS)  # and it can be tried again


def test_a_kill_after_the_index_went_leaves_a_store_that_feeds_it_again(filled: Path) -> None:
    shutil.rmtree(filled / "index")  # as reembed does before it commits
    with opened(filled, OLD, index_threshold=0) as memory:
        assert found(memory) == TEXTS[123]
        assert memory.flush()
        assert found(memory) == TEXTS[123]
        assert memory.health().recalls_by_chroma > 0


def test_where_there_is_no_store_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="no store"):
        reembed(tmp_path / "nothing", NEW)
    assert not (tmp_path / "nothing").exists()

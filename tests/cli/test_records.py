"""Commands on records: what they print, and what they change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typer.testing import Result

Run = Callable[..., Result]
RunJson = Callable[..., Any]


def test_add_then_get(run: Run, run_json: RunJson, peanuts: str) -> None:
    record = run_json("get", peanuts)
    assert record["text"] == "I am allergic to peanuts"
    assert (record["speaker"], record["date_text"], record["state"]) == ("Ada", "8 May 2023", "live")
    assert record["namespace"] == {"user_id": "ada", "agent_id": None, "app": "default"}
    shown = run("get", peanuts).stdout
    assert "I am allergic to peanuts" in shown
    assert "8 May 2023" in shown


def test_add_says_what_became_of_it(run: Run, run_json: RunJson, peanuts: str) -> None:
    (decision,) = run_json("add", "I am allergic to peanuts", "--speaker", "Ada", "--date", "8 May 2023")["decisions"]
    assert (decision["action"], decision["records"]) == ("SKIP", [])
    assert "already stored word for word" in run("add", "I am allergic to peanuts", "--speaker", "Ada").stdout


def test_a_key_replaces_and_history_tells(run: Run, run_json: RunJson) -> None:
    run("add", "I live in Utrecht", "--key", "home")
    (decision,) = run_json("add", "I live in Leiden", "--key", "home")["decisions"]
    assert decision["action"] == "UPDATE"
    (new,) = decision["records"]
    old, newest = run_json("history", new)
    assert (old["text"], old["state"]) == ("I live in Utrecht", "superseded")
    assert old["valid_to"] == newest["valid_from"]
    assert newest["valid_to"] is None
    shown = run("history", new).stdout
    assert shown.index("I live in Utrecht") < shown.index("I live in Leiden")
    assert "now" in shown


def test_search_finds_the_best_first(run: Run, run_json: RunJson, peanuts: str) -> None:
    run("add", "The bicycle needs a new chain", "--kind", "todo")
    hits = run_json("search", "peanuts allergy")
    assert hits[0]["record"]["id"] == peanuts
    assert hits[0]["score"] >= hits[-1]["score"]
    assert "seq" not in hits[0]
    assert [h["record"]["kind"] for h in run_json("search", "bicycle", "--kind", "todo")] == ["todo"]
    assert peanuts not in [h["record"]["id"] for h in run_json("search", "peanuts", "--kind", "todo")]
    assert len(run_json("search", "peanuts bicycle", "-n", "1")) == 1
    assert "I am allergic to peanuts" in run("search", "peanuts").stdout


def test_records_in_pages(run: Run, run_json: RunJson) -> None:
    for text in ("I like tea", "I like coffee", "I like water"):
        run("add", text)
    first = run_json("records", "--limit", 2)
    rest = run_json("records", "--after", first[-1]["id"])
    assert [r["text"] for r in (*first, *rest)] == ["I like tea", "I like coffee", "I like water"]


def test_update_forget_and_undo(run: Run, run_json: RunJson, peanuts: str) -> None:
    (decision,) = run_json("update", peanuts, "I am allergic to peanuts and soy")["decisions"]
    (new,) = decision["records"]
    assert [r["id"] for r in run_json("records")] == [new]
    forgotten = run_json("forget", new)
    assert run_json("records") == []
    assert {r["state"] for r in run_json("records", "--all")} == {"superseded", "forgotten"}
    assert "forgotten" in run("records", "--all").stdout
    assert run_json("undo", forgotten["id"])["undone"] is True
    assert [r["id"] for r in run_json("records")] == [new]
    again = run("undo", forgotten["id"])
    assert again.exit_code == 1
    assert "was undone before" in again.stderr


def test_namespaces_are_apart(run: Run, run_json: RunJson, peanuts: str) -> None:
    assert run_json("records", "--user", "bob") == []
    assert run_json("records", "--agent", "planner") == []
    assert run_json("records", "--app", "other") == []
    assert run("get", peanuts, "--user", "bob").exit_code == 1


def test_delete_asks_first(run: Run, run_json: RunJson, peanuts: str) -> None:
    refused = run("delete", peanuts, input="n\n")
    assert refused.exit_code == 1
    assert "I am allergic to peanuts" in refused.stderr
    assert run("get", peanuts).exit_code == 0
    assert run("delete", peanuts, input="y\n").exit_code == 0
    assert run("get", peanuts).exit_code == 1


def test_erase_asks_first_and_takes_only_that_namespace(run: Run, run_json: RunJson, peanuts: str) -> None:
    run("add", "Bob likes rowing", "--user", "bob")
    run("add", "Ada likes short answers", "--agent", "planner")
    assert run("erase", input="n\n").exit_code == 1
    assert run("erase", input="").exit_code == 1  # nobody there to answer
    assert len(run_json("records")) == 1
    assert run_json("erase", "--yes") == {"removed": 1}
    assert run_json("records") == []
    assert len(run_json("records", "--agent", "planner")) == 1
    assert run_json("erase", "--all-agents", "--yes") == {"removed": 1}
    assert len(run_json("records", "--user", "bob")) == 1

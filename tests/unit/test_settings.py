from __future__ import annotations

import pytest
from pydantic import ValidationError

from automem_agents import Settings
from automem_agents.errors import InvalidInput

pytestmark = pytest.mark.any_index


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"AUTOMEM_AGENTS_{name.upper()}", raising=False)


def test_options_before_environment_before_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOMEM_AGENTS_MAX_TOKENS", "300")
    monkeypatch.setenv("AUTOMEM_AGENTS_STRICT", "true")
    monkeypatch.setenv("AUTOMEM_AGENTS_RECALL_DEADLINE", "0.5")
    settings = Settings.load({"max_tokens": 100})
    assert (settings.max_tokens, settings.strict, settings.recall_deadline) == (100, True, 0.5)
    assert settings.candidates == Settings().candidates


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"colour": 1}, "unknown setting 'colour'; there are max_tokens"),
        ({"max_tokens": -1}, "max_tokens.*-1"),
        ({"max_tokens": "many"}, "max_tokens.*many"),
        ({"recall_deadline": 0}, "recall_deadline"),
        ({"working_set_bytes": 10}, "working_set_bytes"),
        ({"strict": "perhaps"}, "strict"),
    ],
)
def test_wrong_settings_are_named(options: dict[str, object], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        Settings.load(options)


def test_a_wrong_environment_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOMEM_AGENTS_POOL", "deep")
    with pytest.raises(InvalidInput, match="pool"):
        Settings.load({})


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().max_tokens = 1  # type: ignore[misc]


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())

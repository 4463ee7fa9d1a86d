"""The templates of changing facts: frozen, and fit to be measured on."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from automem_agents.bench.retention import templates_held, templates_seen
from automem_agents.bench.retention.templates import Template, Trap, mentions, role_of, text_of

TEMPLATES = (*templates_seen.TEMPLATES, *templates_held.TEMPLATES)
TRAPS = (*templates_seen.TRAPS, *templates_held.TRAPS)

# Frozen: figures are reported on both files, and no one who writes a key extractor has read the second.
# Whoever changes them reports all figures anew.
FROZEN = {
    templates_seen.__file__: "13e0bfc132ecdbf597c2dde1885b9d5d060e4e604d05610150bccae741ac72ed",
    templates_held.__file__: "eaa7216e160ec04a99fe2197d7ba2acc8361387ccb4fa568f827b8744d5d51ae",
}


@pytest.mark.parametrize("file", FROZEN, ids=lambda file: Path(file).stem)
def test_the_files_are_as_they_were_when_figures_were_reported(file: str) -> None:
    assert sha256(Path(file).read_bytes()).hexdigest() == FROZEN[file]


def test_there_are_enough_and_half_of_them_are_held_back() -> None:
    assert len(TEMPLATES) >= 80
    assert len(templates_seen.TEMPLATES) == len(templates_held.TEMPLATES)
    assert len({template.name for template in TEMPLATES}) == len(TEMPLATES)
    assert {template.kind for template in templates_seen.TEMPLATES} == {t.kind for t in templates_held.TEMPLATES}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.name)
def test_every_line_says_its_value_and_no_value_is_part_of_another(template: Template) -> None:
    for value in template.values:
        assert [other for other in template.values if mentions(value, other)] == [value]
        for line in (*template.first, *template.then):
            assert role_of(line) in ("user", "assistant", "tool")
            assert mentions(text_of(line, value, "something else"), value)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
def test_a_trap_is_about_a_template_or_brings_what_it_may_not_touch(trap: Trap) -> None:
    assert (trap.about in {template.name for template in TEMPLATES}) != bool(trap.before)
    assert ("{value}" in trap.then) == bool(trap.about)
    assert ("{first}" in trap.before and "{second}" in trap.then) == bool(trap.before)

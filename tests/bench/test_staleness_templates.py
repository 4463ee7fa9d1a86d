"""The templates of changing facts: frozen, and fit to be measured on."""

from __future__ import annotations

from hashlib import sha256

import pytest

from automem_agents.bench.retention.template_files import Group, content, read
from automem_agents.bench.retention.templates import Template, Trap, mentions, role_of, text_of

SEEN, HELD = read("seen"), read("held")
TEMPLATES = (*SEEN[0], *HELD[0])
TRAPS = (*SEEN[1], *HELD[1])

# Frozen: figures are reported on both files, and no one who writes a key extractor has read the second.
# Whoever changes them reports all figures anew.
FROZEN: dict[Group, str] = {
    "seen": "23eefda084202dd6a00ea8e69bd2c2afc67d47a06051a1df984c9a2ace78fd84",
    "held": "9f4317e52c1febdc62b2b81a47fc3a4849dcc8ddd180e5e6d0ec4e87385559f9",
}


@pytest.mark.parametrize("group", FROZEN)
def test_the_files_are_as_they_were_when_figures_were_reported(group: Group) -> None:
    assert sha256(content(group)).hexdigest() == FROZEN[group]


def test_there_are_enough_and_half_of_them_are_held_back() -> None:
    assert len(TEMPLATES) >= 80
    assert len(SEEN[0]) == len(HELD[0])
    assert len({template.name for template in TEMPLATES}) == len(TEMPLATES)
    assert {template.kind for template in SEEN[0]} == {t.kind for t in HELD[0]}


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

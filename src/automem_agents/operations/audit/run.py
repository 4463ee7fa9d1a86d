"""Runs the checks over namespaces and adds up what they find."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from automem_agents.errors import InvalidInput
from automem_agents.operations.audit import duplicates, injected, noise, profiles, secrets, stale, upkeep
from automem_agents.operations.audit.growth import growth, together
from automem_agents.operations.audit.report import AuditReport, Example, Finding, Span
from automem_agents.operations.audit.subject import Entry, Flag, Subject
from automem_agents.text.credentials import masked
from automem_agents.text.render import one_line
from automem_agents.types import State

_WIDTH = 100  # characters of an example
_CONSOLIDATE = "automem-agents consolidate"
_FORGET = "automem-agents forget RECORD"

Check = Callable[[Subject], Iterable[Flag] | None]


class _Checked(NamedTuple):
    title: str
    find: Check
    remedy: str


_CHECKS: Mapping[str, _Checked] = {
    "duplicates": _Checked("duplicates, word for word", duplicates.exact, _CONSOLIDATE),
    "near": _Checked("near duplicates", duplicates.near, _CONSOLIDATE),
    "injected": _Checked("injected text", injected.injected, "automem-agents delete RECORD"),
    "noise": _Checked("noise", noise.noise, _FORGET),
    "profiles": _Checked("made-up profiles", profiles.profiles, _FORGET),
    "stale": _Checked("stale", stale.stale, f"{_FORGET}; give facts a key"),
    "unused": _Checked("never used", upkeep.unused, "set max_records in a MemorySchema, then consolidate"),
    "secrets": _Checked("secrets", secrets.secrets, "automem-agents delete RECORD; revoke them; set a scrubber"),
    "expired": _Checked("expired", upkeep.expired, _CONSOLIDATE),
}
_OVER = "over_budget"
CHECKS = (*_CHECKS, _OVER)
STEPS = len(_CHECKS) + 1  # of the progress of one namespace


class _Tally:
    """What one check found so far."""

    def __init__(self) -> None:
        self.count, self.of, self.known = 0, 0, False
        self.examples: list[Example] = []

    def add(self, flags: Iterable[Flag] | None, of: int, most: int) -> None:
        """Count the flags of a namespace; the first ones are kept as examples."""
        if flags is None:
            return
        self.known = True
        self.of += of
        for flag in flags:
            self.count += 1
            if len(self.examples) < most:
                self.examples.append(_example(flag.entry, flag.why))


def audit(
    source: str,
    subjects: Iterable[Subject],
    examples: int,
    on_step: Callable[[], None] = lambda: None,
    remedy: str | None = None,
) -> AuditReport:
    """Check each namespace for itself and return the sums.

    Args:
        examples: at most so many of each check.
        on_step: called ``STEPS`` times for each namespace.
        remedy: what to do, where the commands for our stores don't help.
    """
    tallies = {name: _Tally() for name in CHECKS}
    states: Counter[str] = Counter()
    nbytes: Counter[str] = Counter()
    spans: tuple[Span, ...] = ()
    namespaces = 0
    for subject in subjects:
        namespaces += 1
        on_step()
        for name, check in _CHECKS.items():
            looked_at = len(subject.live) + (len(subject.gone) if name == "secrets" else 0)
            tallies[name].add(check.find(subject), looked_at, examples)
            on_step()
        _add_budgets(tallies[_OVER], subject, examples)
        spans = together(spans, growth(subject))
        for entry in (*subject.live, *subject.gone):
            states[entry.state] += 1
            nbytes[entry.state] += entry.nbytes
    return AuditReport(
        source=source,
        namespaces=namespaces,
        records=states[State.LIVE],
        states={state.value: states[state] for state in State},
        nbytes={state.value: nbytes[state] for state in State},
        findings=tuple(_findings(tallies, remedy)),
        growth=spans,
    )


def _add_budgets(tally: _Tally, subject: Subject, most: int) -> None:
    if subject.over is None:
        return
    tally.known = True
    tally.of += 1
    tally.count += bool(subject.over)
    new = [Example(record_id="", text="", why=line) for line in subject.over]
    tally.examples = [*tally.examples, *new][:most]


def _findings(tallies: Mapping[str, _Tally], remedy: str | None) -> Iterator[Finding]:
    for name, tally in tallies.items():
        title, usual = ("over budget", _CONSOLIDATE) if name == _OVER else (_CHECKS[name].title, _CHECKS[name].remedy)
        yield Finding(
            check=name,
            title=title,
            known=tally.known,
            count=tally.count,
            share=tally.count / tally.of if tally.of else 0.0,
            examples=tuple(tally.examples),
            remedy=(usual if remedy is None else remedy) if tally.count else "",
        )


def _example(entry: Entry, why: str) -> Example:
    text = one_line(masked(entry.text))
    return Example(record_id=entry.id, text=text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…", why=why)


def checked_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return names of checks.

    Raises:
        InvalidInput: if there is no such check.
    """
    found = tuple(names)
    for name in found:
        if name not in CHECKS:
            raise InvalidInput(f"there is no check {name!r}; the checks are {', '.join(CHECKS)}")
    return found

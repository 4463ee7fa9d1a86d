"""Why a decision fell as it did, in numbers and in words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from sqlalchemy import Connection

from automem_agents.features import READ
from automem_agents.journal.decisions import decision_by_id, effects_of
from automem_agents.journal.records import row_by_id
from automem_agents.operations.log import to_decision
from automem_agents.operations.replay import drawn, outdated_of
from automem_agents.policies.rules import keep_shares
from automem_agents.protocols import Policy
from automem_agents.text.render import one_line
from automem_agents.types import Action, Candidate, Decision, Explanation, Namespace, Operation

_LARGEST = 5  # learned shares in the text; the object has them all
_DISPLACED = 3
_SAME = 1e-3  # scores that differ by less are taken to tie
_BEYOND = "beyond the rules"
_SHOWN = 8  # runners-up in the text; the object has them all


PolicyNamed = Callable[[str], Policy | None]


def explain(
    connection: Connection, policy_named: PolicyNamed, decision_id: str, namespace: Namespace | None = None
) -> Explanation:
    """Return a decision with what each feature contributed.

    Args:
        policy_named: gives the policy of a name and version, None where it is gone.

    Raises:
        UnknownDecision: if it isn't on record (in ``namespace``, if one is given).
    """
    row = decision_by_id(connection, decision_id, namespace.key if namespace else None)
    decision = to_decision(connection, row)
    ids = [c.record_id for c in decision.candidates if c.record_id]
    ids += [effect.record_id for effect in effects_of(connection, row.seq)]
    rows = {i: row_by_id(connection, row.namespace, i) for i in dict.fromkeys(ids)}
    texts = {i: record.text for i, record in rows.items()}
    contributions = _contributions(policy_named(decision.policy), decision)
    fixed = {i: sum(shares.get(name, 0.0) for name in READ.names) for i, shares in contributions.items()}
    tried = _tried(row.arguments, decision)
    outdated = _outdated(row.arguments, decision)
    displaced = {**_put_ahead(decision, fixed, outdated), **tried}
    found = Explanation(
        decision=decision,
        contributions=contributions,
        fixed=fixed,
        displaced=displaced,
        outdated=outdated,
        texts=texts,
    )
    updated = decision.operation is Operation.WRITE and decision.action is Action.UPDATE
    facts = dict.fromkeys(record.key for record in rows.values() if updated and record.key)
    return replace(found, lines=(*_head(decision), *_body(found, tried, facts)))


def _put_ahead(decision: Decision, fixed: Mapping[str, float], outdated: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return which shown records the rules rank behind some that were passed over, each with those, the best first."""
    known = [c for c in decision.candidates if c.record_id in fixed]
    passed = [c for c in known if not c.shown and c.record_id not in outdated]
    found = {}
    for shown in (c for c in known if c.shown):
        least = fixed[shown.record_id] + _SAME
        behind = [c.record_id for c in passed if c.position > shown.position and fixed[c.record_id] > least]
        if behind:
            found[shown.record_id] = tuple(sorted(behind, key=lambda i: -fixed[i])[:_DISPLACED])
    return found


def _tried(arguments: Mapping[str, Any], decision: Decision) -> dict[str, tuple[str, ...]]:
    """Return which records exploration showed, each with those that its policy would have shown in their place."""
    exploration = drawn(arguments)
    if exploration is None:
        return {}
    ids = [candidate.record_id for candidate in decision.candidates]
    own, taken = (set(exploration.outcomes[at].shown.tolist()) for at in (0, exploration.taken))
    displaced = tuple(ids[position] for position in sorted(own - taken))
    return {ids[position]: displaced for position in sorted(taken - own)}


def _outdated(arguments: Mapping[str, Any], decision: Decision) -> dict[str, str]:
    """Return which records were chosen, but held no longer, each with the one that says so."""
    ids = [candidate.record_id for candidate in decision.candidates]
    return {ids[old]: ids[new] for old, new in outdated_of(arguments).items()}


def _contributions(policy: Policy | None, decision: Decision) -> dict[str, dict[str, float]]:
    """The shares of each candidate's score; only the policy that took the decision can say."""
    known = [c for c in decision.candidates if c.features and c.record_id]
    if known and decision.operation is Operation.CONSOLIDATE:
        return {c.record_id: _worth(c) for c in known}
    if not known or policy is None:
        return {}
    names = tuple(known[0].features)
    matrix = np.array([tuple(c.features.values()) for c in known], np.float16)
    shares = policy.weights(names, matrix)
    return {
        c.record_id: {name: float(s) for name, s in zip(names, row, strict=True) if s}
        for c, row in zip(known, shares, strict=True)
    }


def _worth(candidate: Candidate) -> dict[str, float]:
    """The shares of what a record was worth: by the rules, and all that another policy made of it."""
    values = np.array([tuple(candidate.features.values())], np.float16)
    (shares,) = keep_shares(tuple(candidate.features), values).tolist()
    found = {name: share for name, share in zip(candidate.features, shares, strict=True) if share}
    beyond = (candidate.value or 0.0) - sum(shares)
    return {**found, _BEYOND: beyond} if abs(beyond) > _SAME else found


def _head(decision: Decision) -> tuple[str, ...]:
    undone = " (undone)" if decision.undone else ""
    fallback = f"\n  fallback: {decision.fallback}" if decision.fallback else ""
    return (
        f"{decision.operation} {decision.action}{undone}: {decision.reason}{fallback}",
        f"  by {decision.policy}, p = {decision.propensity:.2f}, out of {', '.join(decision.legal)}; {decision.id}"
        + ("" if decision.reward is None else f"; reward {decision.reward:+.2f}"),
    )


def _body(found: Explanation, tried: Mapping[str, tuple[str, ...]], facts: Collection[str]) -> tuple[str, ...]:
    if found.decision.operation is Operation.READ:
        return _read_lines(found, tried)
    if found.decision.candidates:
        return (*_keep_lines(found), *_saw(found.decision))
    lines = [f"  {record_id}  {_short(text, 60)}" for record_id, text in found.texts.items()]
    lines += [f"  fact: {fact}" for fact in facts]
    return (*lines, *_saw(found.decision))


def _saw(decision: Decision) -> tuple[str, ...]:
    named = [f"{name} {value:.2f}" for name, value in decision.features.items() if value]
    return (f"  saw {', '.join(named)}",) if named else ()


def _keep_lines(found: Explanation) -> list[str]:
    lines = []
    for candidate in found.decision.candidates:
        shares = found.contributions.get(candidate.record_id, {})
        largest = sorted(shares, key=lambda name: -abs(shares[name]))[:_LARGEST]
        lines.append(
            f"  {'stays' if candidate.shown else 'goes '} {candidate.value or 0.0:6.2f}  "
            f"{_short(found.texts.get(candidate.record_id, '(deleted)'), 44):<44}  "
            + " ".join(f"{name} {shares[name]:+.2f}" for name in largest)
        )
    return lines


def _read_lines(found: Explanation, tried: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    shown = [c for c in found.decision.candidates if c.shown]
    old = [c for c in found.decision.candidates if c.record_id in found.outdated]
    passed = [c for c in found.decision.candidates if not c.shown and c not in old][:_SHOWN]
    lines = []
    for candidate in (*shown, *old, *passed):
        record, shares = candidate.record_id, found.contributions.get(candidate.record_id, {})
        mark = "tried " if record in tried else "shown " if candidate.shown else "passed"
        mark = "older " if record in found.outdated else mark
        lines.append(
            f"  {mark} {sum(shares.values()):5.2f}  {_short(found.texts.get(record, '(deleted)'), 44):<44}  "
            f"{candidate.tokens:>3} tokens  {_parts(shares, found.fixed.get(record, 0.0))}{_earned(candidate)}"
        )
        if record in found.displaced:
            instead = (_short(found.texts.get(i, "(deleted)"), 44) for i in found.displaced[record])
            lines.append(f"           in place of {'; '.join(instead) or 'nothing'}")
        if record in found.outdated:
            lines.append(f"           holds no longer, by {_short(found.texts[found.outdated[record]], 60)}")
    return tuple(lines)


def _parts(shares: Mapping[str, float], fixed: float) -> str:
    """Write the largest shares; what was learned, after the fixed score."""
    learned = {name: share for name, share in shares.items() if name not in READ.names}
    largest = sorted(learned, key=lambda name: -abs(learned[name]))[:_LARGEST]
    own = {name: share for name, share in shares.items() if name in READ.names} if not learned else {"fixed": fixed}
    written = {**own, **{name: learned[name] for name in largest}}
    return " ".join(f"{name} {value:+.2f}" for name, value in written.items())


def _earned(candidate: Candidate) -> str:
    """Say what came of a record since, where that is known."""
    if candidate.reward is None:
        return ""
    return f"  {'used' if candidate.used or candidate.reward > 0 else 'not used'}, reward {candidate.reward:+.2f}"


def _short(text: str, width: int) -> str:
    text = one_line(text)
    return text if len(text) <= width else text[: width - 1] + "…"

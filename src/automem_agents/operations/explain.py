"""Why a decision fell as it did, in numbers and in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from sqlalchemy import Connection

from automem_agents.journal.decisions import decision_by_id, effects_of
from automem_agents.journal.records import row_by_id
from automem_agents.operations.log import to_decision
from automem_agents.protocols import Policy
from automem_agents.text.render import one_line
from automem_agents.types import Decision, Explanation, Namespace, Operation

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
    texts = {i: row_by_id(connection, row.namespace, i).text for i in dict.fromkeys(ids)}
    contributions = _contributions(policy_named(decision.policy), decision)
    lines = (*_head(decision), *_body(decision, contributions, texts))
    return Explanation(decision=decision, contributions=contributions, texts=texts, lines=lines)


def _contributions(policy: Policy | None, decision: Decision) -> dict[str, dict[str, float]]:
    """The shares of each candidate's score; only the policy that took the decision can say."""
    known = [c for c in decision.candidates if c.features and c.record_id]
    if not known or policy is None:
        return {}
    names = tuple(known[0].features)
    matrix = np.array([tuple(c.features.values()) for c in known], np.float16)
    shares = policy.weights(names, matrix)
    return {
        c.record_id: {name: float(s) for name, s in zip(names, row, strict=True) if s}
        for c, row in zip(known, shares, strict=True)
    }


def _head(decision: Decision) -> tuple[str, ...]:
    undone = " (undone)" if decision.undone else ""
    fallback = f"\n  fallback: {decision.fallback}" if decision.fallback else ""
    return (
        f"{decision.operation} {decision.action}{undone}: {decision.reason}{fallback}",
        f"  by {decision.policy}, p = {decision.propensity:.2f}, out of {', '.join(decision.legal)}; {decision.id}",
    )


def _body(
    decision: Decision, contributions: Mapping[str, Mapping[str, float]], texts: Mapping[str, str]
) -> tuple[str, ...]:
    if decision.operation is Operation.READ:
        return _read_lines(decision, contributions, texts)
    lines = [f"  {record_id}  {_short(text, 60)}" for record_id, text in texts.items()]
    named = [f"{name} {value:.2f}" for name, value in decision.features.items() if value]
    return (*lines, f"  saw {', '.join(named)}") if named else tuple(lines)


def _read_lines(
    decision: Decision, contributions: Mapping[str, Mapping[str, float]], texts: Mapping[str, str]
) -> tuple[str, ...]:
    shown = [c for c in decision.candidates if c.shown]
    passed = [c for c in decision.candidates if not c.shown][:_SHOWN]
    lines = []
    for candidate in (*shown, *passed):
        shares = contributions.get(candidate.record_id, {})
        parts = " ".join(f"{name} {value:+.2f}" for name, value in shares.items())
        mark = "shown " if candidate.shown else "passed"
        lines.append(
            f"  {mark} {sum(shares.values()):5.2f}  {_short(texts.get(candidate.record_id, '(deleted)'), 44):<44}  "
            f"{candidate.tokens:>3} tokens  {parts}"
        )
    return tuple(lines)


def _short(text: str, width: int) -> str:
    text = one_line(text)
    return text if len(text) <= width else text[: width - 1] + "…"

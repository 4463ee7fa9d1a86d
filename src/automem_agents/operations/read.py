"""READ: find candidates, let the policy choose, show what was chosen."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from automem_agents._assemble import assemble
from automem_agents.features import LEARNED_READ, READ, FeatureSet, learned_features, read_features
from automem_agents.journal import records
from automem_agents.journal.decisions import NewDecision, Ranking
from automem_agents.operations.always import Included, included
from automem_agents.operations.ids import new_id
from automem_agents.operations.log import explicit_decision
from automem_agents.operations.outdated import outdated
from automem_agents.operations.packing import Packer
from automem_agents.operations.replay import depth, exploration_log, outdated_log, packing_log
from automem_agents.operations.where import matcher
from automem_agents.protocols import Exploration, Ints, Policy, ReadChoice, ReadProblem
from automem_agents.store import Candidates, MemoryStore
from automem_agents.text.render import Entry, block, record_line
from automem_agents.types import Action, Hit, MemoryRecord, Namespace, Operation, Recall, State


@dataclass(frozen=True)
class ReadRequest:
    """What is asked of memory; ``max_tokens`` bounds the whole text."""

    namespace: Namespace
    query: str
    max_tokens: int
    top_k: int | None
    run_id: str | None
    only_run: str | None = None


def read(store: MemoryStore, policy: Policy, request: ReadRequest) -> tuple[Recall, NewDecision]:
    """Answer a request; return what to show and what to log.

    Raises:
        EmbedderError, StoreError: if the embedder or the journal fails.
    """
    now = store.clock.now()
    vector = store.embed([request.query])[0]
    around = policy.sees == LEARNED_READ.id
    found = store.find(request.namespace.key, request.query, vector, run_id=request.only_run, look_around=around)
    nonce = str(secrets.randbelow(900) + 100)
    budget = request.max_tokens - store.costs.fence
    always = included(store, request.namespace.key, budget, request.top_k, request.only_run)
    found = found.without(always.seqs) if always else found
    packer = _packer(store, found, request, always)
    sees = _decides_by(policy, request.namespace.key, found)
    seen, features = described(sees, found)
    choice = policy.read(ReadProblem(seen.names, features, packer, request.namespace.key, may_explore=True))
    by_seq = fetch(store, request.namespace, [*always.seqs, *found.seqs[choice.shown].tolist()])
    gone = _outdated(store, request, found, choice, by_seq) if store.settings.hide_outdated else {}
    holding = {seq: record for seq, record in by_seq.items() if seq not in gone}
    recall = _show(store, request, found, choice, nonce, always, holding)
    shown = [hit for hit in recall.hits if hit.seq not in always.seqs]
    exploration = choice.exploration
    logged = choice.order[: packer.examined if exploration is None else depth(exploration, choice.order, packer)]
    decision = NewDecision(
        id=recall.token,
        namespace=request.namespace.key,
        run_id=request.run_id,
        operation=Operation.READ,
        action=Action.RETRIEVE if shown else Action.SKIP,
        legal=(Action.SKIP, Action.RETRIEVE) if len(logged) else (Action.SKIP,),
        propensity=choice.propensity,
        policy=choice.policy or f"{policy.name}@{policy.version}",
        feature_set=policy.sees,
        features=features.take(logged, axis=0) if sees == policy.sees else None,
        features_later=None if sees == policy.sees else partial(learned_features, found, logged),
        arguments={
            **_arguments(request, exploration, logged, packer, always),
            **outdated_log(gone, found.seqs[logged].tolist()),
        },
        reason=_reason(len(found), len(logged), len(shown), recall.tokens, request.max_tokens)
        + (f"; {len(gone)} left out as outdated" if gone else "")
        + (f"; {len(always)} are always included" if always else ""),
        now=now,
        candidates=_logged(found, logged, packer, recall, exploration),
        draw=None if exploration is None else exploration.draw,
        seed=None if exploration is None else exploration.seed,
    )
    return recall, decision


def _outdated(
    store: MemoryStore, request: ReadRequest, found: Candidates, choice: ReadChoice, by_seq: Mapping[int, MemoryRecord]
) -> dict[int, int]:
    cosines = dict(zip(found.seqs[choice.shown].tolist(), found.dense[choice.shown].tolist(), strict=True))
    return outdated(store, request.namespace, request.query, by_seq, cosines)


def _decides_by(policy: Policy, namespace: int, found: Candidates) -> str:
    """Return the feature set by which a policy decides, which may be smaller than the one that it wants logged."""
    asked: Callable[[int, bool], str] | None = getattr(policy, "decides_by", None)
    return policy.sees if asked is None else asked(namespace, found.assistant_log)


def described(sees: str, found: Candidates) -> tuple[FeatureSet, NDArray[np.float16]]:
    """Return a feature set, and those features of candidates."""
    if sees == LEARNED_READ.id:
        return LEARNED_READ, learned_features(found)
    return READ, read_features(found)


def _arguments(
    request: ReadRequest, exploration: Exploration | None, logged: Ints, packer: Packer, always: Included
) -> Mapping[str, object]:
    asked: dict[str, object] = {"max_tokens": request.max_tokens, "top_k": packer.top_k}
    if always:
        asked["always"] = list(always.seqs)
    packed = {**asked, **packing_log(logged, packer)}
    return packed if exploration is None else {**packed, **exploration_log(exploration, logged)}


def fallback(store: MemoryStore, request: ReadRequest, why: str) -> tuple[Recall, NewDecision]:
    """Return an empty answer for a turn that must go on without memory, and what to log."""
    skip = explicit_decision(request.namespace.key, Operation.READ, Action.SKIP, store.clock.now())
    decision = replace(skip, run_id=request.run_id, policy="fallback", reason="memory could not answer", fallback=why)
    return Recall(text="", hits=(), tokens=0, token=decision.id, fallback=why), decision


def _reason(found: int, evident: int, shown: int, tokens: int, budget: int) -> str:
    if shown:
        return f"showed {shown} of {evident} candidates in {tokens} of {budget} tokens"
    if evident:
        return f"none of {evident} candidates fits into {budget} tokens"
    return f"none of {found} candidates has anything to do with the query"


def _logged(found: Candidates, order: Ints, packer: Packer, recall: Recall, exploration: Exploration | None) -> Ranking:
    shown = {hit.seq for hit in recall.hits}
    seqs: list[int] = found.seqs[order].tolist()
    was_shown = [seq in shown for seq in seqs]
    inclusion = list(map(float, was_shown)) if exploration is None else exploration.inclusion[order].tolist()
    return Ranking(seqs, packer.line_costs[order].tolist(), was_shown, inclusion)


def _packer(store: MemoryStore, found: Candidates, request: ReadRequest, always: Included) -> Packer:
    return Packer(
        seqs=found.seqs,
        line_costs=found.line_tokens + store.costs.largest_ref,
        dates=found.date_numbers,
        date_costs=found.date_tokens,
        budget=request.max_tokens - store.costs.fence - always.reserved,
        top_k=None if request.top_k is None else request.top_k - len(always),
        pool=store.settings.pool,
    )


def _show(
    store: MemoryStore,
    request: ReadRequest,
    found: Candidates,
    choice: ReadChoice,
    nonce: str,
    always: Included,
    records_by_seq: Mapping[int, MemoryRecord],
) -> Recall:
    """Write what was chosen, as far as it is among the records as re-read; drop the last until it truly fits."""
    kept = [i for i in choice.shown.tolist() if int(found.seqs[i]) in records_by_seq]
    first = [at for at, seq in enumerate(always.seqs) if seq in records_by_seq]
    token = new_id("dec")
    while kept or first:
        entries = {int(found.seqs[i]): _entry(found, i, records_by_seq) for i in kept}
        above = [_line(always.seqs[at], always.dates[at], records_by_seq) for at in first]
        text, refs = block(entries.values(), nonce, above)
        exact = store.costs.add_up and len(first) == len(always)
        tokens = _cost(store, found, kept, always) if exact else store.counter.count(text)
        if tokens <= request.max_tokens:
            begins = (_hit_of(seq, records_by_seq, refs) for seq in (always.seqs[at] for at in first))
            hits = (*begins, *(_hit(found, choice.scores, i, records_by_seq, refs) for i in kept))
            return Recall(text=text, hits=hits, tokens=tokens, token=token)
        (kept or first).pop()  # the store was written with another token counter
    return Recall(text="", hits=(), tokens=0, token=token)


def _cost(store: MemoryStore, found: Candidates, kept: Sequence[int], always: Included) -> int:
    """What a block costs: fence, refs, lines, and a date line wherever the date changes."""
    cost = store.costs.fence + store.costs.refs(len(kept) + len(always))
    cost += sum(always.line_tokens) + sum(always.date_tokens)
    above = found.dates.find(always.dates[-1]) if always else 0
    for i in sorted(kept):  # candidates are in order of age
        date = int(found.date_numbers[i])
        cost += int(found.line_tokens[i]) + (int(found.date_tokens[i]) if date != above else 0)
        above = date
    return cost


def _entry(found: Candidates, i: int, by_seq: Mapping[int, MemoryRecord]) -> Entry:
    return _line(int(found.seqs[i]), found.dates[int(found.date_numbers[i])], by_seq)


def _line(seq: int, date: str, by_seq: Mapping[int, MemoryRecord]) -> Entry:
    return Entry(seq, date, record_line(by_seq[seq].speaker, by_seq[seq].text))


def _hit_of(seq: int, by_seq: Mapping[int, MemoryRecord], refs: Mapping[int, str]) -> Hit:
    """Return what is shown whatever was asked."""
    return Hit(record=by_seq[seq], score=0.0, lexical=0.0, dense=0.0, ref=refs[seq], seq=seq)


def _hit(
    found: Candidates,
    scores: NDArray[np.float64],
    i: int,
    by_seq: Mapping[int, MemoryRecord],
    refs: Mapping[int, str],
) -> Hit:
    seq = int(found.seqs[i])
    values: dict[str, object] = {
        "seq": seq,
        "record": by_seq[seq],
        "score": float(scores[i]),
        "lexical": float(found.lexical[i]),
        "dense": float(found.dense[i]),
        "ref": refs.get(seq, ""),
    }
    return assemble(Hit, values)


def fetch(store: MemoryStore, namespace: Namespace, seqs: Sequence[int]) -> dict[int, MemoryRecord]:
    """Return the live records of ``seqs``, re-read from the journal with their namespace."""
    with store.journal.look() as connection:
        live = records.live_by_seq(connection, namespace.key, seqs)
        found = records.to_records(connection, namespace, live)
    return {row.seq: record for row, record in zip(live, found, strict=True)}


def search(
    store: MemoryStore,
    policy: Policy,
    namespace: Namespace,
    query: str,
    top_k: int,
    only: Sequence[int] | None,
    run_id: str | None,
) -> list[Hit]:
    """Return the best records for a query by the policy's score; no decision is taken or logged."""
    around, vector = policy.sees == LEARNED_READ.id, store.embed([query])[0]
    found = store.find(namespace.key, query, vector, run_id=run_id, only=only, look_around=around)
    seen, features = described(_decides_by(policy, namespace.key, found), found)
    problem = ReadProblem(seen.names, features, lambda order: order[:top_k], namespace.key)
    choice = policy.read(problem)
    by_seq = fetch(store, namespace, found.seqs[choice.shown].tolist())
    return [_hit(found, choice.scores, i, by_seq, {}) for i in choice.shown.tolist() if int(found.seqs[i]) in by_seq]


def selected(
    store: MemoryStore, namespace: Namespace, where: object, run_id: str | None, kind: str | None
) -> list[int]:
    """Return the live records whose metadata satisfy ``where``, of a run and a kind where given.

    Raises:
        InvalidInput: if ``where`` isn't a filter.
    """
    matches = matcher({} if where is None else where)
    with store.journal.read() as connection:
        live = records.page(connection, namespace.key, [State.LIVE], None, 0, run_id, kind)
    return [row.seq for row in live if matches(row.metadata)]

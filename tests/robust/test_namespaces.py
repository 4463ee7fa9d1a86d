"""Promise 8: namespaces hold. A long random walk over near-colliding ids, compared with plain dictionaries."""

from __future__ import annotations

import json
import random
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import insert, select

from automem_agents import Action, MemoryController, MemoryRecord, Namespace, State
from automem_agents.errors import Conflict, Erased, InvalidInput, UnknownDecision, UnknownRecord
from automem_agents.journal.schema import changes, lineage, records

Open = Callable[..., MemoryController]
Who = tuple[str, str | None, str]  # user_id, agent_id, app

STEPS = 2_200

WHO: list[Who] = [
    ("a", None, "default"),
    ("A", None, "default"),
    ("a ", None, "default"),
    (" a", None, "default"),
    ("a\u200b", None, "default"),
    ("\u0430", None, "default"),  # Cyrillic
    ("ab", None, "default"),
    ("a%", None, "default"),
    ("_", None, "default"),
    ("a/b", None, "default"),
    ("a", "b", "default"),
    ("a", "a", "default"),
    ("a", "None", "default"),
    ("a", "null", "default"),
    ("a", "default", "default"),
    ("a", None, "a"),
    ("b", "a", "default"),
    ('a",null', None, "default"),
    ("a' OR '1'='1", None, "default"),
    ("default", None, "a"),
    ("caf\u00e9", None, "default"),
    ("cafe\u0301", None, "default"),  # the same in NFC: one namespace with the line above, by design
    ("cafe", None, "default"),
    ("x" * 256, None, "default"),
    ("x" * 255 + "y", None, "default"),
]

SMALL_TALK = "Thanks!"


@dataclass
class Change:
    """A decision that can be taken back, and the states in which it left its records."""

    id: str
    left: dict[str, State]


@dataclass
class Model:
    """What one namespace must hold."""

    texts: dict[str, str] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    keys: dict[str, str | None] = field(default_factory=dict)
    families: dict[str, set[str]] = field(default_factory=dict)
    decisions: set[str] = field(default_factory=set)
    changes: list[Change] = field(default_factory=list)

    def live(self) -> list[str]:
        return [i for i, state in self.states.items() if state is State.LIVE]

    def add(self, record_id: str, text: str, key: str | None = None) -> None:
        self.texts[record_id] = text
        self.keys[record_id] = key
        self.states[record_id] = State.LIVE
        self.families[record_id] = {record_id}

    def replace(self, old: str, new: str, text: str) -> None:
        self.add(new, text, self.keys[old])
        self.states[old] = State.SUPERSEDED
        family = self.families[old] | {new}
        for member in family:
            self.families[member] = family


class Walk:
    """Takes random steps in a memory and in its model, and compares what comes back."""

    def __init__(self, memory: MemoryController, folder: Path, seed: int) -> None:
        self.memory = memory
        self.folder = folder
        self.random = random.Random(seed)
        self.models: dict[Who, Model] = {}
        self.number = 0
        self.who = WHO[0]
        self.scope: dict[str, str | None] = {}

    def step(self) -> None:
        self.who = self.random.choice(WHO)
        self.scope = dict(zip(("user_id", "agent_id", "app"), self.who, strict=True))
        names, weights = zip(*STEPS_AND_WEIGHTS.items(), strict=True)
        (name,) = self.random.choices(names, weights)
        getattr(self, name)()

    @property
    def model(self) -> Model:
        return self.model_of(self.who)

    def model_of(self, who: Who) -> Model:
        user, agent, app = who
        return self.models.setdefault((unicodedata.normalize("NFC", user), agent, app), Model())

    def text(self) -> str:
        self.number += 1
        word, other = self.random.sample(("amber", "birch", "coral", "dune", "ember"), 2)
        return f"Parcel{self.number} lies under the {word} stair of the {other} house"

    def foreign(self, ids: Callable[[Model], Iterable[str]]) -> str | None:
        """Return an id of a namespace that isn't this one."""
        mine = self.model
        others = [i for model in self.models.values() if model is not mine for i in ids(model)]
        return self.random.choice(sorted(others)) if others else None

    def own(self, ids: Iterable[str]) -> str | None:
        found = sorted(ids)
        return self.random.choice(found) if found else None

    def check(self, found: Iterable[MemoryRecord]) -> None:
        user, agent, app = self.who
        for record in found:
            assert record.namespace == Namespace(user, agent, app)
            assert self.model.texts[record.id] == record.text
            assert self.model.states[record.id] is record.state

    # -- steps that write

    def add(self) -> None:
        text, key = self.text(), self.random.choice((None, None, "place"))
        before = [i for i in self.model.live() if key and self.model.keys[i] == key]
        assert len(before) <= 1
        receipt = self.memory.add(text, key=key, **self.scope)
        (new,) = receipt.record_ids
        self.model.add(new, text, key)
        for old in before:
            self.model.replace(old, new, text)
        self.note(receipt.decisions[0].id, {new: State.LIVE, **dict.fromkeys(before, State.SUPERSEDED)})

    def add_again(self) -> None:
        """The same words in another namespace are no duplicate; in this one they are."""
        foreign = self.foreign(lambda model: model.live())
        if foreign is None:
            return
        text = next(m.texts[foreign] for m in self.models.values() if foreign in m.texts)
        known = any(self.model.texts[i] == text for i in self.model.live())
        receipt = self.memory.add(text, **self.scope)
        assert bool(receipt.record_ids) is not known
        for new in receipt.record_ids:
            self.model.add(new, text)
            self.note(receipt.decisions[0].id, {new: State.LIVE})

    def observe(self) -> None:
        texts = [self.text() for _ in range(self.random.randint(1, 3))]
        turn = [{"role": "user", "content": text} for text in texts] + [{"role": "user", "content": SMALL_TALK}]
        receipt = self.memory.observe(turn, turn_id=f"turn-{self.number // 3 * 3}-{self.number}", **self.scope)
        assert [d.action for d in receipt.decisions] == [Action.ADD] * len(texts) + [Action.SKIP]
        for decision, text in zip(receipt.decisions, texts, strict=False):
            self.model.add(decision.records[0], text)
            self.note(decision.id, {decision.records[0]: State.LIVE})

    def update(self) -> None:
        old, text = self.own(self.model.live()), self.text()
        if old is not None:
            receipt = self.memory.update(old, text, **self.scope)
            (new,) = receipt.record_ids
            self.model.replace(old, new, text)
            self.note(receipt.decisions[0].id, {new: State.LIVE, old: State.SUPERSEDED})

    def forget(self) -> None:
        record_id = self.own(self.model.live())
        if record_id is not None:
            decision = self.memory.forget(record_id, **self.scope)
            self.model.states[record_id] = State.FORGOTTEN
            self.note(decision.id, {record_id: State.FORGOTTEN})

    def undo(self) -> None:
        if not self.model.changes:
            return
        change = self.model.changes.pop(self.random.randrange(len(self.model.changes)))
        gone = [i for i in change.left if i not in self.model.states]
        if gone:  # physically removed since
            with pytest.raises((Conflict, Erased, UnknownDecision)):
                self.memory.undo(change.id, **self.scope)
        elif any(self.model.states[i] is not state for i, state in change.left.items()) or self.stated_by_now(change):
            with pytest.raises(Conflict):
                self.memory.undo(change.id, **self.scope)
        else:
            self.memory.undo(change.id, **self.scope)
            for i, state in change.left.items():
                self.model.states[i] = State.FORGOTTEN if state is State.LIVE else State.LIVE

    def stated_by_now(self, change: Change) -> bool:
        """Tell whether another live record states a fact that this undo would bring back."""
        back = {self.model.keys.get(i) for i, state in change.left.items() if state is not State.LIVE} - {None}
        return any(self.model.keys.get(i) in back for i in self.model.live() if i not in change.left)

    def delete(self) -> None:
        record_id = self.own(self.model.texts)
        if record_id is not None:
            assert self.memory.delete(record_id, wait=self.random.random() < 0.3, **self.scope) == 1
            self.drop(self.model, record_id)
            self.model.changes = [change for change in self.model.changes if record_id not in change.left]

    def erase(self) -> None:
        every = self.random.random() < 0.3
        user, _, app = (unicodedata.normalize("NFC", part or "") for part in self.who)
        family = [w for w in self.models if (w[0], w[2]) == (user, app)] if every else [self.who]
        expected = sum(len(self.model_of(who).texts) for who in family)
        assert self.memory.erase(all_agents=every, wait=self.random.random() < 0.5, **self.scope) == expected
        for who in family:
            model = self.model_of(who)
            erased, model.decisions = model.decisions, set()
            model.texts, model.states, model.families, model.changes = {}, {}, {}, []
            for decision_id in sorted(erased)[:3]:
                with pytest.raises(UnknownDecision):
                    self.memory.explain(decision_id, **self.scope)

    def consolidate(self) -> None:
        for decision in self.memory.consolidate(**self.scope):
            assert decision.action in (Action.NONE, Action.DEDUPE)
            if decision.action is Action.DEDUPE:  # equal words that were undone and stated again
                self.follow(decision.records[0])

    def follow(self, kept: str) -> None:
        for record in self.memory.history(kept, **self.scope):
            self.model.states[record.id] = record.state
            self.model.families[record.id] = self.model.families[kept] = (
                self.model.families[kept] | self.model.families[record.id]
            )

    # -- steps that read

    def recall(self) -> None:
        recall = self.memory.recall(self.text(), max_tokens=self.random.choice((60, 300, 2000)), **self.scope)
        self.check(recall.records)
        assert {hit.record.id for hit in recall.hits} <= set(self.model.live())
        shown = {word for word in recall.text.split() if word.startswith("Parcel")}
        assert shown <= {word for i in self.model.live() for word in self.model.texts[i].split()}
        self.model.decisions.add(recall.token)

    def search(self) -> None:
        live = self.model.live()
        hits = self.memory.search("parcel under the amber stair house", top_k=1000, **self.scope)
        self.check(hit.record for hit in hits)
        assert {hit.record.id for hit in hits} == set(live)

    def get(self) -> None:
        record_id = self.own(self.model.texts)
        if record_id is not None:
            self.check([self.memory.get(record_id, **self.scope)])

    def records(self) -> None:
        every = self.memory.records(limit=None, tombstones=True, **self.scope)
        self.check(every)
        assert {record.id for record in every} == set(self.model.texts)
        live = self.memory.records(limit=None, **self.scope)
        assert [record.id for record in live] == [r.id for r in every if r.state is State.LIVE]

    def history(self) -> None:
        record_id = self.own(self.model.texts)
        if record_id is not None:
            versions = self.memory.history(record_id, **self.scope)
            self.check(versions)
            assert {r.id for r in versions} <= self.model.families[record_id] & set(self.model.texts)
            assert record_id in {r.id for r in versions}

    def decisions(self) -> None:
        for decision in self.memory.decisions(limit=10, **self.scope):
            named = {*decision.records, *(candidate.record_id for candidate in decision.candidates)} - {""}
            assert named <= set(self.model.texts)
            explained = self.memory.explain(decision.id, **self.scope)
            known = {i: text for i, text in explained.texts.items() if text != SMALL_TALK}  # what was skipped
            assert set(known.items()) <= set(self.model.texts.items())

    def export(self) -> None:
        file = self.folder / "export.jsonl"
        assert self.memory.export_jsonl(file, **self.scope) == len(self.model.texts)
        found = {line["id"]: line["text"] for line in map(json.loads, file.read_text().splitlines())}
        assert found == self.model.texts

    def reach_for_a_foreign_record(self) -> None:
        record_id = self.foreign(lambda model: model.texts)
        if record_id is None:
            return
        for attempt in (
            lambda: self.memory.get(record_id, **self.scope),
            lambda: self.memory.update(record_id, self.text(), **self.scope),
            lambda: self.memory.forget(record_id, **self.scope),
            lambda: self.memory.delete(record_id, **self.scope),
            lambda: self.memory.history(record_id, **self.scope),
            lambda: self.memory.records(after=record_id, **self.scope),
        ):
            with pytest.raises(UnknownRecord):
                attempt()

    def reach_for_a_foreign_decision(self) -> None:
        decision_id = self.foreign(lambda model: model.decisions)
        if decision_id is None:
            return
        with pytest.raises(UnknownDecision):
            self.memory.undo(decision_id, **self.scope)
        with pytest.raises(UnknownDecision):
            self.memory.explain(decision_id, **self.scope)

    # -- the model

    def note(self, decision_id: str, left: dict[str, State]) -> None:
        self.model.decisions.add(decision_id)
        self.model.changes.append(Change(decision_id, left))

    def drop(self, model: Model, record_id: str) -> None:
        del model.texts[record_id], model.states[record_id]
        model.families.pop(record_id)


STEPS_AND_WEIGHTS = {
    "add": 14, "add_again": 5, "observe": 10, "update": 6, "forget": 6, "undo": 8, "delete": 3, "erase": 1,
    "consolidate": 1, "recall": 10, "search": 10, "get": 5, "records": 5, "history": 5, "decisions": 3, "export": 3,
    "reach_for_a_foreign_record": 5, "reach_for_a_foreign_decision": 5,
}  # fmt: skip


def test_a_long_walk_never_meets_a_foreign_record(open_memory: Open, tmp_path: Path) -> None:
    memory = open_memory(recall_deadline=60.0, observe_deadline=60.0)
    walk = Walk(memory, tmp_path, seed=2607)
    for _ in range(STEPS):
        walk.step()
    walk.memory = memory = reopen(memory, open_memory)
    for who in list(walk.models):
        walk.who, walk.scope = who, dict(zip(("user_id", "agent_id", "app"), who, strict=True))
        walk.records()
        walk.search()
        walk.export()
    assert sum(len(model.texts) for model in walk.models.values()) > 300


def reopen(memory: MemoryController, open_memory: Open) -> MemoryController:
    memory.close()
    return open_memory()


@pytest.mark.any_index
@pytest.mark.parametrize(
    "wrong",
    [{"$ne": ""}, {"$gt": None}, {"user_id": "ada"}, ["ada"], ("ada",), b"ada", 7, True, 1.5],
    ids=repr,
)
@pytest.mark.parametrize("name", ["user_id", "agent_id", "app"])
def test_an_operator_in_place_of_an_id_is_refused(memory: MemoryController, name: str, wrong: object) -> None:
    memory.add("My locker is number 418")
    scope = {name: wrong}
    for attempt in (
        lambda: memory.recall("locker", **scope),
        lambda: memory.search("locker", **scope),
        lambda: memory.records(**scope),
        lambda: memory.observe({"role": "user", "content": "x"}, **scope),
        lambda: memory.add("x", **scope),
        lambda: memory.decisions(**scope),
        lambda: memory.erase(**scope),
        lambda: memory.trajectory(**scope),
    ):
        with pytest.raises(InvalidInput, match=name):
            attempt()
    assert len(memory.records()) == 1


def planted(memory: MemoryController) -> tuple[str, str, int]:
    """Give ada and bob a record each; return their ids and the number of bob's."""
    (mine,) = memory.add("My locker is number 418", user_id="ada").record_ids
    (other,) = memory.add("My locker is number 977", user_id="bob").record_ids
    with memory.store.journal.read() as connection:
        seq = connection.scalar(select(records.c.seq).where(records.c.id == other))
    assert seq is not None
    return mine, other, seq


def check_alone(memory: MemoryController, mine: str) -> None:
    assert [hit.record.id for hit in memory.search("locker number 977", top_k=10)] == [mine]
    assert [record.id for record in memory.recall("locker number 977").records] == [mine]
    assert "977" not in memory.recall("what is the number of the locker 977?").text
    assert [record.id for record in memory.history(mine)] == [mine]


def test_a_foreign_number_in_the_feed_of_changes_is_not_followed(open_memory: Open) -> None:
    memory = open_memory(user_id="ada")
    mine, _, seq = planted(memory)
    memory.search("locker")  # the working set is loaded, and refreshed from the feed from here on
    with memory.store.journal.write() as connection:
        connection.execute(insert(changes).values(namespace=Namespace("ada").key, record_seq=seq, op="add"))
    check_alone(memory, mine)


def test_a_link_across_namespaces_is_not_followed(open_memory: Open) -> None:
    memory = open_memory(user_id="ada")
    mine, _, seq = planted(memory)
    with memory.store.journal.write() as connection:
        own = connection.scalar(select(records.c.seq).where(records.c.id == mine))
        connection.execute(insert(lineage).values(child=own, parent=seq, relation="update"))
    check_alone(memory, mine)


def test_a_foreign_vector_in_the_collection_is_not_shown(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", index_threshold=0)
    mine, _, seq = planted(memory)
    memory.search("locker")
    assert memory.flush()
    vector = memory.store.embed(["user: My locker is number 977"])
    memory.store.indexer.collection(Namespace("ada").key).upsert([seq], np.asarray(vector, np.float32))
    assert memory.flush()
    check_alone(memory, mine)

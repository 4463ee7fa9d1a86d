"""Working sets and the index, against a memory that is opened afresh."""

from __future__ import annotations

import random
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from automem_agents import MemoryController, Namespace
from automem_agents.errors import AutoMemError, EmbedderMismatch, InvalidInput
from automem_agents.journal import records
from automem_agents.store import Absorbed, Candidates
from automem_agents.testing import HashEmbedder

Open = Callable[..., MemoryController]
WORDS = [
    "tea",
    "coffee",
    "milk",
    "sugar",
    "water",
    "bread",
    "honey",
    "salt",
    "pepper",
    "rice",
    "plum",
    "pear",
    "fig",
    "lemon",
    "garden",
    "river",
    "train",
]
VERBS = ("observe", "observe", "observe", "update", "key", "forget", "undo", "delete", "consolidate")


def found(memory: MemoryController, query: str) -> Candidates:
    key = memory.store.namespaces_of(memory._defaults.namespace({}))[0].key
    return memory.store.find(key, query, memory.store.embed([query])[0])


def assert_same_candidates(one: Candidates, other: Candidates) -> None:
    assert one.seqs.tolist() == other.seqs.tolist()
    assert [one.dates[i] for i in one.date_numbers] == [other.dates[i] for i in other.date_numbers]
    assert one.assistant_log == other.assistant_log
    for name in ("lexical", "dense", "lexical_norm", "dense_norm", "neighbours", "keep", "named"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=2e-5), name
    for name in ("message_tokens", "line_tokens", "date_tokens"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist(), name


def sentence(rng: random.Random) -> str:
    return " ".join(rng.sample(WORDS, rng.randint(2, 6)))


def change(memory: MemoryController, verb: str, rng: random.Random, done: list[str]) -> None:
    """Change the memory by one verb; what isn't possible now is refused and changes nothing."""
    live = memory.records(limit=None)
    where = {"session": rng.choice(["s1", "s2"]), "run_id": rng.choice(["r1", "r2"])}
    if verb == "observe":
        role = rng.choice(["user", "user", "assistant"])
        said = {"role": role, "content": sentence(rng), "date": rng.choice([None, "8 May", "9 May"])}
        receipt = memory.observe({**said, "name": rng.choice([None, "Ada", "Bob"])}, **where)
        done += [decision.id for decision in receipt.decisions]
    elif verb == "key":
        done += [d.id for d in memory.add(sentence(rng), key=rng.choice(["diet", "job"]), **where).decisions]
    elif verb == "consolidate":
        done += [d.id for d in memory.consolidate()]
    elif verb == "undo" and done:
        memory.undo(done.pop(rng.randrange(len(done))))
    elif verb in ("update", "forget", "delete") and live:
        chosen = rng.choice(live).id
        if verb == "update":
            done += [d.id for d in memory.update(chosen, sentence(rng)).decisions]
        elif verb == "forget":
            done.append(memory.forget(chosen).id)
        else:
            memory.delete(chosen, wait=False)


@settings(max_examples=10, deadline=None)
@example(["observe", "observe", "observe", "observe", "update", "undo"], 566)  # a restored record keeps its age
@given(st.lists(st.sampled_from(VERBS), min_size=5, max_size=30), st.integers(0, 10_000))
def test_working_sets_follow_every_change(verbs: list[str], seed: int) -> None:
    rng, done = random.Random(seed), []
    options = {"user_id": "ada", "embedder": HashEmbedder(), "strict": True}
    with tempfile.TemporaryDirectory() as folder, MemoryController.open(folder, **options) as memory:
        change(memory, "observe", rng, done)
        for verb in verbs:
            try:
                change(memory, verb, rng, done)
            except AutoMemError:
                if verb != "undo":  # which may come too late
                    raise
            memory.recall(sentence(rng))
        queries = [sentence(rng) for _ in range(3)] + ["What did Ada say about tea?"]
        followed = [found(memory, query) for query in queries]
        with MemoryController.open(folder, **options) as fresh:
            for query, mine in zip(queries, followed, strict=True):
                assert_same_candidates(mine, found(fresh, query))


def test_neighbours_are_the_turns_before_and_after_in_the_session(memory: MemoryController) -> None:
    for session, text in (("s1", "plum"), ("s2", "salt"), ("s1", "fig pear"), ("s2", "rice"), ("s1", "lemon")):
        memory.observe({"role": "user", "content": f"{text} garden"}, session=session)
    candidates = found(memory, "fig pear")
    both = candidates.lexical_norm + candidates.dense_norm
    by_text = {r.text: i for i, r in enumerate(memory.records())}
    plum, fig, lemon, salt, rice = (by_text[f"{t} garden"] for t in ("plum", "fig pear", "lemon", "salt", "rice"))
    assert candidates.neighbours[plum] == pytest.approx(both[fig])
    assert candidates.neighbours[fig] == pytest.approx(both[plum] + both[lemon])
    assert candidates.neighbours[lemon] == pytest.approx(both[fig])
    assert candidates.neighbours[salt] == pytest.approx(both[rice])


def test_neighbours_close_ranks_when_one_between_them_goes(memory: MemoryController) -> None:
    for text in ("plum garden", "fig river", "lemon train"):
        memory.observe({"role": "user", "content": text}, session="s1")
    middle = memory.records()[1]
    memory.forget(middle.id)
    candidates = found(memory, "plum garden")
    both = candidates.lexical_norm + candidates.dense_norm
    assert candidates.neighbours == pytest.approx(both[::-1])


def test_a_neighbour_without_a_common_word_is_a_candidate(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", candidates=10)
    for i in range(60):
        memory.add(f"filler{i} nothing{i} here{i}", session="other")
    for text in ("Shall I book the train?", "Yes please"):
        memory.add(text, session="s1")
    texts = {r.id: r.text for r in memory.records()}
    hits = memory.search("book the train", top_k=100)
    assert texts[hits[0].record.id] == "Shall I book the train?"
    candidates = found(memory, "book train")
    rows = [r.text for r in memory.records(limit=None)]
    assert "Yes please" in {rows[int(s) - 1] for s in candidates.seqs}


def test_the_bound_in_bytes_is_kept_and_results_stay_right(open_memory: Open, tmp_path: Path) -> None:
    small = open_memory(tmp_path / "small", working_set_bytes=2**20)
    users = [f"user{i}" for i in range(8)]
    for user in users:
        messages = [{"role": "user", "content": f"{user} likes fruit{i} and tea{i}"} for i in range(250)]
        small.observe(messages, user_id=user)
    for user in users * 2:
        hits = small.recall("Who likes fruit17?", user_id=user).hits
        assert hits[0].record.text == f"{user} likes fruit17 and tea17"
        held = [entry.ws.nbytes for entry in small.store._entries.values()]
        assert sum(held) <= 2**20 or len(held) == 1
    assert 0 < len(small.store._entries) < len(users)


def test_another_controller_s_writes_are_seen_at_the_next_recall(open_memory: Open) -> None:
    here, there = open_memory(user_id="ada"), open_memory(user_id="ada")
    here.add("I drink green tea")
    assert "green tea" in there.recall("green tea").text
    receipt = there.add("I drink black coffee")
    assert "black coffee" in here.recall("black coffee").text
    there.forget(receipt.record_ids[0])
    assert "black coffee" not in here.recall("black coffee").text
    there.update(here.records()[0].id, "I drink white tea")
    assert "white tea" in here.recall("tea").text
    assert "green" not in here.recall("tea").text
    there.erase()
    assert here.recall("white tea").text == ""
    here.add("I drink water now")
    assert "water" in there.recall("water").text


def test_a_reopened_memory_knows_everything(open_memory: Open) -> None:
    first = open_memory(user_id="ada")
    receipt = first.observe({"role": "user", "content": "The key is under the blue pot"}, run_id="r1", session="s1")
    first.close()
    again = open_memory(user_id="ada")
    assert again.get(receipt.record_ids[0]).run_id == "r1"
    assert "blue pot" in again.recall("Where is the key?").text


@pytest.mark.any_index
def test_another_embedder_is_refused(open_memory: Open) -> None:
    open_memory().close()
    for embedder in (HashEmbedder(32), HashEmbedder(64, name="other")):
        with pytest.raises(EmbedderMismatch, match=r"hash-64/64.*reembed"):
            open_memory(embedder=embedder)
    open_memory(embedder=HashEmbedder(64))


@pytest.mark.any_index
def test_exact_and_chroma_give_the_same_candidates(open_memory: Open, tmp_path: Path) -> None:
    rng = random.Random(7)
    exact = open_memory(tmp_path / "exact", user_id="ada", index_threshold=100_000)
    chroma = open_memory(tmp_path / "chroma", user_id="ada", index_threshold=0)
    said = [{"role": "user", "content": f"{sentence(rng)} number{i}"} for i in range(400)]
    for memory in (exact, chroma):
        memory.observe(said, session="s1", turn_id="t1")
        memory.recall("warm up")  # asks Chroma to catch up
        assert memory.flush()
    chroma.recall("warm up")  # lets go of the vectors that Chroma has by now
    agreed = []
    for _ in range(20):
        query = sentence(rng)
        one, other = (found(memory, query) for memory in (exact, chroma))
        top = [[h.record.text for h in memory.search(query)] for memory in (exact, chroma)]
        agreed.append(len(set(top[0]) & set(top[1])) / 10)
        near = one.seqs[one.dense > np.sort(one.dense)[-100]]  # ties far down may fall either way
        assert set(near.tolist()) <= set(other.seqs.tolist())
    assert chroma.health().recalls_by_chroma >= 20
    assert exact.health().recalls_by_chroma == 0
    assert np.mean(agreed) >= 0.99


@pytest.mark.any_index
def test_chroma_serves_what_it_has_and_the_exact_scan_the_rest(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", index_threshold=3, embedder=HashEmbedder(2048))
    memory.add("plum garden")
    assert memory.flush()
    assert memory.health().indexed_namespaces == 0
    for text in ("fig river", "lemon train", "rice bread"):
        memory.add(text)
    memory.recall("plum")
    assert memory.flush()
    assert memory.health().indexed_namespaces == 1
    memory.add("honey salt")  # not yet in Chroma
    for text in ("plum garden", "fig river", "lemon train", "rice bread", "honey salt"):
        assert memory.search(text, top_k=1)[0].record.text == text
    memory.forget(memory.records()[0].id)
    assert memory.search("plum garden", top_k=5) == []
    assert memory.flush()
    assert memory.search("plum garden", top_k=5) == []


@pytest.mark.any_index
def test_a_folder_name_must_be_one() -> None:
    for path in ("", "a\0b", 7):
        with pytest.raises(InvalidInput, match="path"):
            MemoryController.open(path, embedder=HashEmbedder())  # type: ignore[arg-type]


def test_what_changes_while_chroma_is_fed_is_fed_too(open_memory: Open) -> None:
    memory = open_memory(user_id="ada", index_threshold=0)
    namespace, indexer = Namespace("ada").key, memory.store.indexer
    memory.add("a note of the lake")
    assert memory.flush()
    with memory.store.journal.write() as connection:
        records.log_changes(connection, namespace, [1], "restore")
    with memory.store.journal.write() as connection:  # a feed can't set its mark before this ends
        indexer.notify(namespace)
        time.sleep(0.5)
        records.log_changes(connection, namespace, [1], "restore")
        indexer.notify(namespace)
    assert indexer.wait(30)
    assert memory.health().index_lag == 0


def test_what_was_committed_is_absorbed_without_holding_up_a_fork(memory: MemoryController) -> None:
    memory.add("I drink green tea")
    store, key = memory.store, Namespace("ada").key
    (entry,) = store._entries.values()
    change = Absorbed(Namespace("ada"), entry.ws.seen, entry.ws.seen, (), ())
    assert store.journal.turnstile.shut(5)  # as a fork does
    absorbing = threading.Thread(target=store.absorb, args=(key, entry.ws, change))
    absorbing.start()
    try:
        absorbing.join(0.2)
        assert absorbing.is_alive()  # it waits outside, not with the lock that those inside need to leave
        assert entry.lock.acquire(timeout=1)
        entry.lock.release()
    finally:
        store.journal.turnstile.open()
    absorbing.join(10)
    assert not absorbing.is_alive()

"""Orders of conversations, by source and interleaved."""

from __future__ import annotations

from automem_agents.bench.learning.streams import INTERLEAVED, orders_of, streams_of

from .learning_talks import talk


def test_orders_are_different_seeded_and_no_more_than_there_are() -> None:
    ids = [f"c{i}" for i in range(6)]
    orders = orders_of(ids, 10, seed=1)
    assert len(set(orders)) == len(orders) == 10
    assert all(sorted(order) == ids for order in orders)
    assert orders == orders_of(ids, 10, seed=1)
    assert orders != orders_of(ids, 10, seed=2)
    assert orders[:4] == orders_of(ids, 4, seed=1)  # more orders leave the first ones as they were
    assert len(orders_of(ids[:3], 10, seed=1)) == 6
    assert orders_of(ids[:1], 10, seed=1) == [("c0",)]


def test_each_source_by_itself_and_all_taking_turns() -> None:
    talks = [*(talk(i) for i in range(3)), *(talk(i, "logs") for i in range(2))]
    streams = streams_of(talks, 4, seed=0)
    assert {s.name: sum(t.name == s.name for t in streams) for s in streams} == {
        "chats": 4,
        "logs": 2,
        INTERLEAVED: 4,
    }
    for stream in streams:
        if stream.name == INTERLEAVED:
            assert [i.partition("-")[0] for i in stream.conversations] == ["chats", "logs", "chats", "logs", "chats"]
    mixed = [s for s in streams if s.name == INTERLEAVED]
    alone = [s for s in streams if s.name == "chats"]
    assert [c for c in mixed[2].conversations if c.startswith("chats")] == list(alone[2].conversations)


def test_one_source_is_not_interleaved() -> None:
    assert {s.name for s in streams_of([talk(0), talk(1)], 10, seed=0)} == {"chats"}

"""Orders of conversations, by source and interleaved."""

from __future__ import annotations

import pytest

from automem_agents.bench.learning.streams import INTERLEAVED, leaving_one_out, orders_of, streams_of, transferring

from .learning_talks import talk

pytestmark = pytest.mark.any_index


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


def test_what_is_left_out_is_not_learned_from() -> None:
    talks = [*(talk(i) for i in range(2)), talk(0, "logs")]
    streams = leaving_one_out(talks, 2, seed=0)
    assert sorted((s.order, s.frozen[0]) for s in streams) == [
        (order, left) for order in (0, 1) for left in ("chats-0", "chats-1", "logs-0")
    ]
    for stream in streams:
        assert sorted((*stream.conversations, *stream.frozen)) == ["chats-0", "chats-1", "logs-0"]
        assert stream.name == INTERLEAVED


def test_transfer_asks_all_others_afterwards() -> None:
    streams = transferring([talk(0), talk(1)], [talk(0, "logs")], 10, seed=0)
    assert [(s.conversations, s.frozen) for s in streams] == [
        (("chats-0", "chats-1"), ("logs-0",)),
        (("chats-1", "chats-0"), ("logs-0",)),
    ]

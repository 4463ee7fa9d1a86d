"""A working set is the same whether its records came at once or one by one."""

import numpy as np
import pytest

from automem_agents.index.growing import GrowingArray
from automem_agents.journal.records import RecordRow
from automem_agents.store.working_set import WorkingSet
from automem_agents.text.tokens import EstimatedCounter

pytestmark = pytest.mark.any_index


def a_row(seq: int, **changed: object) -> RecordRow:
    said = {
        "seq": seq, "id": f"mem_{seq}", "namespace": 1, "text": f"I saw {seq} herons at the lake", "tokens": 9 + seq,
        "fingerprint": seq.to_bytes(16, "little"), "line_tokens": 8, "role": "user", "speaker": "Ada", "run_id": None,
        "session": None, "turn_seq": None, "position": 0, "segment": 0, "kind": "log", "key": None, "source": "user",
        "trust": 1.0, "occurred_at": None, "date_text": None, "recorded_at": 1, "valid_from": 1, "valid_to": None,
        "state": "live", "metadata": {}, "recalled": 0, "used": 0, "turn_id": None,
        "vector": np.full(4, seq, "<f4").tobytes(),
    }  # fmt: skip
    return RecordRow(**{**said, **changed})


ROWS = [
    a_row(3, session="a", date_text="1 May", key="home"),
    a_row(4, session="b", speaker="Bo", role="assistant", turn_seq=7),
    a_row(5, turn_seq=7, segment=1),
    a_row(9, session="a", run_id="r", recalled=2, used=1),
    a_row(6, session="a", date_text="2 May"),  # came back, so that a later one stands before it
    a_row(8, run_id="r", text="Where is the boat?"),
]


def made_of(*batches: list[RecordRow]) -> WorkingSet:
    ws = WorkingSet(4, EstimatedCounter())
    for batch in batches:
        ws.add(batch, without_vector={5}, former={9: "an old harbour"})
    return ws


def held(ws: WorkingSet) -> dict[str, object]:
    columns = {name: value.view().tolist() for name, value in vars(ws).items() if isinstance(value, GrowingArray)}
    del columns["_kind"], columns["_key"]  # what number a name has depends on the order
    asked = ws.match("herons at the harbour, home in May").scores.tolist()
    cosines = ws.exact.spread(np.ones(4, np.float32), len(ROWS)).tolist()
    labelled = [ws.labelled([name]).tolist() for name in ("log", "keyed", "home")]
    return {
        **columns,
        "labelled": labelled,
        "asked": asked,
        "cosines": cosines,
        "bytes": ws.nbytes,
        "assistant": ws.assistant_log,
    }


def test_records_that_come_at_once_are_held_as_those_that_come_one_by_one() -> None:
    assert held(made_of(ROWS)) == held(made_of(*([row] for row in ROWS)))


def test_records_of_a_session_stand_in_the_order_of_their_seqs() -> None:
    ws = made_of(ROWS)
    assert ws.around(np.array([0, 4, 3])).tolist() == [[-1, 4], [0, 3], [4, -1]]
    assert ws.by_age(np.arange(6)).tolist() == [0, 1, 2, 4, 5, 3]


def test_a_record_that_comes_again_takes_a_new_slot() -> None:
    ws = made_of(ROWS, [a_row(3, text="I saw no bittern"), a_row(10)])
    assert ws.slots([3, 10]).tolist() == [6, 7]
    assert ws.match("bittern").scores.nonzero()[0].tolist() == [6]
    assert len(ws) == 7

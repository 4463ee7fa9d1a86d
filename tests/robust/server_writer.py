"""One of several processes that share a store and a Chroma server: folder, port, its number, how many turns."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from numbered import NumberEmbedder, fact, question, turn

from automem_agents import MemoryController


def main(folder: str, port: str, number: str, turns: str) -> None:
    memory = MemoryController.open(
        folder, user_id="ada", strict=True, embedder=NumberEmbedder(), index_threshold=0, busy_timeout=60.0,
        observe_deadline=60.0, chroma_host="127.0.0.1", chroma_port=int(port),
    )  # fmt: skip
    for i in range(int(turns)):
        mine = [(i * 2 + int(number)) * 4 + k for k in range(4)]
        receipt = memory.observe(turn(mine))
        assert receipt.state == "committed"
        assert len(receipt.record_ids) == 4, receipt
        decision = memory.forget(receipt.record_ids[0])
        recall = memory.recall(question(mine[1]), max_tokens=200)
        assert fact(mine[1]) in [hit.record.text for hit in recall.hits]
        memory.undo(decision.id)
        assert fact(mine[0]) in [hit.record.text for hit in memory.recall(question(mine[0]), max_tokens=200).hits]
    memory.flush(60)
    print(json.dumps({"rebuilt": memory.store.indexer.status().rebuilt}))
    memory.close()


main(*sys.argv[1:])

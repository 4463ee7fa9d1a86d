"""The systems that are compared: what each is, and which environment it runs in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class System:
    """One contestant.

    Attributes:
        adapter: module in ``adapters`` and class.
        environment: name of its requirements file, or None for the environment that runs the benchmark.
        about: one line for the tables.
        durable: whether what it stores outlives the process.
        options: passed to the adapter.
    """

    adapter: str
    about: str
    environment: str | None = None
    durable: bool = True
    options: Mapping[str, object] = field(default_factory=dict)


SYSTEMS: dict[str, System] = {
    "floor": System("floor:Floor", "one SQLite commit (WAL, synchronous=FULL) of text and vector; NumPy dot product"),
    "automem": System("automem:AutoMem", "this package, `observe` and `recall`, default settings, strict"),
    "chroma": System("chroma:Chroma", "chromadb, one collection, an upsert a turn, `where={user}`"),
    "chroma_per_user": System("chroma:ChromaPerUser", "chromadb, a collection for each user, an upsert a turn"),
    "mem0": System("mem0:Mem0", "mem0ai on Chroma, `infer=False`, telemetry off", "mem0"),
    "langgraph_inmemory": System("langgraph:InMemory", "LangGraph InMemoryStore with an index", "langgraph", False),
    "langgraph_sqlite": System("langgraph:Sqlite", "LangGraph SqliteStore with an index", "langgraph"),
    "llama_index_block": System("llama_index:Block", "LlamaIndex VectorMemoryBlock over Chroma", "llama_index"),
}
CHROMA_ALWAYS = System("automem:AutoMem", "this package, all served by Chroma", options={"index_threshold": 0})
CHROMA_NEVER = System("automem:AutoMem", "this package, all searched exactly", options={"index_threshold": 10**9})
VARIANTS = {**SYSTEMS, "automem_chroma": CHROMA_ALWAYS, "automem_exact": CHROMA_NEVER}

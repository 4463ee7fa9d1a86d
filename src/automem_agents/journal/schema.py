"""The tables. Sequence numbers are keys inside; opaque ids are what users see.

Times are microseconds since 1970, UTC. Vectors are float32, little-endian. Adding a table or a column needs a
step in ``migrations.py``.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

SCHEMA_VERSION = 7

metadata = MetaData()
_HAS_KEY = text("key IS NOT NULL")  # few records do
_EXPIRES = text("expires_at IS NOT NULL")
_HAS_RUN = text("run_id IS NOT NULL")
_OF_RUN = text("decision_seq IS NULL")
_SEQ = BigInteger().with_variant(Integer, "sqlite")


def _seq() -> Column[int]:
    # SQLite reuses the number of a deleted last row unless told sqlite_autoincrement; the feed of changes must never
    # see that.
    return Column("seq", _SEQ, primary_key=True, autoincrement=True)


def _namespace() -> Column[int]:
    return Column("namespace", BigInteger, ForeignKey("namespaces.key"), nullable=False)


meta = Table("meta", metadata, Column("name", String, primary_key=True), Column("value", Text, nullable=False))

namespaces = Table(
    "namespaces",
    metadata,
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("app", String, nullable=False),
    Column("user_id", String, nullable=False),
    Column("agent_id", String),
    Column("created_at", BigInteger, nullable=False),
)

turns = Table(
    "turns",
    metadata,
    _seq(),
    Column("id", String, nullable=False),
    _namespace(),
    Column("run_id", String),
    Column("session", String),
    Column("hash", LargeBinary, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    UniqueConstraint("namespace", "id"),
    sqlite_autoincrement=True,
)

records = Table(
    "records",
    metadata,
    _seq(),
    Column("id", String, nullable=False, unique=True),
    _namespace(),
    Column("text", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("line_tokens", Integer, nullable=False),
    Column("role", String, nullable=False),
    Column("speaker", String, nullable=False),
    Column("run_id", String),
    Column("session", String),
    Column("turn_seq", _SEQ, ForeignKey("turns.seq")),
    Column("position", Integer, nullable=False),  # of its message in the turn
    Column("segment", Integer, nullable=False),  # of the message
    Column("kind", String, nullable=False),
    Column("key", String),
    Column("source", String, nullable=False),
    Column("trust", Float, nullable=False),
    Column("occurred_at", BigInteger),
    Column("date_text", String),
    Column("recorded_at", BigInteger, nullable=False),
    Column("valid_from", BigInteger, nullable=False),
    Column("valid_to", BigInteger),
    Column("state", String, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("recalled", Integer, nullable=False, default=0),
    Column("used", Integer, nullable=False, default=0),
    Index("records_by_namespace", "namespace", "state", "seq"),
    # with the state, or SQLite prefers the index above and reads every live record of the namespace
    Index("records_by_key", "namespace", "key", "state", sqlite_where=_HAS_KEY),
    sqlite_autoincrement=True,
)

lineage = Table(
    "lineage",
    metadata,
    Column("child", _SEQ, ForeignKey("records.seq"), primary_key=True),
    Column("parent", _SEQ, ForeignKey("records.seq"), primary_key=True, index=True),
    Column("relation", String, nullable=False),  # update | merge | alike | summary
)

messages = Table(
    "messages",
    metadata,
    _seq(),
    _namespace(),
    Column("session", String, nullable=False),
    Column("body", JSON, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Index("messages_by_session", "namespace", "session", "seq"),
    sqlite_autoincrement=True,
)

items = Table(
    "items",
    metadata,
    _seq(),
    _namespace(),  # who erases it
    Column("tree", BigInteger, nullable=False),  # all items of an app and agent: paths are unique in it
    Column("path", String, nullable=False),
    Column("name", String, nullable=False),
    Column("value", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("ttl", BigInteger),
    Column("expires_at", BigInteger),
    UniqueConstraint("tree", "path", "name"),
    Index("items_by_namespace", "namespace"),
    Index("items_by_path", "tree", "path", "expires_at"),  # what is under a prefix, without reading values
    Index("items_by_expiry", "expires_at", sqlite_where=_EXPIRES),
    sqlite_autoincrement=True,
)

item_vectors = Table(
    "item_vectors",
    metadata,
    Column("item_seq", _SEQ, ForeignKey("items.seq"), primary_key=True),
    Column("field", String, primary_key=True),
    Column("space", String, nullable=False),  # vectors of different embedders can't be compared
    Column("vector", LargeBinary, nullable=False),
)

changes = Table(
    "changes",
    metadata,
    _seq(),
    Column("namespace", BigInteger, nullable=False),  # outlives the namespace: other processes must see its erasure
    Column("record_seq", _SEQ),  # null: everything in the namespace
    Column("op", String, nullable=False),
    Column("decision_seq", _SEQ),
    Index("changes_by_namespace", "namespace", "seq"),
    Index("changes_by_decision", "decision_seq"),
    sqlite_autoincrement=True,
)

decisions = Table(
    "decisions",
    metadata,
    _seq(),
    Column("id", String, nullable=False, unique=True),
    _namespace(),
    Column("run_id", String),
    Column("turn_seq", _SEQ, ForeignKey("turns.seq"), index=True),
    Column("operation", String, nullable=False),
    Column("action", String, nullable=False),
    Column("legal", JSON, nullable=False),
    Column("propensity", Float, nullable=False),
    Column("policy", String, nullable=False),
    Column("feature_set", String, nullable=False),
    Column("features", LargeBinary),
    Column("arguments", JSON, nullable=False),
    Column("draw", Float),
    Column("seed", BigInteger),
    Column("reason", Text, nullable=False),
    Column("fallback", String),
    Column("reward", Float),
    Column("undone", Boolean, nullable=False, default=False),
    Column("now", BigInteger, nullable=False),
    Index("decisions_by_namespace", "namespace", "seq"),
    Index("decisions_by_run", "namespace", "run_id", sqlite_where=_HAS_RUN),
    sqlite_autoincrement=True,
)

decision_candidates = Table(
    "decision_candidates",
    metadata,
    Column("decision_seq", _SEQ, ForeignKey("decisions.seq"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("record_seq", _SEQ, nullable=False, index=True),
    Column("tokens", Integer, nullable=False),
    Column("shown", Boolean, nullable=False),
    Column("inclusion_p", Float, nullable=False),
    Column("used", Boolean, nullable=False, default=False),
    Column("reward", Float),
)

feedback = Table(
    "feedback",
    metadata,
    _seq(),
    Column("key", String, nullable=False, unique=True),
    _namespace(),
    Column("run_id", String),
    Column("decision_seq", _SEQ, ForeignKey("decisions.seq"), index=True),
    Column("score", Float, nullable=False),
    Column("cited", JSON, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    Index("feedback_by_run", "namespace", "run_id", sqlite_where=_OF_RUN),
    sqlite_autoincrement=True,
)

signals = Table(
    "signals",
    metadata,
    _seq(),
    _namespace(),
    Column("run_id", String),
    Column("turn_seq", _SEQ, ForeignKey("turns.seq"), index=True),
    Column("decision_seq", _SEQ, ForeignKey("decisions.seq"), index=True),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False, default=""),
    Column("weight", Float, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

credits = Table(  # decisions that there is something to learn from, in the order in which that was known
    "credits",
    metadata,
    _seq(),
    _namespace(),
    Column("decision_seq", _SEQ, ForeignKey("decisions.seq"), nullable=False, unique=True),
    Column("upto", _SEQ),  # newest decision at that time
    sqlite_autoincrement=True,
)

learners = Table(  # what is known after the credits up to ``cursor``; made again from the log where that changes
    "learners",
    metadata,
    Column("name", String, primary_key=True),
    Column("cursor", _SEQ, nullable=False),
    Column("stale", Boolean, nullable=False),
    Column("state", LargeBinary, nullable=False),
)

policies = Table(  # rows stay; what is large in old ones goes
    "policies",
    metadata,
    _seq(),
    Column("name", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("parent", Integer),  # version that it was trained further from
    Column("active", Boolean, nullable=False),
    Column("parameters", LargeBinary, nullable=False),  # empty once they were dropped
    Column("sha256", String, nullable=False),
    Column("trained_on", JSON, nullable=False),  # key of a namespace -> decisions, those of the parents included
    Column("metrics", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("name", "version"),
    sqlite_autoincrement=True,
)

ledger = Table(  # append-only; holds no text of any user
    "ledger",
    metadata,
    _seq(),
    Column("event", String, nullable=False),
    Column("numbers", JSON, nullable=False),
    Column("recorded_at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

index_marks = Table(
    "index_marks",
    metadata,
    Column("namespace", BigInteger, ForeignKey("namespaces.key"), primary_key=True),
    Column("generation", String, nullable=False),
    Column("mark", _SEQ, nullable=False),
)

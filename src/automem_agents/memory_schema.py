"""What a memory may hold: kinds of records with caps and retention, and the budgets of each namespace."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from automem_agents.errors import InvalidInput
from automem_agents.types import checked_id

LOG, KEYED, PINNED = "log", "keyed", "pinned"
KINDS = (LOG, KEYED, "state", "reference", PINNED)
_LONGEST = timedelta(days=366_000)
_MICROSECOND = timedelta(microseconds=1)


def _name(value: str) -> str:
    try:
        return checked_id("name", value)
    except InvalidInput as error:
        raise ValueError(str(error)) from None


Name = Annotated[str, AfterValidator(_name)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000, strict=True)]
Bytes = Annotated[int, Field(ge=1, le=2**60, strict=True)]
Age = Annotated[timedelta, Field(gt=timedelta(0), le=_LONGEST)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise InvalidInput(_said(error)) from None


class KindRules(_Frozen):
    """What holds for records of a kind, in each namespace.

    Attributes:
        cap: at most so many live records; None for no cap of its own.
        retention: how long one lives from when it was stored, as a timedelta or in seconds; None for ever.

    Examples:
        >>> KindRules(cap=100, retention=3600).retention
        datetime.timedelta(seconds=3600)
    """

    cap: Count | None = None
    retention: Age | None = None


class MemorySchema(_Frozen):
    """Kinds of records, budgets of each namespace, and what every recall has to show. Kept with the store.

    A record with a key that names no other kind is ``keyed``. A kind that isn't listed has the rules of ``log``.
    ``pinned`` records are taken away by users only, so that they have neither cap nor retention; they count in
    the budgets.

    Attributes:
        kinds: the rules of each kind; log, keyed, state, reference and pinned are always there.
        max_records: live records of a namespace.
        max_bytes: texts, vectors and metadata of a namespace, tombstones and what was skipped included. A fifth of it
            is theirs.
        always_include: kinds or keys whose records begin every recall, newest first.
        always_include_tokens: what they may cost of a recall's budget.

    Raises:
        InvalidInput: if a name is unknown or a value is out of range.

    Examples:
        >>> schema = MemorySchema(kinds={"log": {"cap": 1000}}, always_include=("pinned",))
        >>> schema.rules("recipe").cap, schema.rules("pinned").cap
        (1000, None)
    """

    kinds: Mapping[Name, KindRules] = Field(default_factory=dict)
    max_records: Count | None = None
    max_bytes: Bytes | None = None
    always_include: tuple[Name, ...] = Field(default=(), max_length=64)
    always_include_tokens: int = Field(default=200, ge=0, le=1_000_000)

    @model_validator(mode="before")
    @classmethod
    def _with_all_kinds(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("kinds", {}), Mapping):
            return {**values, "kinds": {**{kind: {} for kind in KINDS}, **values.get("kinds", {})}}
        return values

    @model_validator(mode="after")
    def _leave_pinned_alone(self) -> Self:
        if self.kinds[PINNED] != KindRules():
            raise ValueError("pinned records are taken away by users only: they have neither cap nor retention")
        return self

    @property
    def bounded(self) -> bool:
        """Whether anything in it takes records away."""
        budgets = self.max_records is not None or self.max_bytes is not None
        return budgets or any(rules != KindRules() for rules in self.kinds.values())

    def rules(self, kind: str) -> KindRules:
        """Return what holds for a kind."""
        return self.kinds.get(kind, self.kinds[LOG])

    def too_old(self, kind: str, key: str | None, recorded_at: int, now: int) -> bool:
        """Whether a record has lived as long as its kind may; times in microseconds."""
        retention = self.rules(self.filed_under(kind, key)).retention
        return retention is not None and recorded_at <= now - retention // _MICROSECOND

    def filed_under(self, kind: str, key: str | None) -> str:
        """Return the kind whose cap and retention hold for a record."""
        own = kind_of(kind, key)
        return own if own in self.kinds else LOG

    def to_json(self) -> str:
        """Return it as the store keeps it."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what ``to_json`` wrote.

        Raises:
            InvalidInput: if it is something else.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise InvalidInput(_said(error)) from None

    @classmethod
    def of(cls, given: object) -> Self:
        """Return a schema from one, or from a dictionary, as a configuration has it.

        Raises:
            InvalidInput: if it is neither, or wrong.
        """
        if isinstance(given, cls):
            return given
        if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
            raise InvalidInput(f"schema must be a MemorySchema or a dictionary, not {type(given).__name__}")
        return cls(**given)


def kind_of(kind: str, key: str | None) -> str:
    """Return the kind of a record: one with a key that names no other kind is keyed.

    Examples:
        >>> kind_of("log", "home"), kind_of("state", "home"), kind_of("log", None)
        ('keyed', 'state', 'log')
    """
    return KEYED if kind == LOG and key is not None else kind


def _said(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    what = first["msg"].removeprefix("Value error, ")
    got = "" if first["type"] == "value_error" else f", got {str(first['input'])[:80]!r}"
    return f"schema{f' {where}' if where else ''}: {what}{got}"

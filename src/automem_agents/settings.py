"""All settings in one model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from automem_agents.errors import InvalidInput

ENV_PREFIX = "AUTOMEM_AGENTS_"


class Settings(BaseModel):
    """How a store behaves. Every setting can come from ``AUTOMEM_AGENTS_<NAME>`` in the environment.

    Examples:
        >>> Settings(max_tokens=300).max_tokens
        300
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_tokens: int = Field(500, ge=0, le=1_000_000, description="default budget of a recall")
    segment_tokens: int = Field(256, ge=16, le=8192, description="longer messages are stored in pieces of this size")
    max_text_chars: int = Field(1_000_000, ge=1, description="longer texts are refused")
    candidates: int = Field(200, ge=10, le=10_000, description="how many the dense and the lexical search each propose")
    pool: int = Field(64, ge=8, le=2000, description="how many of the best candidates a READ packs from and logs")
    index_threshold: int = Field(100_000, ge=0, description="records in a namespace from which Chroma serves it")
    index_deadline: float = Field(
        0.1, gt=0, allow_inf_nan=False, description="seconds after which a recall goes on without Chroma"
    )
    chroma_host: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._:\[\]-]+$",
        description="a Chroma server, instead of a Chroma in the store's folder",
    )
    chroma_port: int = Field(8000, ge=1, le=65535, description="port of the Chroma server")
    chroma_ssl: bool = Field(False, description="whether the Chroma server is asked by https")
    working_set_bytes: int = Field(256 * 2**20, ge=2**20, description="memory for the namespaces in use")
    recall_deadline: float = Field(
        2.0, gt=0, allow_inf_nan=False, description="seconds after which a turn goes on without memory"
    )
    observe_deadline: float = Field(
        10.0, gt=0, allow_inf_nan=False, description="seconds after which a write is left to finish by itself"
    )
    breaker_failures: int = Field(5, ge=1, description="failures in a row that pause memory")
    breaker_seconds: float = Field(10.0, gt=0, allow_inf_nan=False, description="how long memory is paused")
    busy_timeout: float = Field(
        10.0, gt=0, allow_inf_nan=False, description="seconds to wait for another process's write"
    )
    skipped: int = Field(
        1000,
        ge=0,
        le=1_000_000,
        description="newest texts of a namespace that were not stored, and are kept aside in case one is missed",
    )
    kept_features: int = Field(20_000, ge=0, description="newest decisions whose features are kept for replay")
    exploration: float = Field(
        0.05,
        ge=0,
        le=0.5,
        allow_inf_nan=False,
        description="share of recalls that try a near tie where there is feedback to learn from; 0 turns it off",
    )
    hide_outdated: bool = Field(
        True, description="a recall leaves out what a newer record that it shows most likely says has changed"
    )
    learn: Literal["on", "shadow", "off"] = Field(
        "on", description="learn what to recall from how it is used; shadow learns but lets the rules decide"
    )
    train: bool = Field(
        True, description="with the extra learn, also train networks beside the agent, in a process of their own"
    )
    max_records: int | None = Field(
        None, ge=1, le=1_000_000_000, description="live records of a namespace; kept with the store, as in MemorySchema"
    )
    max_bytes: int | None = Field(
        None, ge=1, le=2**60, description="bytes of a namespace's records; kept with the store, as in MemorySchema"
    )
    upkeep: Literal["on", "off"] = Field(
        "on", description="keep order when a run ends or a budget is exceeded; off waits for consolidate()"
    )
    consolidate_seconds: float = Field(
        0.0, ge=0, le=1_000_000, allow_inf_nan=False, description="also keep order so often, in the background; 0 never"
    )
    summarise: Literal["off", "medoid"] = Field(
        "off",
        description="of records that are much alike, keep the one in their middle; medoid does so without a model",
    )
    strict: bool = Field(False, description="raise what would otherwise be counted and logged")

    @classmethod
    def load(cls, options: Mapping[str, object]) -> Self:
        """Build settings from options, then the environment, then the defaults.

        Raises:
            InvalidInput: on an unknown name or a value out of range.
        """
        found = {
            n: os.environ[ENV_PREFIX + n.upper()] for n in cls.model_fields if ENV_PREFIX + n.upper() in os.environ
        }
        try:
            return cls.model_validate({**found, **options})
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            if first["type"] == "extra_forbidden":
                raise InvalidInput(f"unknown setting {name!r}; there are {', '.join(cls.model_fields)}") from None
            raise InvalidInput(f"setting {name}: {first['msg']}, got {first['input']!r}") from None

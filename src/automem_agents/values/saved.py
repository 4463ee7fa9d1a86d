"""What a saved value model says about itself beside its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automem_agents.errors import ModelError
from automem_agents.values.container import Arrays, pack, unpack

FORMAT = 1


@dataclass(frozen=True)
class Saved:
    """A value model as it is saved.

    Attributes:
        kind: name of the family.
        version: of the parameters.
        features: names of the columns it was made for.
        hyperparameters: JSON values.
        arrays: the parameters.
    """

    kind: str
    version: int
    features: tuple[str, ...]
    hyperparameters: Mapping[str, Any]
    arrays: Arrays

    def to_bytes(self) -> bytes:
        """Return it as a safetensors file with a checksum."""
        schema = {
            "format": FORMAT,
            "kind": self.kind,
            "version": self.version,
            "features": list(self.features),
            "hyperparameters": dict(self.hyperparameters),
        }
        return pack(self.arrays, schema)

    @classmethod
    def from_bytes(cls, data: bytes, kind: str | None = None) -> Saved:
        """Return what was saved.

        Args:
            data: what ``to_bytes`` returned.
            kind: the family that is wanted; None for any.

        Raises:
            ModelError: if the bytes are damaged, something else, of another family, or of a newer format.
        """
        arrays, schema = unpack(data)
        if schema.get("format") != FORMAT:
            raise ModelError(f"the saved model has format {schema.get('format')!r}; this version reads {FORMAT}")
        with readable():
            saved = cls(
                kind=schema["kind"],
                version=schema["version"],
                features=tuple(schema["features"]),
                hyperparameters=dict(schema["hyperparameters"]),
                arrays=arrays,
            )
        if not isinstance(saved.kind, str) or kind not in {None, saved.kind}:
            raise ModelError(f"the saved model is a {saved.kind!r}, not a {kind!r}")
        return saved

    def array(self, name: str, *shape: int) -> NDArray[np.float64]:
        """Return an array, or raise ModelError if it isn't there, has another shape, or isn't finite."""
        array = self.arrays.get(name)
        if array is None or array.shape != shape or not np.isfinite(array).all():
            raise ModelError(f"the saved model has no usable array {name!r} of the shape {shape}")
        return array


@contextmanager
def readable() -> Iterator[None]:
    """Turn what goes wrong while a saved model is made anew into ModelError."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"the saved model can't be used: {error}") from error

"""A version of a policy in a file: a line of JSON, the parameters as they are, and a digest of both."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from automem_agents.errors import InvalidInput

MAX_PARAMETERS = 64 * 2**20
MAX_METRICS = 256
_MAX_HEADER = 2**16
_DIGEST = 32  # bytes
_Number = Annotated[int, Field(ge=0, lt=2**53)]


class Header(BaseModel):
    """The first line of a file; who was learned from is not in it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["automem-agents policy"] = "automem-agents policy"
    format_version: Literal[1] = 1
    name: str
    version: _Number
    size: _Number
    sha256: str
    namespaces: _Number
    decisions: _Number
    metrics: Annotated[dict[str, FiniteFloat], Field(max_length=MAX_METRICS)]
    created_at: _Number


def write_file(path: Path, header: Header, parameters: bytes) -> None:
    """Write a version.

    Raises:
        InvalidInput: if the file can't be written.
    """
    content = header.model_dump_json().encode() + b"\n" + parameters
    try:
        path.write_bytes(content + sha256(content).digest())
    except OSError as error:
        raise InvalidInput(f"can't write {path}: {error}") from None


def read_file(path: Path) -> tuple[Header, bytes]:
    """Return the header and the parameters.

    Raises:
        InvalidInput: if it can't be read, is no such file, or was damaged.
    """
    content = _content(path)
    line, _, parameters = content.partition(b"\n")
    if not line.startswith(b'{"format":"automem-agents policy"'):
        raise InvalidInput(f"{path} is not a policy that automem-agents exported")
    body, digest = content[:-_DIGEST], content[-_DIGEST:]
    if sha256(body).digest() != digest:
        raise InvalidInput(f"{path} was damaged or cut off: export the policy again")
    try:
        header = Header.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidInput(f"{path} has a header that can't be used: {where}: {first['msg']}") from None
    parameters = parameters[:-_DIGEST]
    if len(parameters) != header.size or sha256(parameters).hexdigest() != header.sha256:
        raise InvalidInput(f"the header of {path} belongs to other parameters")
    return header, parameters


def _content(path: Path) -> bytes:
    most = MAX_PARAMETERS + _MAX_HEADER
    try:
        if not path.is_file():  # a pipe would be waited for
            raise InvalidInput(f"can't read {path}: it is not a file")
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise InvalidInput(f"can't read {path}: {error}") from None
    if len(content) > most:
        raise InvalidInput(f"{path} is larger than {most:,} bytes, which no policy is")
    return content

"""What the tests of bad input share: odd files, odd messages, and a limit on how long a refusal may take."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LONE = "\ud800"


def said(content: Any = "The heron stays at the lake", **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **more}


@contextmanager
def within_a_second() -> Any:
    wall, cpu = time.monotonic(), time.process_time()
    yield
    assert time.process_time() - cpu < 1.0
    assert time.monotonic() - wall < 5.0  # the machine may be busy with other work


def file(folder: Path, content: str | bytes, name: str = "in.jsonl") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def link(folder: Path) -> Path:
    (folder / "real").mkdir()
    (folder / "link").symlink_to(folder / "real")
    return folder / "link"

"""Virtual environments of the peers: made once from a requirements file of pinned versions, then reused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from latency_parts.systems import VARIANTS

_VERSIONS = (
    *("automem-agents", "chromadb", "mem0ai", "langgraph", "langgraph-checkpoint", "langgraph-checkpoint-sqlite"),
    *(
        "langchain-core",
        "llama-index-core",
        "llama-index-vector-stores-chroma",
        "numpy",
        "wordllama",
        "pysqlite3-binary",
    ),
    *("sqlite-vec", "SQLAlchemy"),
)
REQUIREMENTS = Path(__file__).parents[1] / "requirements"


def python_of(system: str, folder: Path, say: Callable[[str], None]) -> Path:
    """Return the interpreter that runs a system; its environment is made if it isn't there or its pins changed."""
    name = VARIANTS[system].environment
    if name is None:
        return Path(sys.executable)
    requirements, made = REQUIREMENTS / f"{name}.txt", folder / name
    python, stamp = made / "bin" / "python", made / "requirements.sha256"
    digest = sha256(requirements.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        say(f"installing {requirements.name}")
        made.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(made)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements)], check=True)
        stamp.write_text(digest)
    return python


def versions(python: Path) -> dict[str, str]:
    """Return the versions of what matters in an environment."""
    code = (
        "import importlib.metadata as m, json, sqlite3, sys\n"
        f"found = {{n: m.version(n) for n in {_VERSIONS!r} if any(True for _ in m.distributions(name=n))}}\n"
        "print(json.dumps({'python': sys.version.split()[0], 'sqlite': sqlite3.sqlite_version, **found}))"
    )
    out = subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True).stdout
    found: dict[str, str] = json.loads(out)
    return found

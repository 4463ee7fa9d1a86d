"""What other projects publish, fetched by pip when a test needs it: their tests, and packages that those import.

pip looks where it is configured to, and compares what it gets with the hashes that the registry names. Where no
registry can be reached, the test (or the module, at import) is skipped; any other failure is one of the test.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

import pytest

CACHE = Path(__file__).parents[2] / ".pytest_cache" / "d" / "upstream"
NO_REGISTRY = ("after connection broken by", "No module named pip", "Temporary failure in name resolution")
TAKES_AT_MOST = 240
_unreachable: list[str] = []  # why; every test of a process asks once and then no more


def sdist(name: str, version: str) -> Path:
    """Return the unpacked source distribution of a package."""
    folder = f"{name.replace('-', '_')}-{version}"

    def fetch(scratch: Path) -> Path:
        _pip("download", "--no-deps", "--no-binary", name, f"{name}=={version}", "--dest", str(scratch))
        (archive,) = scratch.glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(scratch, filter="data")
        return scratch / folder

    return _kept(folder, fetch)


def copied(name: str, version: str, part: str, target: Path) -> Path:
    """Copy a part of a source distribution to where a test may add files, and return ``target``."""
    return shutil.copytree(sdist(name, version) / part, target)


def installed(*requirements: str) -> Path:
    """Return a folder for PYTHONPATH with packages that are not in the environment; what they need must be there."""

    def fetch(scratch: Path) -> Path:
        _pip("install", "--no-deps", "--target", str(scratch / "packages"), *requirements)
        return scratch / "packages"

    return _kept("installed-" + "+".join(requirements), fetch)


def _kept(name: str, fetch: Callable[[Path], Path]) -> Path:
    """Return a folder that is fetched once, by whichever process is first to finish it."""
    kept = CACHE / name
    if not kept.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=CACHE) as scratch:
            fetched = fetch(Path(scratch))
            try:
                os.replace(fetched, kept)
            except OSError:
                if not kept.exists():
                    raise
    return kept


def _pip(*arguments: str) -> None:
    if _unreachable:
        _skip(arguments)
    options = ("--quiet", "--disable-pip-version-check", "--retries", "1", "--timeout", "20")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip", *arguments, *options],
            capture_output=True, text=True, timeout=TAKES_AT_MOST, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        _unreachable.append("too slow")
        _skip(arguments)
    if done.returncode and any(sign in done.stderr for sign in NO_REGISTRY):
        _unreachable.append("no answer")
        _skip(arguments)
    if "No matching distribution found" in done.stderr:  # a mirror that has wheels only, or some packages only
        _skip(arguments)
    assert done.returncode == 0, done.stderr


def _skip(arguments: Sequence[str]) -> NoReturn:
    pytest.skip(f"no registry that can be reached serves: pip {' '.join(arguments)}", allow_module_level=True)

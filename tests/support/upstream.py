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
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

CACHE = Path(__file__).parents[2] / ".pytest_cache" / "d" / "upstream"
NO_REGISTRY = ("after connection broken by", "No module named pip", "Temporary failure in name resolution")
TAKES_AT_MOST = 240


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
    command = [sys.executable, "-m", "pip", "--quiet", "--retries", "1", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TAKES_AT_MOST, check=False)
    if done.returncode and any(sign in done.stderr for sign in NO_REGISTRY):
        pytest.skip(f"the registry can't be reached for: pip {' '.join(arguments)}", allow_module_level=True)
    assert done.returncode == 0, done.stderr

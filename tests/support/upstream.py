"""The source distributions of other projects, for the tests that they ship."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

CACHE = Path(__file__).parents[2] / ".pytest_cache" / "d" / "sdists"
NO_REGISTRY = ("after connection broken by", "No module named pip", "Temporary failure in name resolution")
TAKES_AT_MOST = 240


def sdist(name: str, version: str) -> Path:
    """Return the unpacked source distribution of a package, fetched by pip on the first call.

    pip looks where it is configured to, and compares the file with the hash that the registry names. Where the
    registry can't be reached, the test (or the module, at import) is skipped; any other failure is one of the test.
    """
    folder = f"{name.replace('-', '_')}-{version}"
    kept = CACHE / folder
    if not kept.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=CACHE) as scratch:
            archive = _download(name, version, Path(scratch))
            with tarfile.open(archive) as packed:
                packed.extractall(scratch, filter="data")
            try:
                os.replace(Path(scratch) / folder, kept)
            except OSError:
                assert kept.exists(), f"{archive.name} holds no folder {folder}"  # or another process was quicker
    return kept


def copied(name: str, version: str, part: str, target: Path) -> Path:
    """Copy a part of a source distribution to where a test may add files, and return ``target``."""
    return shutil.copytree(sdist(name, version) / part, target)


def _download(name: str, version: str, target: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", name, f"{name}=={version}"]
    options = ["--quiet", "--retries", "1", "--disable-pip-version-check", "--dest", str(target)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=TAKES_AT_MOST, check=False)
    if done.returncode and any(sign in done.stderr for sign in NO_REGISTRY):
        pytest.skip(f"the registry can't be reached for {name} {version}", allow_module_level=True)
    assert done.returncode == 0, done.stderr
    (archive,) = target.glob("*.tar.gz")
    return archive

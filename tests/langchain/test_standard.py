"""LangChain's standard tests of retrievers and tools pass with ours, all of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from upstream import sdist

pytestmark = pytest.mark.any_index

ROOT = Path(__file__).parents[2]
STANDARD = "1.1.9"


def test_langchains_standard_tests_pass(tmp_path: Path) -> None:
    suite = sdist("langchain-tests", STANDARD)  # its requirements are for tests of other things
    cases = tmp_path / "test_cases.py"
    cases.write_text((ROOT / "tests" / "support" / "standard_cases.py").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n", encoding="utf-8")
    paths = [str(suite), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cases],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (passed,) = re.findall(r"(\d+) passed", done.stdout)
    assert int(passed) == 49  # retriever 4, tools 4 x (5 + 4), and one for each class that overrides nothing
    assert not re.search(r"\d+ (skipped|failed|error|xfailed)", done.stdout)

"""Links between the pages lead somewhere, and the site loads nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.any_index

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?)\s*#*$", re.M)
FENCED = re.compile(r"^```.*?^```", re.S | re.M)
# What a page would load by itself, unlike a link that somebody clicks.
LOADED = re.compile(r"""<(?:script|img|iframe|source|audio|video)\b[^>]*\bsrc=["']?(?:https?:)?//[^"'> ]+""")
STYLES = re.compile(r"""<link\b(?=[^>]*\brel=["']?(?:stylesheet|preconnect|preload))[^>]*\bhref=["']?(?:https?:)?//""")


def anchors(text: str) -> set[str]:
    """Return the anchors that the headings of a page make."""
    titles = (re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", title) for title in HEADING.findall(FENCED.sub("", text)))
    return {re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", title.lower()).strip()) for title in titles}


def links() -> list[tuple[Path, str]]:
    """Return every link of every page that leads into the project."""
    found = [(page, target) for page in PAGES for target in LINK.findall(FENCED.sub("", page.read_text("utf-8")))]
    return [(page, target) for page, target in found if "://" not in target and not target.startswith("mailto:")]


def broken(page: Path, target: str) -> bool:
    """Tell whether a link of a page leads nowhere."""
    path, _, anchor = target.partition("#")
    place = (page.parent / path).resolve() if path else page
    if not place.exists() or ROOT not in place.parents:
        return True
    return bool(anchor) and anchor not in anchors(place.read_text(encoding="utf-8"))


def test_internal_links_resolve() -> None:
    assert len(links()) > 20
    assert [f"{page.relative_to(ROOT)}: {target}" for page, target in links() if broken(page, target)] == []


@pytest.mark.parametrize("target", ["docs/nowhere.md", "#nowhere", "docs/concepts.md#nowhere", "../outside.md"])
def test_a_broken_link_would_be_found(target: str) -> None:
    assert broken(ROOT / "README.md", target)


def test_no_link_leads_to_an_unencrypted_page() -> None:
    assert [p.name for p in PAGES if "](http://" in p.read_text(encoding="utf-8")] == []


def test_the_site_builds_without_warnings_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    # not --quiet: it would hide warnings from --strict too
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # the theme advertises its successor
    built = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True, timeout=240, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    assert "WARNING" not in built.stdout + built.stderr
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 10
    texts = {page.name: page.read_text(encoding="utf-8") for page in pages}
    assert [name for name, text in texts.items() if LOADED.search(text) or STYLES.search(text)] == []
    reference = (tmp_path / "site" / "reference" / "index.html").read_text(encoding="utf-8")
    assert all(f'id="automem_agents.{name}"' in reference for name in ("MemoryController", "Trajectory", "Settings"))

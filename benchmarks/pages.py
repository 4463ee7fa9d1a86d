"""Putting measured tables into a page."""

from __future__ import annotations


def put_between(page: str, text: str, start: str, end: str) -> str:
    """Replace what stands between two marks.

    Raises:
        SystemExit: if they aren't there.
    """
    head, found, rest = page.partition(start)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"the page has no {start} … {end}")
    return f"{head}{start}\n{text}{end}{tail}"

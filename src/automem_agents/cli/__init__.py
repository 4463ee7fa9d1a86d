"""The command line."""

from __future__ import annotations


def main() -> None:
    """Run ``automem-agents``."""
    from automem_agents.cli.app import app

    app()

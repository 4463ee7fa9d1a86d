"""An agent whose memory's folder becomes read-only: ``python read_only_agent.py FOLDER``; 77 if that can't be made.

A process of its own, because an administrator's has to give up its right to write everywhere, and for good.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

from langchain.agents import create_agent

from automem_agents import MemoryController
from automem_agents.errors import StoreUnavailable
from automem_agents.testing import HashEmbedder
from automem_agents_langchain import AutoMemMiddleware
from automem_agents_langchain.testing import ScriptedChatModel

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1


def give_up_rights() -> None:
    """Start again without the capability, if this process has it."""
    with suppress(OSError, AttributeError):  # no Linux: the check that the folder is read-only decides
        if ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0) == 0:
            os.execv(sys.executable, [sys.executable, *sys.argv, "again"])


def set_modes(folder: Path, directory: int, file: int) -> None:
    for path in [*folder.rglob("*"), folder]:
        path.chmod(directory if path.is_dir() else file)


def opened(folder: Path) -> MemoryController:
    return MemoryController.open(folder, embedder=HashEmbedder(), user_id="ada")


def main(folder: Path) -> None:
    memory = opened(folder)
    model = ScriptedChatModel(script=["Hello.", "Hello again."])
    agent = create_agent(model, middleware=[AutoMemMiddleware(memory)])
    set_modes(folder, 0o500, 0o400)
    try:
        if os.access(folder, os.W_OK):
            sys.exit(77)
        said = [agent.invoke({"messages": [("user", f"My locker is number {n}")]}) for n in (1, 2)]
        memory.close()
        try:
            opened(folder).close()
            again = "opened"
        except StoreUnavailable as error:
            again = f"StoreUnavailable: {error}"
    finally:
        set_modes(folder, 0o700, 0o600)
    print(json.dumps({"answers": [state["messages"][-1].text for state in said], "opened again": again}))


if __name__ == "__main__":
    if len(sys.argv) == 2:
        give_up_rights()
    main(Path(sys.argv[1]))

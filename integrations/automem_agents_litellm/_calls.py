"""Calls that memory has seen already, so that the collector doesn't hand them over again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from automem_agents.adapters import ForkSafeLock

_ID = "litellm_call_id"


class OwnCalls:
    """The ids of the newest calls that go through this package, at most ``limit``."""

    def __init__(self, limit: int = 65_536) -> None:
        self._limit = limit
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._lock = ForkSafeLock()

    def marked(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call with an id that is remembered."""
        call_id = arguments.get(_ID) or str(uuid4())
        with self._lock:
            self._ids[str(call_id)] = None
            while len(self._ids) > self._limit:
                self._ids.popitem(last=False)
        return {**arguments, _ID: call_id}

    def __contains__(self, call_id: object) -> bool:
        return call_id in self._ids


OWN = OwnCalls()

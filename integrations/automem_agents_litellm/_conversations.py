"""Conversations that have no session: each call sends all that was said, by which they are known again."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from automem_agents import Namespace, Trajectory
from automem_agents.adapters import ForkSafeLock
from automem_agents_litellm._messages import newest_turn, role_of, text_of

Key = tuple[int, bytes]


class Conversations:
    """The runs of conversations, at most ``limit``: of those unseen for longest, the next call begins a new run."""

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._runs: OrderedDict[Key, str] = OrderedDict()
        self._lock = ForkSafeLock()

    def run_of(self, namespace: Namespace, messages: Sequence[Mapping[str, Any]]) -> str | None:
        """Return the run that messages go on with; None if they begin a conversation, or one that isn't known."""
        before = messages[: len(messages) - len(newest_turn(messages))]
        with self._lock:
            return self._runs.get(_key(namespace, before))

    def note(self, trajectory: Trajectory, messages: Sequence[Mapping[str, Any]], answer: str) -> None:
        """Note what a run has come to: the messages that the model was sent, and its answer."""
        key = _key(trajectory.namespace, [*messages, {"role": "assistant", "content": answer}])
        with self._lock:
            self._runs[key] = trajectory.run_id
            self._runs.move_to_end(key)
            if len(self._runs) > self._limit:
                self._runs.popitem(last=False)


def _key(namespace: Namespace, messages: Sequence[Mapping[str, Any]]) -> Key:
    """Return a digest of what the user and the model said; instructions may have the time in them."""
    said = [[role_of(m), text_of(m).strip()] for m in messages if role_of(m) in ("user", "assistant")]
    spoken = json.dumps([one for one in said if one[1]]).encode()
    return namespace.key, blake2b(spoken, digest_size=16).digest()

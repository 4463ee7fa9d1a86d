"""Feedback modes: what the memory is told after a question."""

from __future__ import annotations

from dataclasses import dataclass

from automem_agents.bench.learning.agents import AGENTS
from automem_agents.errors import InvalidInput

PLAIN = ("none", *AGENTS, "score", "citations", "permuted")
WITH_RATE = ("noisy", "false")
MODES = (*PLAIN, *(f"{kind}:P" for kind in WITH_RATE))


@dataclass(frozen=True)
class Mode:
    """A kind of feedback.

    Attributes:
        kind: ``none``; ``implicit``, ``implicit-hard`` and ``extractive`` are texts of a simulated agent and user;
            ``score``, ``citations``, ``permuted``, ``noisy`` and ``false`` are given explicitly.
        rate: of ``noisy`` the share of labels flipped, of ``false`` that of questions with a false citation, 0 to 1.
    """

    kind: str
    rate: float = 0.0

    @property
    def name(self) -> str:
        """As it is written: ``citations``, ``noisy:0.1``."""
        return f"{self.kind}:{self.rate:g}" if self.kind in WITH_RATE else self.kind

    @property
    def speaks(self) -> bool:
        """Whether a simulated agent answers, for which every question needs an answer."""
        return self.kind in AGENTS

    @classmethod
    def parse(cls, text: str) -> Mode:
        """Read a mode as it is written.

        Raises:
            InvalidInput: if there is no such mode, or its rate isn't from 0 to 1.

        Examples:
            >>> Mode.parse("noisy:0.1")
            Mode(kind='noisy', rate=0.1)
        """
        kind, colon, rate = text.partition(":")
        if (kind in PLAIN and not colon) or (kind in WITH_RATE and colon):
            try:
                mode = cls(kind, float(rate or 0))
            except ValueError:
                raise InvalidInput(f"the rate of {text!r} must be a number from 0 to 1") from None
            if 0 <= mode.rate <= 1:
                return mode
            raise InvalidInput(f"the rate of {text!r} must be a number from 0 to 1")
        raise InvalidInput(f"unknown mode {text!r}; there are {', '.join(MODES)}")

"""A simulated user, who knows the right answer and asks once more when the agent missed it, but not always."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

_AFTER_WRONG = (
    "{question}",
    "Let me ask again: {question}",
    "No, that's not right. {question}",
    "That's not what I asked. {question}",
)
_AFTER_RIGHT = ("{question}", "Sorry, once more: {question}")


@dataclass(frozen=True)
class User:
    """Asks again, at most once a question.

    Args:
        after_wrong: probability after a wrong answer or a refusal.
        after_right: probability after a right one.
    """

    after_wrong: float = 0.5
    after_right: float = 0.1

    def again(self, question: str, right: bool, luck: Random) -> str | None:
        """Return the next message if it asks the same again; None if the user goes on.

        Examples:
            >>> User(after_wrong=1).again("Where is Pepper?", right=False, luck=Random(3))
            'Let me ask again: Where is Pepper?'
        """
        if luck.random() >= (self.after_right if right else self.after_wrong):
            return None
        return luck.choice(_AFTER_RIGHT if right else _AFTER_WRONG).format(question=question)

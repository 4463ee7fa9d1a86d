"""The conversation that ``automem-agents demo`` tells: made up, three sessions, a woman and her assistant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Line:
    """One turn: who says what, and the fact it states, if the agent names one."""

    speaker: str
    text: str
    key: str | None = None

    @property
    def role(self) -> str:
        """The role in the chat."""
        return "assistant" if self.speaker == "assistant" else "user"


@dataclass(frozen=True)
class Session:
    """Turns of one day."""

    day: datetime
    lines: tuple[Line, ...]


USER = "noor"
SESSIONS = (
    Session(
        datetime(2025, 3, 3, 9, tzinfo=UTC),
        (
            Line("Noor", "Hi there, good morning!"),
            Line("Noor", "I'm allergic to peanuts, and so is my son Elias."),
            Line("assistant", "Understood: I'll leave peanuts out of every recipe for you and Elias."),
            Line("Noor", "We live in Utrecht, in a flat above a bakery on the Oudegracht.", key="home"),
        ),
    ),
    Session(
        datetime(2025, 4, 17, 18, tzinfo=UTC),
        (
            Line("Noor", "My sister Hana visits us from Osaka on 9 May. She hasn't eaten meat for years."),
            Line("Noor", "I'm allergic to peanuts and so is my son Elias!"),
            Line("Noor", "I cycle to my shifts at the hospital three days a week, 11 km each way."),
        ),
    ),
    Session(
        datetime(2025, 6, 2, 20, tzinfo=UTC),
        (
            Line("Noor", "We moved to Leiden last weekend, to a house close to the station.", key="home"),
            Line("assistant", "Congratulations! From Leiden station it is 35 minutes by train to the hospital."),
            Line("Noor", "Ok, great, thanks!"),
        ),
    ),
)
DINNER = "What should I cook for Hana and Elias?"
HOME = "Where does Noor live now?"

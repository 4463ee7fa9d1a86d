"""Made-up conversations for the benchmark of learning: each has some facts, chatter, and a question on every fact."""

from __future__ import annotations

from automem_agents.bench.dataset import Conversation

_FACTS = (
    ("Mira", "I bought a {0} canoe at the market in Tromso.", "What did Mira buy at the market?", "a {0} canoe"),
    ("Tom", "My cousin {1} repairs violins in a cellar.", "Who repairs violins?", "{1}"),
    ("Mira", "We planted {2} apple trees behind the barn.", "How many trees stand behind the barn?", "{2}"),
    ("Tom", "The ferry to the island leaves at {3} sharp.", "When does the ferry leave?", "at {3}"),
    ("Mira", "My password hint is the {4} lighthouse.", "What is the hint of Mira's password?", "the {4} lighthouse"),
    ("Tom", "I am afraid of {5}, ever since the picnic.", "What is Tom afraid of?", "{5}"),
)
_CHATTER = "The weather was lovely, and we talked for hours about the market, the barn and the old ferry."
_VALUES = (
    ("red", "Ottilie", "17", "6.40", "Skerry", "wasps"),
    ("teal", "Casimir", "23", "7.15", "Halfway", "geese"),
    ("ochre", "Perpetua", "31", "8.05", "Northern", "thunder"),
)


def talk(number: int, source: str = "chats") -> Conversation:
    """Return conversation ``number`` of a source."""
    values = _VALUES[number % len(_VALUES)]
    turns, questions = [], []
    for i, (speaker, text, question, answer) in enumerate(_FACTS):
        turns.append({"id": f"f{i}", "speaker": speaker, "text": text.format(*values)})
        turns.append({"id": f"c{i}", "speaker": "Tom", "text": f"{_CHATTER} That was day {i}."})
        asked = {"question": question, "answer": answer.format(*values), "evidence": [f"f{i}"]}
        questions.append({"id": f"{source}-{number}/q{i}", **asked})
    if source == "logs":
        for turn in turns[1::2]:
            turn["role"], turn["speaker"] = "assistant", "assistant"
    sessions = [{"id": "S1", "date": "3 March 2024", "turns": turns}]
    return Conversation.model_validate(
        {"id": f"{source}-{number}", "source": source, "sessions": sessions, "questions": questions}
    )

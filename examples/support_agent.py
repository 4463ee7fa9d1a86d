"""A support agent with a memory, in two runs. The agent is a script, not a model: python examples/support_agent.py.

The first run learns what the customer has. Before the second run, the customer moves and buys another device. The second
run recalls it, and the customer's thanks become feedback on the recall.
"""

from __future__ import annotations

from dataclasses import dataclass
from tempfile import TemporaryDirectory

from automem_agents import MemoryController, Recall, Trajectory


@dataclass(frozen=True)
class Line:
    """What the customer says; ``key`` names the fact it states, which a real agent might take from a form."""

    text: str
    key: str | None = None


FIRST_CALL = (
    Line("Hello!"),
    Line("My router is a Borealis 300.", key="router"),
    Line("The parcel should go to 12 Harbour Street in Bergen.", key="address"),
    Line("Please never call before noon, I work at night."),
)
IN_BETWEEN = (
    Line("I have bought a Borealis 700, the old router is gone.", key="router"),
    Line("I have moved to 5 Mill Lane in Oslo.", key="address"),
)
SECOND_CALL = (
    Line("Which router is it that I have?"),
    Line("When may you call me, as I work at night?"),
)


def answer(question: str, recall: Recall) -> str:
    """Answer as a model would that reads the recalled text: quote the best note, and cite it."""
    if not recall.hits:
        return "I have no note on that."
    best = recall.hits[0]
    return f"You told us: {best.record.text} [{best.ref}]"


def listen(run: Trajectory, lines: tuple[Line, ...]) -> None:
    """Take down what the customer says."""
    for line in lines:
        receipt = run.observe({"role": "user", "content": line.text, "key": line.key})
        for decision in receipt.decisions:
            print(f"  {decision.action:<6} {line.text}")


def serve(run: Trajectory, memory: MemoryController, lines: tuple[Line, ...]) -> None:
    """Answer questions with what memory recalls; a helpful answer is good feedback for the recall."""
    for line in lines:
        recall = run.recall(line.text, max_tokens=60)
        reply = answer(line.text, recall)
        print(f"  customer: {line.text}\n  agent:    {reply}  ({recall.tokens} tokens)")
        run.observe([{"role": "user", "content": line.text}, {"role": "assistant", "content": reply}])
        if recall.hits:
            memory.feedback(recall.token, "POSITIVE", cited=[recall.hits[0].ref])


def main() -> None:
    with TemporaryDirectory() as folder, MemoryController.open(folder, app="support") as memory:
        with memory.trajectory(user_id="kari", session="first call") as run:
            print("First call")
            listen(run, FIRST_CALL)
        with memory.trajectory(user_id="kari", session="web form") as run:
            print("In between")
            listen(run, IN_BETWEEN)
        with memory.trajectory(user_id="kari", session="second call") as run:
            print("Second call")
            serve(run, memory, SECOND_CALL)
            run.feedback(1.0)  # the call went well

        print("What is known of the address")
        (address,) = [r for r in memory.records(user_id="kari") if r.key == "address"]
        for version in memory.history(address.id, user_id="kari"):
            print(f"  {version.state:<10} {version.text}")
        print("Feedback on record:", memory.health().feedback)


if __name__ == "__main__":
    main()

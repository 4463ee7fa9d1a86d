"""Store, recall within a budget, change a fact, and ask why. Runs offline: python examples/quickstart.py."""

from __future__ import annotations

from tempfile import TemporaryDirectory

from automem_agents import MemoryController


def main() -> None:
    with TemporaryDirectory() as folder, MemoryController.open(folder, user_id="ada") as memory:
        # WRITE: memory decides what of each turn to keep.
        for text in ("Hi, how are you?", "I am allergic to cashews", "My brother Tomas plays the cello"):
            receipt = memory.observe({"role": "user", "content": text})
            for decision in receipt.decisions:
                print(f"{decision.action:<5} {text}  ({decision.reason})")

        # READ: a text for the prompt, never dearer than the budget.
        recall = memory.recall("Which allergies must the cook know?", max_tokens=40)
        print(f"\n{recall.text}\n{recall.tokens} of 40 tokens\n")
        print(memory.explain(recall.token))

        # A fact that changes: the new statement supersedes the old one, which stays in the history.
        memory.add("I live in Rome", key="home")
        memory.add("I live in Lisbon", key="home")
        (home,) = [record for record in memory.records() if record.key == "home"]
        print()
        for version in memory.history(home.id):
            print(f"{version.state:<10} {version.text}")

        # Taking back, and taking away for good.
        forgotten = memory.forget(home.id)
        memory.undo(forgotten.id)
        print(f"\n{len(memory.records())} live records; erased {memory.erase()} with their history")


if __name__ == "__main__":
    main()

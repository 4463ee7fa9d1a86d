"""A chat with a memory by LiteLLM: python examples/litellm_loop.py, or with a model: ... --model gpt-4o-mini.

Without --model nothing is called: the answers are written below. The first session learns, the second one knows.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from typing import Any

from automem_agents import MemoryController
from automem_agents_litellm import AutoMemClient, LiteLLMExtractor, Spending, token_of

FIRST = ("I am allergic to cashews.", "My daughter Mira turns nine on 14 June.")
SECOND = ("Which nuts am I allergic to?", "When is my daughter's birthday?")
WRITTEN = {
    FIRST[0]: "Noted: no cashews.",
    FIRST[1]: "A birthday on 14 June, how nice.",
    SECOND[0]: "You are allergic to cashews.",
    SECOND[1]: "Mira's birthday is on 14 June.",
}


def chat(
    client: AutoMemClient, model: str, session: str, lines: tuple[str, ...], is_real: bool
) -> Iterator[str | None]:
    """Talk, with answers as streams; yield the token of each recall."""
    print(session)
    messages: list[dict[str, str]] = [{"role": "system", "content": "Answer in one short sentence."}]
    for line in lines:
        messages.append({"role": "user", "content": line})
        written: dict[str, Any] = {} if is_real else {"mock_response": WRITTEN[line]}
        stream = client.completion(model, messages, session=session, stream=True, **written)
        answer = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        messages.append({"role": "assistant", "content": answer})
        print(f"  you:   {line}\n  model: {answer}")
        yield token_of(stream)


def take_notes(memory: MemoryController, model: str, line: str, is_real: bool) -> None:
    """Let a model extract the facts of a turn, for those who want to pay for it."""
    stated = {"facts": [{"fact": "Kari works nights at the bakery", "key": "kari.work", "message": 0}]}
    stated["facts"].append({"fact": "Kari owns a restaurant", "key": "kari.work", "message": 0})  # nobody said so
    written: dict[str, Any] = {} if is_real else {"mock_response": json.dumps(stated)}
    extractor = LiteLLMExtractor(model, Spending(max_cost_per_run=0.05), **written)
    found = extractor.extract([{"role": "user", "name": "Kari", "content": line}])
    memory.observe(found.messages())
    print("Notes")
    for fact in found.facts:
        print(f"  kept:    {fact.text} ({fact.key})")
    for text, why in found.dropped:
        print(f"  dropped: {text} ({why})")
    print(f"  cost:    {found.cost.input_tokens + found.cost.output_tokens} tokens")


def main() -> None:
    logging.getLogger("LiteLLM").setLevel(logging.WARNING)  # it tells of every call
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="as LiteLLM names it; its key comes from the environment")
    name = parser.parse_known_args()[0].model
    model, is_real = name or "gpt-4o-mini", name is not None
    with TemporaryDirectory() as folder, MemoryController.open(folder, user_id="kari") as memory:
        client = AutoMemClient(memory, recall_tokens=200)
        list(chat(client, model, "First session", FIRST, is_real))
        for token in chat(client, model, "Second session", SECOND, is_real):
            if token is not None:
                memory.feedback(token, "POSITIVE")  # you liked the answer
                print(f"         (with {len(memory.explain(token).decision.records)} memories)")
        take_notes(memory, model, "I work nights at the bakery, call me after noon.", is_real)


if __name__ == "__main__":
    main()

"""How well attribution finds the records that an answer used, and how often signals are seen where there are none.

The annotated answer of each question stands for what an agent said, the annotated evidence for what it used; shown is
what ``recall`` returns within 500 tokens from whole turns. Prints figures only.

python benchmarks/attribution.py talks.jsonl --chosen-on talk-1,talk-2
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import log1p
from pathlib import Path
from tempfile import TemporaryDirectory

from automem_agents.bench.dataset import Conversation, load
from automem_agents.bench.systems import WholeTurns
from automem_agents.embedders import WordLlamaEmbedder
from automem_agents.learning.attribution import attribute
from automem_agents.learning.overlap import Rarity
from automem_agents.learning.signals import asks_again, corrects
from automem_agents.text.render import record_text
from automem_agents.text.terms import terms

BUDGET = 500


@dataclass(frozen=True)
class Asked:
    """A question with its annotated answer; ``gold`` says which of the records shown are evidence."""

    query: str
    answer: str
    records: tuple[str, ...]
    gold: tuple[bool, ...]
    rarity: Rarity


Rule = Callable[[Asked], Sequence[int]]


@dataclass
class Tally:
    """What a rule credited."""

    credited: int = 0
    right: int = 0
    gold: int = 0
    without: int = 0
    credited_without: int = 0
    seconds: list[float] = field(default_factory=list)

    def add(self, asked: Asked, rule: Rule) -> None:
        began = time.perf_counter()
        used = rule(asked)
        self.seconds.append(time.perf_counter() - began)
        self.credited += len(used)
        self.right += sum(asked.gold[position] for position in used)
        self.gold += sum(asked.gold)
        if not any(asked.gold):
            self.without += 1
            self.credited_without += bool(used)

    def row(self) -> str:
        precision, recall = self.right / max(1, self.credited), self.right / max(1, self.gold)
        idle = self.credited_without / max(1, self.without)
        median = sorted(self.seconds)[len(self.seconds) // 2] * 1000
        return (
            f"{len(self.seconds)} | {precision:.3f} ({self.right} of {self.credited}) | {recall:.3f} ({self.gold} shown) "
            f"| {idle:.3f} ({self.credited_without} of {self.without}) | {median:.2f}"
        )


def attributed(asked: Asked) -> list[int]:
    uses = attribute(asked.answer, asked.query, asked.records, asked.rarity)
    return [use.position for use in uses]


def crude(asked: Asked) -> list[int]:
    """A record that has half of the answer's words beyond the query's."""
    words = set(terms(asked.answer)) - set(terms(asked.query))
    shared = [len(words & set(terms(record))) for record in asked.records]
    return [position for position, count in enumerate(shared) if count and count >= 0.5 * len(words)]


RULES: dict[str, Rule] = {"crude overlap": crude, "attribution": attributed}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--chosen-on", default="", help="ids of the conversations on which constants were chosen")
    chosen = parser.parse_args()
    conversations = load(chosen.files)
    groups: dict[str, list[Conversation]] = defaultdict(list)
    for conversation in conversations:
        own = conversation.id in chosen.chosen_on.split(",")
        groups[f"{conversation.source}{' (chosen on)' if own else ''}"].append(conversation)
    sys.stdout.write("\n".join([*_uses(groups), "", *_alarms(groups)]) + "\n")


def _uses(groups: dict[str, list[Conversation]]) -> Iterator[str]:
    yield "| source | rule | questions | precision | recall | credited where no evidence was shown | ms, median |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    for group, conversations in groups.items():
        asked = [one for conversation in conversations for one in _asked(conversation)]
        for name, rule in RULES.items():
            tally = Tally()
            for one in asked:
                tally.add(one, rule)
            yield f"| {group} | {name} | {tally.row()} |"


def _alarms(groups: dict[str, list[Conversation]]) -> Iterator[str]:
    """All questions differ, and few turns correct the one before: what is seen here is mostly false."""
    yield "| source | pairs of questions | asked again | replies of users | corrections |"
    yield "|---|---:|---:|---:|---:|"
    for group, conversations in groups.items():
        pairs = again = replies = corrections = 0
        for conversation in conversations:
            rarity = _rarity(conversation)
            questions = [question.question for question in conversation.questions]
            found = [asks_again(one, other, rarity) for one, other in itertools.combinations(questions, 2)]
            pairs, again = pairs + len(found), again + sum(found)
            for session in conversation.sessions:
                for turn, reply in itertools.pairwise(session.turns):
                    if reply.role == "user" and turn.speaker != reply.speaker:
                        replies, corrections = replies + 1, corrections + corrects(turn.text, reply.text)
        yield f"| {group} | {pairs} | {again} | {replies} | {corrections} |"


def _asked(conversation: Conversation) -> Iterator[Asked]:
    rarity = _rarity(conversation)
    with TemporaryDirectory(prefix="automem-bench-", ignore_cleanup_errors=True) as folder:
        system = WholeTurns(Path(folder), {}, WordLlamaEmbedder(), costs={})
        system.read(conversation)
        for question in conversation.scored:
            if question.answer is None:
                continue
            hits = system.memory.recall(question.question, max_tokens=BUDGET, user_id=conversation.id).hits
            records = [record_text(h.record.speaker, h.record.date_text or "", h.record.text) for h in hits]
            gold = tuple(hit.record.turn_id in question.evidence for hit in hits)
            yield Asked(question.question, str(question.answer), tuple(records), gold, rarity)
        system.close()


def _rarity(conversation: Conversation) -> Rarity:
    total = len(conversation.rendered)
    holding = Counter(term for text in conversation.rendered for term in set(terms(text)))
    return lambda term: log1p((total - holding[term] + 0.5) / (holding[term] + 0.5))


if __name__ == "__main__":
    main()

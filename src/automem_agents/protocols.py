"""The interfaces: what can be exchanged without touching the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from automem_agents.types import Action, Decision, Namespace

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors.

    Attributes:
        name: identifies the vector space; a store refuses another one.
        dimension: length of a vector.
    """

    @property
    def name(self) -> str:
        """Name of the vector space."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    def embed(self, texts: Sequence[str]) -> Floats:
        """Return an array (len(texts), dimension); it need not be normalised."""
        ...


@runtime_checkable
class TokenCounter(Protocol):
    """Counts what a text costs in a prompt.

    One that also has a true ``lines_add_up`` says that the cost of a text is the sum of the costs of its lines, where
    each begins with something other than white space; then a recall needn't be counted as a whole.
    """

    @property
    def name(self) -> str:
        """Name of the vocabulary, as the store remembers it."""
        ...

    def count(self, text: str) -> int:
        """Return the tokens of a text; 0 for an empty one."""
        ...


class VectorIndex(Protocol):
    """Nearest neighbours among the live records of one namespace, by cosine. Holds no text."""

    def upsert(self, seqs: Sequence[int], vectors: Floats) -> None:
        """Add or replace unit vectors (len(seqs), dimension)."""
        ...

    def remove(self, seqs: Sequence[int]) -> None:
        """Drop vectors; unknown seqs are passed over."""
        ...

    def search(self, vector: Floats, k: int) -> Ints:
        """Return the seqs of at most ``k`` nearest records, best first."""
        ...

    def __len__(self) -> int:
        """Return how many vectors there are."""
        ...


class ValueModel(Protocol):
    """Predicts the value of an action from its features; each row by itself, so that their order doesn't matter."""

    @property
    def name(self) -> str:
        """Name of the family."""
        ...

    @property
    def version(self) -> int:
        """Version of the parameters."""
        ...

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the d columns it was made for."""
        ...

    def predict(self, features: NDArray[Any]) -> NDArray[np.float64]:
        """Map features (n, d) to values (n,)."""
        ...


class SavableValueModel(ValueModel, Protocol):
    """A value model that can be kept as bytes."""

    def save(self) -> bytes:
        """Return it as bytes that ``load`` takes."""
        ...

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Return what was saved, with the same predictions to the last bit, or raise ModelError."""
        ...


class OnlineValueModel(SavableValueModel, Protocol):
    """A value model that learns from one decision after the other."""

    def update(self, features: NDArray[Any], labels: NDArray[Any], weights: NDArray[Any]) -> None:
        """Learn from features (n, d) with labels (n,) from 0 to 1 and weights (n,)."""
        ...

    def clone(self) -> Self:
        """Return an equal one that learns on its own."""
        ...


@dataclass(frozen=True)
class ReadProblem:
    """What a policy knows when it chooses what to show.

    Attributes:
        names: the d feature names.
        features: (n, d), rounded to float16 before anything is scored, so that the log replays exactly.
        pack: maps an order of the n candidates to the positions that fit the budget.
        namespace: key of the namespace that is asked.
        may_explore: whether a near tie may be shown; not where somebody just looks.
    """

    names: tuple[str, ...]
    features: NDArray[np.float16]
    pack: Callable[[Ints], Ints]
    namespace: int = 0
    may_explore: bool = False


@dataclass(frozen=True)
class Outcome:
    """A set that a READ may show.

    Attributes:
        shown: the candidates, in the order they were packed.
        probability: of this set; those of all outcomes add up to 1.
        swap: the shown candidate and the one that takes its place in the ranking; None for the policy's own set.
    """

    shown: Ints
    probability: float
    swap: tuple[int, int] | None = None


@dataclass(frozen=True)
class Exploration:
    """How a READ was drawn.

    Attributes:
        outcomes: all sets that might have been shown, listed before the draw, the policy's own first.
        inclusion: (n,) the probability with which each candidate is shown.
        seed: what the draw was made from.
        draw: uniform in [0, 1); with ``outcomes`` it says what was shown.
        taken: the position of that outcome.
    """

    outcomes: tuple[Outcome, ...]
    inclusion: NDArray[np.float64]
    seed: int
    draw: float
    taken: int


@dataclass(frozen=True)
class ReadChoice:
    """Scores (n,), base order (n,), the shown candidates, how likely that set was, and what else might have been.

    ``policy`` names who chose, where that is another than the policy that was asked.
    """

    scores: NDArray[np.float64]
    order: Ints
    shown: Ints
    propensity: float = 1.0
    exploration: Exploration | None = None
    policy: str = ""


@dataclass(frozen=True)
class WriteProblem:
    """One candidate for storage: its features (d,), the actions the rules allow, and the key of its namespace."""

    names: tuple[str, ...]
    features: NDArray[np.float16]
    legal: tuple[Action, ...]
    namespace: int = 0


@dataclass(frozen=True)
class WriteChoice:
    """The action, one line that says why, its propensity, and what it was drawn from.

    ``policy`` names who chose, where that is another than the policy that was asked.
    """

    action: Action
    reason: str
    propensity: float = 1.0
    policy: str = ""
    seed: int | None = None
    draw: float | None = None


@dataclass(frozen=True)
class KeepProblem:
    """The live records of a namespace, when some have to go.

    Attributes:
        names: the d feature names.
        features: (n, d) of the records.
        namespace: its key.
        written: (n, w) what was seen of each when it was written; nan where that is no longer known, or None for all.
    """

    names: tuple[str, ...]
    features: NDArray[np.float16]
    namespace: int = 0
    written: NDArray[np.float16] | None = None


@dataclass(frozen=True)
class KeepChoice:
    """What each record is worth (n,); ``policy`` names who said so, where that is another than the one that was asked."""

    values: NDArray[np.float64]
    policy: str = ""


class Policy(Protocol):
    """Chooses among legal actions, and says how likely its choice was."""

    @property
    def name(self) -> str:
        """Name in the decision log."""
        ...

    @property
    def version(self) -> int:
        """Version in the decision log; raised with every change of behaviour."""
        ...

    @property
    def sees(self) -> str:
        """Names the feature set it wants for READ: ``read@1``, or ``read@2`` with what stands around each candidate.

        A policy that may do with less than it wants logged has ``decides_by(namespace, assistant_log)``, which names it.
        """
        ...

    def read(self, problem: ReadProblem) -> ReadChoice:
        """Choose what to show."""
        ...

    def write(self, problem: WriteProblem) -> WriteChoice:
        """Choose one of the legal actions."""
        ...

    def keep(self, problem: KeepProblem) -> KeepChoice:
        """Say what each record is worth; those worth least go first."""
        ...

    def weights(self, names: Sequence[str], features: NDArray[np.float16]) -> NDArray[np.float64]:
        """The share (n, d) each feature has in the score of each of n read candidates."""
        ...


class Summariser(Protocol):
    """Condenses several texts into one."""

    def summarise(self, texts: Sequence[str]) -> str:
        """Return one text that says what ``texts`` say."""
        ...


class KeyExtractor(Protocol):
    """Names the fact that a text states, so that a later statement supersedes it."""

    def key(self, text: str, speaker: str) -> str | None:
        """Return the key of the fact, or None if the text states none."""
        ...


class Scrubber(Protocol):
    """Removes from a text what must not be stored."""

    def scrub(self, text: str) -> str:
        """Return the text without it."""
        ...


class FeedbackSource(Protocol):
    """Judges a decision, e.g. by an LLM or a test run."""

    def score(self, namespace: Namespace, decision: Decision) -> float | None:
        """A score in [-1, 1], or None to abstain."""
        ...


class Clock(Protocol):
    """Tells the time: microseconds since 1970, UTC."""

    def now(self) -> int:
        """Return the time."""
        ...

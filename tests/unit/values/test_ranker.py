"""The ranker: it learns what no linear score can, harms nothing where there is nothing to learn, and runs without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from value_worlds import NAMES, interaction, nothing_more

from automem_agents.errors import InvalidInput, ModelError
from automem_agents.values import BayesianLogistic, BoostedRanker, Epoch, Network, RankingExample, TorchRanker, Training
from automem_agents.values.examples import split_groups
from automem_agents.values.saved import Saved

pytestmark = pytest.mark.any_index

QUICK = Training(members=2, epochs=40)


def hits(model: TorchRanker | BoostedRanker | BayesianLogistic, examples: list[RankingExample]) -> float:
    """Return the share of decisions in which the model puts something wanted first."""
    return float(np.mean([e.labels[np.argmax(model.predict(e.features))] > 0 for e in examples]))


def test_it_learns_what_depends_on_something_else() -> None:
    train, test = interaction(240), interaction(200, seed=1)
    ranker = TorchRanker.fit(train, NAMES, offset="fixed", training=QUICK)
    linear = BayesianLogistic(NAMES, [1.0, 0, 0, 0], 1.0)
    for example in train:
        linear.update(example.features, example.labels, np.ones(len(example.labels)))
    assert hits(ranker, test) > 0.75
    assert hits(ranker, test) > hits(linear, test) + 0.3
    assert hits(ranker, test) > hits(BoostedRanker.fit(train, NAMES), test) - 0.05


@pytest.mark.parametrize("seed", range(3))
def test_where_there_is_nothing_more_to_learn_the_fixed_order_stays(seed: int) -> None:
    """But for what chance gives: the loss on few held-out decisions is lower by luck, too."""
    ranker = TorchRanker.fit(nothing_more(160, seed), NAMES, offset="fixed", training=QUICK)
    rows = nothing_more(1, seed=5, candidates=200)[0].features
    assert np.corrcoef(ranker.predict(rows), rows[:, 0])[0, 1] > 0.9
    test = nothing_more(400, seed=9)
    fixed = float(np.mean([e.labels[np.argmax(e.features[:, 0])] for e in test]))
    assert hits(ranker, test) > fixed - 0.05


def test_untrained_it_ranks_as_the_offset_does() -> None:
    """A learning rate of almost nothing leaves the last layer almost zero, where it starts."""
    ranker = TorchRanker.fit(interaction(40), NAMES, offset="fixed", training=Training(epochs=1, learning_rate=1e-6))
    rows = interaction(1, seed=3, candidates=200)[0].features
    assert np.abs(ranker.correction(rows)).max() < 1e-3
    assert np.corrcoef(ranker.predict(rows), rows[:, 0])[0, 1] > 0.999999


def test_the_score_is_the_fixed_one_and_a_correction() -> None:
    ranker = TorchRanker.fit(interaction(40), NAMES, offset="fixed", training=QUICK)
    rows = interaction(1, seed=3, candidates=50)[0].features
    corrected = rows[:, 0] + ranker.correction(rows)
    assert np.array_equal(np.argsort(corrected), np.argsort(ranker.predict(rows)))
    assert ranker.offset == "fixed"
    with pytest.raises(InvalidInput, match="without an offset"):
        TorchRanker.fit(interaction(40), NAMES, training=Training(members=1, epochs=1)).correction(rows)


def test_the_same_seed_gives_the_same_bytes_and_touches_no_state_of_torch() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = TorchRanker.fit(interaction(40), NAMES, training=Training(members=2, epochs=3))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    assert TorchRanker.fit(interaction(40), NAMES, training=Training(members=2, epochs=3)).save() == first.save()
    other = TorchRanker.fit(interaction(40), NAMES, training=Training(members=2, epochs=3, seed=1))
    assert other.save() != first.save()


def test_numpy_computes_what_torch_trained() -> None:
    rng = np.random.default_rng(4)
    sizes = ((4, 32), (32, 16), (16, 1))
    layers = tuple((rng.normal(size=size), rng.normal(size=size[1])) for size in sizes)
    network = Network(rng.normal(size=4), np.ones(4), layers, 1.0)
    rows = rng.normal(size=(30, 4))
    hidden = torch.from_numpy(rows - network.mean)
    for number, (weights, biases) in enumerate(layers):
        hidden = hidden @ torch.from_numpy(weights) + torch.from_numpy(biases)
        hidden = torch.relu(hidden) if number < 2 else hidden
    assert np.allclose(network(rows), hidden[:, 0].numpy(), rtol=1e-12)


def test_predicting_never_imports_torch(tmp_path: Path) -> None:
    path = tmp_path / "ranker.safetensors"
    path.write_bytes(TorchRanker.fit(interaction(20), NAMES, offset="fixed", training=Training(epochs=1)).save())
    code = f"""
import sys
import numpy as np
from pathlib import Path
from automem_agents.values import load_model
ranker = load_model(Path({str(path)!r}).read_bytes())
assert ranker.predict(np.ones((200, 4), np.float16)).shape == (200,)
print([name for name in ("torch", "sklearn", "safetensors") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_column_that_was_constant_in_training_is_passed_over() -> None:
    train = [RankingExample(e.features * np.array([1, 1, 1, 0]), e.labels, 1.0, e.group) for e in interaction(80)]
    ranker = TorchRanker.fit(train, NAMES, training=QUICK)
    rows = interaction(1, seed=2)[0].features
    changed = rows.copy()
    changed[:, 3] = 60_000
    assert np.array_equal(ranker.predict(rows), ranker.predict(changed))


def test_values_far_from_training_drive_no_network_further_than_ten_deviations() -> None:
    rng = np.random.default_rng(4)
    network = Network(np.ones(2), np.full(2, 0.5), ((rng.normal(size=(2, 1)), np.zeros(1)),), 1.0)
    far, edge = np.array([[65504.0, -65504.0]]), np.array([[1 + 20.0, 1 - 20.0]])
    assert network(far) == network(edge) != network(edge * 0.9)


def test_groups_are_never_split() -> None:
    parts = split_groups(interaction(40), 5, seed=0)
    assert len(parts) == 5
    assert sorted(group for part in parts for group in part) == [f"run-{i}" for i in range(8)]
    assert len(split_groups(interaction(2), 5, seed=0)) == 2


def test_the_groups_held_out_end_the_training() -> None:
    """The network that is kept has the lowest loss on them, and the untrained one is among those it is kept from."""
    seen: list[Epoch] = []
    training = Training(members=3, epochs=30, patience=3)
    TorchRanker.fit(nothing_more(80), NAMES, offset="fixed", training=training, progress=seen.append)
    for member in (1, 2, 3):
        epochs = [epoch for epoch in seen if epoch.member == member]
        assert [epoch.number for epoch in epochs] == list(range(1, len(epochs) + 1))
        assert len(epochs) < 30
        bests = [epoch.best for epoch in epochs]
        assert bests == sorted(bests, reverse=True)
        assert all(epoch.held_out >= epoch.best for epoch in epochs)
        assert len(set(bests[-3:])) == 1


def test_the_loss_does_not_depend_on_what_is_trained_side_by_side() -> None:
    """Decisions of other lengths share a batch: places without a candidate have no say."""
    examples = [example for count in (3, 40, 12) for example in interaction(16, seed=count, candidates=count)]
    losses = []
    for batch in (1, 48):
        seen: list[Epoch] = []
        training = Training(members=1, epochs=1, learning_rate=1e-6, batch=batch)
        TorchRanker.fit(examples, NAMES, offset="fixed", training=training, progress=seen.append)
        losses.append((seen[0].loss, seen[0].held_out))
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)


def test_what_progress_raises_ends_the_training() -> None:
    def stop(epoch: Epoch) -> None:
        raise KeyboardInterrupt

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyboardInterrupt):
            TorchRanker.fit(interaction(20), NAMES, progress=stop)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_decisions_that_teach_no_order_are_passed_over() -> None:
    good = interaction(40)
    rows = good[0].features
    idle = [
        RankingExample(rows, np.zeros(len(rows)), group="idle"),
        RankingExample(rows, np.ones(len(rows)), group="idle"),
        RankingExample(rows, good[0].labels, 0.0, "idle"),
        RankingExample(rows[:0], np.zeros(0), group="idle"),
    ]
    training = Training(members=1, epochs=2)
    with_idle = TorchRanker.fit([*idle, *good], NAMES, training=training)
    assert with_idle.save() == TorchRanker.fit(good, NAMES, training=training).save()
    with pytest.raises(InvalidInput, match="two groups"):
        TorchRanker.fit([*idle, *(RankingExample(e.features, e.labels, group="one") for e in good)], NAMES)


@pytest.mark.parametrize("fit", [TorchRanker.fit, BoostedRanker.fit])
def test_unusable_examples_are_refused(fit) -> None:
    rows, labels = np.ones((3, 4)), np.array([1.0, 0.0, 0.0])
    for unusable in (
        RankingExample(rows[:, :3], labels),
        RankingExample(np.full((3, 4), np.nan), labels),
        RankingExample(rows, labels[:2]),
        RankingExample(rows, -labels),
        RankingExample(rows, 2 * labels),
        RankingExample(rows, labels, -1.0),
        RankingExample(rows, labels, float("nan")),
    ):
        with pytest.raises(InvalidInput):
            fit([*interaction(4), unusable], NAMES)
    with pytest.raises(InvalidInput):
        fit([], NAMES)
    with pytest.raises(InvalidInput, match="offset"):
        TorchRanker.fit(interaction(4), NAMES, offset="nothing such")


@pytest.mark.parametrize(
    "wrong",
    [
        {"hidden": (0,)},
        {"members": 0},
        {"epochs": 1.5},
        {"batch": -1},
        {"learning_rate": 0.0},
        {"seed": -1},
        {"seed": 0.5},
    ],
)
def test_how_it_is_trained_is_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        Training(**wrong)


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"offset": None, "hidden": [], "scale": []},
        {"offset": "x", "hidden": [[32, 16]], "scale": [1.0]},
        {"offset": None, "hidden": [[32, 8]], "scale": [1.0]},
        {"offset": None, "hidden": [[32, 16]], "scale": ["x"]},
        {"offset": None, "hidden": [[32, 16]], "scale": [float("nan")]},
        {"offset": None, "hidden": [[32, 16]], "scale": [0.0]},
        {"offset": None, "hidden": [["x"]], "scale": [1.0]},
        {"offset": None, "hidden": 5, "scale": [1.0]},
    ],
)
def test_a_file_with_a_checksum_and_nonsense_is_refused(told: dict[str, object]) -> None:
    saved = Saved.from_bytes(TorchRanker.fit(interaction(8), NAMES, training=Training(members=1, epochs=1)).save())
    with pytest.raises(ModelError):
        TorchRanker.load(Saved(**{**vars(saved), "hyperparameters": told}).to_bytes())

"""The suite that every value model has to pass: derive from one of the classes, say how a model is made, run pytest."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automem_agents.errors import InvalidInput, ModelError
from automem_agents.protocols import OnlineValueModel, SavableValueModel, ValueModel
from automem_agents.values import ConstantValue

LARGEST = float(np.finfo(np.float16).max)
_TOLERANCE = 16_384  # bytes: what NumPy and the interpreter keep for themselves, far less than a row an update


class ValueModelConformance:
    """Tests of what every value model promises; pytest collects a class that derives from it.

    Examples:
        A class in a test file::

            class TestMyModel(ValueModelConformance):
                def model(self):
                    return MyModel(("lexical", "dense"))
    """

    def model(self) -> ValueModel:
        """Return a model that has learned something, an equal one with every call."""
        raise NotImplementedError

    def rows(self, count: int = 200) -> NDArray[np.float16]:
        """Return features (count, d) as a decision has them, the same with every call."""
        return np.random.default_rng(7).normal(size=(count, len(self.model().features))).astype(np.float16)

    def test_it_says_what_it_is(self) -> None:
        """Name, version, and different names of columns."""
        model = self.model()
        assert model.name
        assert isinstance(model.version, int)
        assert isinstance(model.features, tuple)
        assert len(set(model.features)) == len(model.features) > 0

    def test_one_finite_value_a_row(self) -> None:
        """In float64, also for one row and for none."""
        for count in (200, 1, 0):
            values = self.model().predict(self.rows(count))
            assert values.shape == (count,)
            assert values.dtype == np.float64
            assert np.isfinite(values).all()

    def test_predicting_changes_nothing(self) -> None:
        """Neither the model nor its input; the same input gives the same values to the last bit."""
        model, rows = self.model(), self.rows()
        first, before = model.predict(rows), rows.copy()
        model.predict(rows[::2])
        assert np.array_equal(model.predict(rows), first)
        assert np.array_equal(rows, before)

    def test_a_row_has_its_value_whatever_stands_beside_it(self) -> None:
        """Order and number of the candidates don't matter, to the last bit: a log of some of them must replay exactly."""
        model, rows = self.model(), self.rows()
        values = model.predict(rows)
        order = np.random.default_rng(8).permutation(len(rows))
        assert np.array_equal(model.predict(rows[order]), values[order])
        for count in (1, 2, 3, 7, 50, 199):
            assert np.array_equal(model.predict(rows[:count]), values[:count])
            assert np.array_equal(model.predict(rows[-count:]), values[-count:])

    def test_it_does_not_matter_how_the_input_lies_in_memory(self) -> None:
        """Columns first, every other row of something larger, wider numbers: the same values."""
        model, rows = self.model(), self.rows()
        values = model.predict(rows)
        for same in (np.asfortranarray(rows), np.repeat(rows, 2, axis=0)[::2], rows.astype(np.float64)):
            assert np.array_equal(model.predict(same), values)

    def test_extreme_input_gives_finite_values(self) -> None:
        """The largest and the smallest numbers that a log can hold."""
        model = self.model()
        for value in (LARGEST, -LARGEST, 6e-8, 0.0):
            assert np.isfinite(model.predict(np.full((3, len(model.features)), value, np.float16))).all()

    def test_unusable_input_is_refused(self) -> None:
        """NaN, infinity, another number of columns, no table, no numbers."""
        model = self.model()
        for unusable in _unusable(self.rows(4)):
            _refuses(InvalidInput, model.predict, unusable)

    def test_it_keeps_no_array_of_its_input_or_output(self) -> None:
        """Writing into either later changes no prediction."""
        model, rows = self.model(), self.rows().astype(np.float64)
        before, values = rows.copy(), model.predict(rows)
        first = values.copy()
        rows[:] = 0
        values[:] = 0
        assert np.array_equal(model.predict(before), first)

    def test_its_parameters_can_not_be_changed_from_outside(self) -> None:
        """Its public attributes can't be set, and arrays among them are read-only or copies."""
        model, rows = self.model(), self.rows()
        first = model.predict(rows)
        for name in [name for name in dir(model) if not name.startswith("_")]:
            value = getattr(model, name)
            if isinstance(value, np.ndarray) and value.flags.writeable:
                value += 1
            assert not isinstance(value, (list, dict, set)), name
        _refuses(AttributeError, setattr, model, "features", ("other",))
        assert np.array_equal(model.predict(rows), first)


class SavableConformance(ValueModelConformance):
    """Tests of models that can be kept as bytes."""

    def model(self) -> SavableValueModel:
        """Return a model that has learned something, an equal one with every call."""
        raise NotImplementedError

    def test_what_is_loaded_is_what_was_saved(self) -> None:
        """To the last bit, and saved again it is the same bytes."""
        model = self.model()
        saved = model.save()
        loaded = type(model).load(saved)
        assert (loaded.name, loaded.version, loaded.features) == (model.name, model.version, model.features)
        assert np.array_equal(loaded.predict(self.rows()), model.predict(self.rows()))
        assert loaded.save() == saved == self.model().save()

    def test_saving_and_predicting_change_nothing(self) -> None:
        """A model that was asked is the model that was not."""
        model = self.model()
        saved = model.save()
        model.predict(self.rows())
        assert model.save() == saved

    def test_damaged_bytes_are_refused(self) -> None:
        """Cut short anywhere, longer, or with any bit turned over."""
        model = self.model()
        saved = model.save()
        places = np.unique(np.linspace(0, len(saved) - 1, 400).astype(int))
        damaged = [saved[:place] for place in places] + [saved + b"\0", saved * 2]
        damaged += [saved[:i] + bytes([saved[i] ^ 1 << i % 8]) + saved[i + 1 :] for i in places.tolist()]
        for data in damaged:
            _refuses(ModelError, type(model).load, data)

    def test_something_else_is_refused(self) -> None:
        """Other files, and models of another family."""
        model = self.model()
        other = ConstantValue(("another",)).save().replace(b"constant", b"constanT")
        for data in (b"", b"{}", b"PK\x03\x04" * 9, (2**63).to_bytes(8, "little") * 2, bytes(64), other):
            _refuses(ModelError, type(model).load, data)


class OnlineConformance(SavableConformance):
    """Tests of models that learn from one decision after the other.

    Attributes:
        updates: after how many no more memory may be taken than after a tenth of them.
    """

    updates = 10_000

    def model(self) -> OnlineValueModel:
        """Return a model that has learned something, an equal one with every call."""
        raise NotImplementedError

    def decisions(self, count: int) -> Iterator[tuple[NDArray[np.float16], NDArray[np.float64], NDArray[np.float64]]]:
        """Yield features (12, d), labels and weights (12,), in which the first column says what is wanted."""
        rng, columns = np.random.default_rng(9), len(self.model().features)
        for _ in range(count):
            rows = rng.normal(size=(12, columns)).astype(np.float16)
            yield rows, (rows[:, 0] + rng.normal(size=12) > 1).astype(np.float64), rng.uniform(0, 1, 12)

    def test_it_learns(self) -> None:
        """What was wanted is worth more than before."""
        model = self.model()
        wanted, unwanted = np.ones((1, len(model.features))), -np.ones((1, len(model.features)))
        before = model.predict(wanted) - model.predict(unwanted)
        for _ in range(20):
            model.update(np.concatenate([wanted, unwanted]), np.array([1.0, 0.0]), np.ones(2))
        assert model.predict(wanted) - model.predict(unwanted) > before

    def test_a_clone_is_equal_and_apart(self) -> None:
        """What either learns, the other doesn't know."""
        model = self.model()
        clone, saved = model.clone(), model.save()
        assert clone.save() == saved
        for decision in self.decisions(3):
            clone.update(*decision)
        assert model.save() == saved != clone.save()
        other = clone.save()
        for decision in self.decisions(5):
            model.update(*decision)
        assert clone.save() == other != model.save()

    def test_a_loaded_model_learns_on_as_if_it_had_never_been_saved(self) -> None:
        """To the last bit."""
        model = self.model()
        loaded = type(model).load(model.save())
        for decision in self.decisions(20):
            model.update(*decision)
            loaded.update(*decision)
        assert loaded.save() == model.save()

    def test_the_order_of_the_rows_does_not_matter(self) -> None:
        """Within a decision."""
        forwards, backwards = self.model(), self.model()
        for rows, labels, weights in self.decisions(20):
            forwards.update(rows, labels, weights)
            backwards.update(rows[::-1], labels[::-1], weights[::-1])
        assert np.allclose(forwards.predict(self.rows()), backwards.predict(self.rows()), rtol=1e-6, atol=1e-8)

    def test_rows_without_weight_teach_nothing(self) -> None:
        """Nor does a decision without rows."""
        model = self.model()
        saved = model.save()
        model.update(self.rows(0), np.zeros(0), np.zeros(0))
        model.update(self.rows(5), np.ones(5), np.zeros(5))
        assert model.save() == saved

    def test_a_refused_update_changes_nothing(self) -> None:
        """Unusable features, labels or weights."""
        model, rows, good = self.model(), self.rows(4), np.full(4, 0.5)
        saved = model.save()
        for unusable in _unusable(rows):
            _refuses(InvalidInput, model.update, unusable, good, good)
        for bad in (np.full(4, np.nan), np.full(4, np.inf), np.full(4, -0.1), np.full(3, 0.5), np.full((4, 1), 0.5)):
            _refuses(InvalidInput, model.update, rows, bad, good)
            _refuses(InvalidInput, model.update, rows, good, bad)
        _refuses(InvalidInput, model.update, rows, np.full(4, 2.0), good)
        assert model.save() == saved

    def test_it_keeps_no_array_that_it_learned_from(self) -> None:
        """Writing into them later changes nothing, and learning doesn't write into them."""
        model = self.model()
        for rows, labels, weights in self.decisions(2):
            given = rows.astype(np.float64), labels, weights
            before = [array.copy() for array in given]
            model.update(*given)
            assert all(np.array_equal(array, copy) for array, copy in zip(given, before, strict=True))
            saved = model.save()
            for array in given:
                array[:] = 0
            assert model.save() == saved

    def test_what_is_hard_to_learn_from_leaves_it_finite(self) -> None:
        """One class, rows that a line separates, the same row again and again, the largest numbers, few and many rows."""
        model = self.model()
        columns = len(model.features)
        largest = np.full((4, columns), LARGEST)
        for _ in range(300):
            model.update(self.rows(6), np.ones(6), np.ones(6))
            model.update(np.eye(columns), (np.arange(columns) % 2).astype(float), np.ones(columns))
            model.update(largest, np.array([1.0, 0.0, 1.0, 0.0]), np.full(4, 100.0))
            model.update(largest[:1], np.ones(1), np.full(1, 1e-9))
        model.update(self.rows(2000), np.zeros(2000), np.ones(2000))
        for rows in (self.rows(), largest, -largest):
            assert np.isfinite(model.predict(rows)).all()

    def test_ten_thousand_decisions_take_no_more_memory_than_one_thousand(self) -> None:
        """And leave it finite."""
        model = self.model()
        decisions = list(self.decisions(50))
        tracemalloc.start()
        try:
            sizes = []
            for number in range(self.updates + 1):
                if number in {self.updates // 10, self.updates}:
                    gc.collect()
                    sizes.append((tracemalloc.get_traced_memory()[0], len(model.save())))
                model.update(*decisions[number % len(decisions)])
        finally:
            tracemalloc.stop()
        (memory_before, saved_before), (memory_after, saved_after) = sizes
        assert memory_after - memory_before < _TOLERANCE
        assert saved_after - saved_before < 64  # a version has more digits
        assert np.isfinite(model.predict(self.rows())).all()


def _unusable(rows: NDArray[np.float16]) -> list[Any]:
    holes = []
    for value in (np.nan, np.inf, -np.inf):
        hole = rows.copy()
        hole[-1, -1] = value
        holes.append(hole)
    wider = np.concatenate([rows, rows[:, :1]], axis=1)
    return [*holes, wider, rows[:, 1:], rows[0], rows[None], rows.astype(str)[:, :0], [["a"] * rows.shape[1]], None]


def _refuses(error: type[Exception], call: Callable[..., object], *arguments: Any) -> None:
    try:
        call(*arguments)
    except error:
        return
    raise AssertionError(f"this was not refused with {error.__name__}")

"""What skipping costs, estimated from what was stored all the same: known truths, and how the report says it."""

from __future__ import annotations

import numpy as np
import pytest

from automem_agents.cli.evaluate import _skipped
from automem_agents.learning.skipping import Skipping, Tried, share_needed

pytestmark = pytest.mark.any_index


def drawn(random: np.random.Generator, count: int, propensity: float, needed: float) -> list[Tried]:
    """Return those of ``count`` texts that chance stored."""
    return [Tried(propensity, bool(random.random() < needed)) for _ in range(count) if random.random() < propensity]


def test_the_share_is_that_of_all_that_might_have_been_stored_whatever_the_exploration() -> None:
    """Half were skipped under a high exploration, where few are needed: those that were stored are mostly of that half."""
    random = np.random.default_rng(1)
    tried = drawn(random, 20_000, 0.05, 0.3) + drawn(random, 20_000, 0.5, 0.05)
    assert sum(text.needed for text in tried) / len(tried) < 0.1
    assert share_needed(tried)[0] == pytest.approx(0.175, abs=0.02)


@pytest.mark.parametrize("needed", [0.01, 0.05, 0.3])
def test_what_skipping_costs_is_seldom_more_than_the_interval_says(needed: float) -> None:
    below = above = 0
    for seed in range(1000):
        random = np.random.default_rng(seed)
        _, low, high = share_needed(drawn(random, 600, 0.05, needed) + drawn(random, 300, 0.1, needed))
        assert low is not None
        assert high is not None
        assert 0 <= low <= high <= 1
        below, above = below + (needed < low), above + (needed > high)
    assert above <= 0.03 * 1000
    assert below <= 0.07 * 1000  # Wilson's lower bound of a share near 0 is somewhat high


def test_nothing_tried_is_nothing_known() -> None:
    assert share_needed([]) == (None, None, None)


def test_the_report_says_what_is_known_and_what_is_not() -> None:
    known = Skipping(skipped=120, missed=3, tried=24, needed=1 / 24, low=0.007, high=0.2, kept=300, kept_needed=0.31)
    assert _skipped(known) == (
        "120 texts, 3 missed later; of 24 like them that were stored all the same, 4% were needed [1%, 20%]; "
        "of 300 kept by choice, 31%"
    )
    early = Skipping(skipped=1, missed=0, tried=0, needed=None, low=None, high=None, kept=0, kept_needed=None)
    assert _skipped(early) == (
        "1 text, 0 missed later; none like them was stored all the same and had ten recalls to be needed"
    )
    assert _skipped(None) == ""

"""What a CONSOLIDATE decision sees of a namespace as a whole."""

from __future__ import annotations

from math import log1p

import numpy as np
from numpy.typing import NDArray

from automem_agents.features.feature_set import FeatureSet

CONSOLIDATE = FeatureSet(
    "consolidate",
    1,
    (
        "records",  # log(1 + live records)
        "of_max_records",  # share of the budget that they take; 0 without one
        "of_max_bytes",
        "of_cap",  # of the kind that is nearest to its cap, or farthest beyond it
        "dead_bytes",  # share of all bytes that tombstones and what was skipped take; 0 without a budget of bytes
        "duplicates",  # share of the live records that repeat another word for word
        "never_shown",  # share that no recall has shown
        "never_used",  # share that no answer has used
        "small_talk",  # share that is nothing but small talk
        "mean_age",  # log(1 + mean age in days)
        "pinned",  # share that is never taken away
    ),
)


def consolidate_features(
    records: int,
    *,
    of_max_records: float,
    of_max_bytes: float,
    of_cap: float,
    dead_bytes: float,
    duplicates: float,
    never_shown: float,
    never_used: float,
    small_talk: float,
    mean_age: float,
    pinned: float,
) -> NDArray[np.float16]:
    """Return the features (d,) of a namespace, d = ``len(CONSOLIDATE.names)``, rounded to float16.

    Args:
        mean_age: in days.
    """
    shares = (of_max_records, of_max_bytes, of_cap, dead_bytes, duplicates, never_shown, never_used, small_talk)
    most = float(np.finfo(np.float16).max)
    return np.array([log1p(records), *(min(share, most) for share in shares), log1p(mean_age), pinned], np.float16)

"""What is seen of each record when the least valuable ones have to go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from automem_agents.features.feature_set import FeatureSet
from automem_agents.journal.records import RecordRow
from automem_agents.text.cues import Cues, cues, is_small_talk, keep_value

LOOKS_BACK = 1000  # decisions of a namespace, among which the last use of a record is looked for, and its storing

KEEP = FeatureSet(
    "keep",
    2,
    (
        *Cues._fields,  # what can be seen in the text alone
        "keep",  # their weighted sum
        "small_talk",  # 1 if it is nothing but greeting, thanks or acknowledgement
        "tokens",  # log(1 + tokens)
        "user",  # 1 if a user said it
        "assistant",  # 1 if the assistant did
        "trust",  # of its source, 0..1
        "keyed",  # 1 if it has a key
        "shown",  # log(1 + how often it was recalled)
        "used",  # log(1 + how often an answer used it)
        "age",  # log(1 + live records of the namespace that are newer)
        "since_shown",  # log(1 + decisions of the namespace since it was last recalled), at most log(1 + 1000)
        "since_used",  # the same, since an answer last used it, or since it was stored
        "repeats",  # log(1 + live records that are the same word for word)
        "typical",  # cosine to the mean of the namespace
    ),
)


class LastUse(NamedTuple):
    """How many decisions of the namespace ago a record was last recalled, and used or stored."""

    shown: int = LOOKS_BACK
    used: int = LOOKS_BACK


_LONG_AGO = LastUse()


def keep_features(rows: Sequence[RecordRow], last_use: Mapping[int, LastUse]) -> NDArray[np.float16]:
    """Return features (n, d) of all live records of a namespace, d = ``len(KEEP.names)``, rounded to float16.

    Args:
        rows: with their vectors, oldest first.
        last_use: by the seq of a record; one that is missing was not shown for long.
    """
    columns = np.zeros((len(rows), len(KEEP.names)), np.float64)
    if not len(rows):
        return columns.astype(np.float16)
    same = Counter(row.fingerprint for row in rows)
    for at, row in enumerate(rows):
        seen = last_use.get(row.seq, _LONG_AGO)
        counts = (row.recalled, row.used, len(rows) - 1 - at, *seen, same[row.fingerprint] - 1)
        columns[at, :-1] = (
            *cues(row.text),
            keep_value(row.text),
            is_small_talk(row.text),
            np.log1p(row.tokens),
            row.role == "user",
            row.role == "assistant",
            row.trust,
            row.key is not None,
            *np.log1p(counts),
        )
    columns[:, -1] = _typical(rows)
    return columns.astype(np.float16)


def _typical(rows: Sequence[RecordRow]) -> NDArray[np.float32]:
    vectors = np.stack([np.frombuffer(row.vector, "<f4") for row in rows])
    mean = vectors.mean(axis=0)
    found: NDArray[np.float32] = np.vecdot(vectors, mean / max(float(np.linalg.norm(mean)), 1e-9))
    return found

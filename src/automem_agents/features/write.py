"""What a WRITE decision sees of a piece of text."""

from __future__ import annotations

from math import log1p

import numpy as np
from numpy.typing import NDArray

from automem_agents.features.feature_set import FeatureSet
from automem_agents.text.cues import Cues, cues, is_small_talk, keep_value

WRITE = FeatureSet(
    "write",
    1,
    (
        *Cues._fields,  # what can be seen in the text alone
        "keep",  # their weighted sum
        "small_talk",  # 1 if it is nothing but greeting, thanks or acknowledgement
        "tokens",  # log(1 + tokens)
        "trust",  # of its source, 0..1
        "nearest",  # cosine of the most similar live record; 0 in an empty namespace
        "overlap",  # Jaccard similarity of its terms and that record's
        "keyed",  # 1 if a live record states the same fact (same key)
    ),
)


def write_features(
    text: str, *, tokens: int, trust: float, nearest: float, overlap: float, keyed: bool
) -> NDArray[np.float16]:
    """Return the features (d,) of a text, d = ``len(WRITE.names)``, rounded to float16."""
    row = (
        *cues(text),
        keep_value(text),
        float(is_small_talk(text)),
        log1p(tokens),
        trust,
        nearest,
        overlap,
        float(keyed),
    )
    return np.array(row, np.float16)

"""What a READ decision sees of each candidate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from automem_agents.features.feature_set import FeatureSet
from automem_agents.store.candidates import Candidates

READ = FeatureSet(
    "read",
    1,
    (
        "lexical",  # BM25, scaled to 0..1 within the query's candidates
        "dense",  # cosine, scaled likewise
        "neighbours",  # sum of lexical and dense of the turns before and after in the session
        "keep",  # keep value of the text, standardised over the namespace
        "speaker",  # 1 if the query names the speaker
        "tokens",  # cost of the whole message the record was cut from
        "assistant_log",  # 1 if the namespace holds assistant turns
        "bm25",  # BM25, not scaled
        "cosine",  # cosine, not scaled
    ),
)


def read_features(found: Candidates) -> NDArray[np.float16]:
    """Return features (n, d), rounded to float16 so that the log replays exactly.

    Shapes: n candidates, d = ``len(READ.names)``.
    """
    features = np.empty((len(found), len(READ.names)), np.float16)
    features[:, 0] = found.lexical_norm
    features[:, 1] = found.dense_norm
    features[:, 2] = found.neighbours
    features[:, 3] = found.keep
    features[:, 4] = found.named
    features[:, 5] = np.minimum(found.message_tokens, 60_000)  # float16 ends at 65,504
    features[:, 6] = found.assistant_log
    features[:, 7] = found.lexical
    features[:, 8] = found.dense
    return features

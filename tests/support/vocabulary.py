"""Words for made-up texts, and texts of few of them, in which words come back."""

from __future__ import annotations

import random

WORDS = [
    "harbour",
    "lantern",
    "violin",
    "copper",
    "meadow",
    "thunder",
    "saddle",
    "biscuit",
    "glacier",
    "pepper",
    "anchor",
    "velvet",
    "walnut",
    "comet",
    "barley",
    "tunnel",
    "mirror",
    "falcon",
    "ginger",
    "island",
    "hammer",
    "orchard",
    "pillow",
    "quartz",
    "ribbon",
    "salmon",
    "temple",
    "umbrella",
    "vinegar",
    "whistle",
]
FEW = WORDS[:14]
TEXTS = [" ".join(random.Random(number).sample(FEW, 3 + number % 7)) for number in range(40)]

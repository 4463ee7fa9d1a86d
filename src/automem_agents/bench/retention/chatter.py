"""Made-up talk that states nothing that changes: remarks without end, and small talk."""

from __future__ import annotations

from random import Random

SMALL_TALK = ("thanks!", "ok", "haha nice", "Good morning", "great, thank you", "hm, okay", "perfect", "see you later")
ACKNOWLEDGEMENTS = ("Got it.", "Noted!", "Okay.", "Thanks, noted.", "Sure.")

_PATTERNS = (
    "Saw a {adjective} {thing} near the {place} {when}.",
    "{when}, someone left a {adjective} {thing} at the {place}.",
    "The {place} smelled of {stuff} {when}, which reminded me of a {adjective} {thing}.",
    "Funny story: a {animal} ran off with a {thing} at the {place} {when}.",
    "Do you know any good poems about a {adjective} {animal} and some {stuff}?",
    "They were selling {stuff} and one {adjective} {thing} at the {place} {when}.",
    "I dreamed of a {animal} carrying {stuff} through the {place}.",
    "A {adjective} {animal} was asleep on the {thing} by the {place} {when}.",
    "Somebody painted a {animal} holding a {thing} on the wall of the {place}.",
    "There was a talk about {stuff} at the {place} {when}, mostly about one {adjective} {animal}.",
)
_WORDS = {
    name: words.split(",")
    for name, words in {
        "adjective": "crooked,purple,enormous,wooden,silent,tiny,broken,shiny,ancient,striped,woollen,polite,hollow,rusty,"
        "golden,nervous,square,floating,frozen,patient",
        "thing": "umbrella,piano,ladder,suitcase,kite,bathtub,lantern,wheelbarrow,trumpet,mirror,typewriter,bucket,"
        "telescope,pillow,accordion,teapot,carpet,anvil,globe,wardrobe",
        "place": "harbour,library,station,market,museum,orchard,bakery,bridge,canal,lighthouse,theatre,aquarium,quarry,"
        "meadow,cinema,tower,fountain,arcade,mill,ferry landing",
        "animal": "heron,badger,goat,otter,parrot,hedgehog,donkey,fox,pelican,tortoise,raccoon,lynx,magpie,seal,camel,"
        "weasel,ostrich,moose,beaver,newt",
        "stuff": "cinnamon,sawdust,marmalade,seaweed,chalk,liquorice,candle wax,gravel,rainwater,tobacco,vinegar,moss,"
        "gunpowder,honey,paprika,ink,clover,tar,nutmeg,snow",
        "when": "yesterday,this morning,on the way back,before lunch,late at night,during the storm,after breakfast,"
        "while it was raining,at sunset,in the fog,just now,on my walk",
    }.items()
}


def remark(random: Random) -> str:
    """Return a remark worth a record; there are about a million.

    Examples:
        >>> remark(Random(1)) == remark(Random(1))
        True
    """
    text = random.choice(_PATTERNS).format(**{name: random.choice(words) for name, words in _WORDS.items()})
    return text[0].upper() + text[1:]


def small_talk(random: Random) -> str:
    """Return what isn't worth a record."""
    return random.choice(SMALL_TALK)


def said_again(text: str, random: Random, *, by_user: bool = True) -> str:
    """Return a text as it is repeated: word for word, in other case or punctuation, or with a word that says so.

    Args:
        by_user: whether a person says it; others repeat word for word.
    """
    if not by_user:
        return text
    bare = text.rstrip(".!")
    ways = (text, text.lower(), f"{bare}!", bare, f"As I said: {text}", f"like I mentioned, {bare}", f"Again, {text}")
    return random.choice(ways)

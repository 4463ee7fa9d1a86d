"""Does a short text speak of what is, and of nothing that may be, was, or somebody else says?"""

from __future__ import annotations

import re

from automem_agents.text.facts.statement import MOST_CHARS, without_opening

_PASSIVE = (
    r"moved|changed|lowered|raised|corrected|elected|voted|appointed|given|assigned|reassigned|rescheduled|postponed|set|renamed"
    r"|replaced|upgraded|transferred|promoted|switched|updated|bumped|revised|put|increased|reduced|named|chosen"
)
# words that look like doubt and are none, since they say that something ended, or how it came to be
_HARMLESS = re.compile(
    rf"\b(?:was|were|been) (?:over |just )?(?=(?:{_PASSIVE})\b)|\bno longer\b"
    r"|\b(?:not|no|can(?:['’]t|not)|do(?:n['’]t| not)) [^.,;!?]{0,40}?\bany ?(?:more|longer)\b"
    r"|\b(?:so )?please do(?:n['’]t| not)\b.*|\bhad it with\b|\bi['’]d (?:like|prefer|rather have)\b|\bheard back\b"
    r"|\b(?:will be|going to)\b(?=.*\binstead\b)|\bgoing to (?:work|school)\b|\bnever anything else\b",
    re.I,
)
_DOUBT = re.compile(
    r"[?“”«»{}]|\n|\"[^\"]* [^\"]*\"|\b(?:"
    # negation
    r"not|never|no|none|nobody|nothing|neither|nor|cannot|without|hardly|barely|\w+n['’]t|"
    # what may be, or may come
    r"if|unless|would|could|might|(?<!\d )may (?!\d)|maybe|perhaps|possibly|probably|should|wish|hope|hoping|suppose|imagine|pretend"
    r"|assum(?:e|ing)|whether|considering|think(?:ing)?|guess|(?:i|we) plan|plan(?:s|ning|ned)? to|want(?:s|ed)?|will|going to|gonna"
    r"|about to|\w+['’]ll|\w+['’]d|next year|someday|evaluating|almost|nearly|in case|hypothetically|"
    # what was
    r"was|were|had|used to|previous(?:ly)?|former(?:ly)?|back in|back then|once|ago|originally|as a kid|when (?:i|we) (?:was|were|lived|had)|(?:my|our) first|"
    # what others say, or is said for another end
    r"said|says|say|told|tells|asked|hear|heard|wrote|claim(?:s|ed)?|believe[sd]?|thought|rumou?r|apparently|allegedly|supposedly"
    r"|according|translate|dream\w*|song|lyrics|novel|movie|story|for example|e\.g\.|joke|kidding|comparison|"
    # one of several
    r"also|too|another|either|both|as well|besides|sometimes|occasionally|among|one of|some of|each|every|or"
    r")\b",
    re.I,
)


def is_certain(text: str) -> bool:
    """Tell whether a short text says what is, in no doubt.

    Examples:
        >>> is_certain("The limit was lowered to 30."), is_certain("The limit was 30."), is_certain("Is the limit 30?")
        (True, False, False)
    """
    return len(text) <= MOST_CHARS and not _DOUBT.search(_HARMLESS.sub(" ", without_opening(text.strip())))

"""Does a user's message say that the answer before it was wrong?

The cues are few, English, and open a clause: what stands behind "my boss says" isn't said by the user.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from automem_agents.learning.words import content, statements

_WRONG = r"wrong|incorrect|false|mistaken|inaccurate|outdated|out\sof\sdate|(?:a|your)\s(?:mistake|error)"
_IT = r"(?:that|this|it)"
_PLAIN_CUES = re.compile(
    rf"""(?:
      {_IT}(?:['’]s|\sis|\swas)\s(?:(?:just|simply|completely|totally|still)\s)?(?:{_WRONG})\b
    | {_IT}(?:['’]s|\sis|\swas)\sthe\swrong\b
    | {_IT}(?:['’]s\snot|\sis\snot|\swas\snot|\sisn['’]t|\swasn['’]t)\s
        (?:(?:right|correct|true)\b(?!\s(?:that|to|for|how|when)\b)|what\si\b|why\b|how\b|my\b|the\s(?:right|reason)\b)
    | wrong\b(?!\s(?:place|time|number)\b) | incorrect\b
    | you(?:['’]re|\sare|\swere)\s(?:(?:just|simply|completely|totally)\s)?
        (?:wrong|mistaken|mixing\sup|confusing|misremembering)\b
    | you\s(?:misunderstood|misread|misheard|mixed\sup|confused|forgot|left\sout)\b
    | you(?:\sgot|['’]ve\sgot)\s(?:\w+\s){{1,3}}wrong\b
    | (?:as|like)\si\s(?:already\s)?(?:said|told\syou|mentioned)\b
    | i(?:['’]ve|\shave)?\salready\s(?:told|gave|given|said|mentioned|answered)\b
    | i\s(?:told\syou|said)\b.*\b(?:already|before|yesterday|earlier)\b
    | i\s(?:never|didn['’]t|did\snot)\s(?:say|said|tell|told|ask|asked|mean|meant)\b
    | i\smeant\s(?!to\b)
    )""",
    re.I | re.X,
)
_NO = re.compile(r"(?:no|nope|nah)(?:\s+no)*\s*[,.!:;]\s*(?P<rest>\S.*)", re.I | re.S)
_POLITE = re.compile(
    r"(?:thank|that['’]?s (?:all|it|fine|ok|okay|right|correct)|that is (?:all|it|fine|right)|not yet|nothing|no\b"
    r"|i['’]?m (?:fine|good|ok)|you(?:['’]re| are) right)",
    re.I,
)
_ASSENT = re.compile(
    r"(?:yes|yeah|yep|right|correct|exactly|great|perfect|thanks|thank you|ok|okay|got it|true"
    r"|(?:that|this|it)(?:['’]s| is) (?:right|correct|true|fine|ok))\b(?!\?)",
    re.I,
)
_TOLD = re.compile(r"(?:i (?:told you|said)|actually)\b", re.I)
_NOT = r"\bnot\b(?!\s(?:sure|certain|only|just|yet)\b)"
_CONTRASTS = (
    re.compile(_NOT + r"\s+(?P<old>[^,;.!?]{1,60}?)\s*(?:,|\bbut\b)\s*(?P<new>[^,;.!?]{1,80})", re.I),
    re.compile(
        rf"(?P<new>[^,;.!?]{{1,80}}?)\s*(?:,\s*{_NOT}|\brather than|\binstead of)\s+(?P<old>[^,;.!?]{{1,60}})", re.I
    ),
)
_NEGATED = re.compile(rf"{_NOT}|\b(?:never|no longer)\b|n['’]t\b", re.I)
_CLAUSE_ENDS = re.compile(r"[,;.!]\s+|\s+-+\s+|\bbut\s+", re.I)
_NUMBER = re.compile(r"\d+")
_HEAD = 600  # characters of a message in which a correction stands
_SHORT = 120  # characters of a sentence that corrects by what it says, not by a cue


def corrects(answer: str, message: str) -> bool:
    """Tell whether a user's message says that the answer before it was wrong.

    Args:
        answer: what the agent said.
        message: what the user said next.

    Examples:
        >>> corrects("Your sister lives in Paris.", "No, she lives in Lyon.")
        True
        >>> corrects("I have moved the meeting.", "No problem, thanks.")
        False
    """
    said = statements(message[:_HEAD])
    if not said or _ASSENT.match(message.strip()):
        return False
    to_question = answer.rstrip().endswith("?")  # a "no" or "I meant the red one" is then an answer
    if not to_question and (_says_no(message.strip()[:_HEAD]) or _contrasts(answer, said)):
        return True
    return any(_is_cue(answer, sentence, to_question) for sentence in said)


def _facts(text: str) -> set[str]:
    """Return the words and the numbers of a text; one digit is no search term, but can be what is corrected."""
    return {*content(text), *_NUMBER.findall(text)}


def _says_no(message: str) -> bool:
    no = _NO.match(message)
    return no is not None and not _POLITE.match(no["rest"]) and not no["rest"].rstrip().endswith("?")


def _is_cue(answer: str, sentence: str, to_question: bool) -> bool:
    for clause in _CLAUSE_ENDS.split(sentence):
        cue = _PLAIN_CUES.match(clause)
        if cue and not (to_question and "meant" in cue[0].lower()):
            return True
    return not to_question and len(sentence) <= _SHORT and (_tells(answer, sentence) or _denies(answer, sentence))


def _tells(answer: str, sentence: str) -> bool:
    """Tell whether a sentence insists on something else about what the answer spoke of."""
    if not _TOLD.match(sentence):
        return False
    said, answered = _facts(sentence) - {"actual"}, _facts(answer)
    return bool(said & answered) and bool(said - answered)


def _denies(answer: str, sentence: str) -> bool:
    """Tell whether a sentence negates what the answer says, in its words."""
    if not _NEGATED.search(sentence) or _NEGATED.search(answer):
        return False
    said = _facts(sentence)
    return len(said) > 1 and len(said & _facts(answer)) >= 0.8 * len(said)


def _contrasts(answer: str, said: Sequence[str]) -> bool:
    """Tell whether something that the answer says is put right: "not X but Y", "Y, not X", "Y rather than X"."""
    answered = _facts(answer)
    for sentence in (sentence for sentence in said if len(sentence) <= _SHORT):
        for pattern in _CONTRASTS:
            for found in pattern.finditer(sentence):
                old, new = _facts(found["old"]), _facts(found["new"])
                if old & answered and new - answered:
                    return True
    return False

"""Text that was not said but put into a prompt: recalled blocks, system prompts, and orders to an assistant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from automem_agents.operations.audit.subject import Flag, Subject


class _Sign(NamedTuple):
    why: str
    pattern: re.Pattern[str]


_MODEL = r"(?:AI|LLM|chatbot|(?:AI|LLM|virtual|voice|language|helpful|coding|digital) (?:assistant|agent|model))"
_SIGNS = (
    _Sign(
        "a recalled block",
        re.compile(r"</?memory \d{3}[^\n<>]{0,100}>|</?(?:relevant[-_])?memor(?:y|ies)(?:[-_]context)?>", re.I),
    ),
    _Sign("a line of a recall", re.compile(r"^[ \t]{0,20}\[m\d{1,4}\] [^\n:]{1,80}: ", re.M)),
    _Sign(
        "a chat template",
        re.compile(
            r"<\|(?:im_start|im_end|system|user|assistant|eot_id|endoftext|start_header_id)\|>|<</?SYS>>|\[/?INST\]"
            r"|</?(?:system|system[-_]prompt|system-reminder|instructions|tool_calls?|function_calls?)>"
        ),
    ),
    _Sign(
        "a system prompt",
        re.compile(
            r"\bsystem (?:prompt|message|instructions?)s?:|^#{1,4} ?(?:system|instructions)\b[^\n]{0,40}$"
            rf"|\byou are (?:now )?(?:an? |the )?(?:[\w,-]{{1,20}} ){{0,4}}?{_MODEL}\b"
            r"|\byou are (?:ChatGPT|Claude|Gemini|GPT-\d)\b|\bknowledge cut-?off: "
            r"|^you are an? (?:[\w-]{1,20} ){0,3}assistant(?: (?:that|who|for|with|named|called)\b|[.,])"
            r"|\bas an? (?:AI|large) (?:language )?model\b"
            r"|\b(?:respond|reply|answer|output) only (?:with|in) (?:valid )?(?:JSON|XML|YAML|markdown)\b",
            re.I | re.M,
        ),
    ),
    _Sign(
        "a system prompt, retold",
        re.compile(
            r"^(?:the )?(?:(?:(?:AI |LLM )?(?:assistant|chatbot|bot)|AI agent) must\b"
            r"|(?:(?:AI |LLM )?(?:assistant|chatbot|bot|agent))(?:['’]s)? (?:is (?:instructed|configured|programmed) to\b"
            r"|has access to (?:the )?tools?\b|system prompt\b|persona\b|identity (?:file|is)\b))",
            re.I | re.M,
        ),
    ),
    _Sign(
        "an order to ignore instructions",
        re.compile(
            r"\b(?:ignore|disregard|forget|override) (?:all |any )?(?:of )?(?:the |your |my |these )?"
            r"(?:previous |prior |above |earlier |system )(?:instructions?|prompts?|rules|directions)\b"
            r"|\b(?:do not|don['’]t|never) (?:reveal|disclose|repeat) (?:these|your|the|this) "
            r"(?:system |hidden )?(?:instructions?|prompts?)\b",
            re.I,
        ),
    ),
)
_ROLES = ("system", "developer")


def injected(subject: Subject) -> Iterator[Flag]:
    """Flag records that hold what was put into a prompt."""
    for entry in subject.live:
        why = f"said by {entry.role}" if entry.role in _ROLES else injection_in(entry.text)
        if why:
            yield Flag(entry, why)


def injection_in(text: str) -> str | None:
    """Say what was put into a prompt, if a text holds such a thing.

    Examples:
        >>> injection_in("You are a helpful assistant. Answer briefly.")
        'a system prompt'
        >>> injection_in("You are a wonderful cook!")
    """
    return next((sign.why for sign in _SIGNS if sign.pattern.search(text)), None)

"""What servers say when they refuse a request for its length: they say so in many words, of which numbers are taken."""

from __future__ import annotations

import re
from typing import NamedTuple

from engine.backends.http.exchange import Exchange

_MOST_READ = 2000
"""Characters of a refusal that are read."""
_STATUS = frozenset({400, 413, 416, 422, 500})
_BUSY, _NO_CREDIT = 429, 402
_LIMIT = r"(?:max_(?:completion_|output_|new_)?tokens|maxOutputTokens)"
_ABOUT_LIMIT = re.compile(
    rf"{_LIMIT}|max(?:imum)? (?:new |output |completion )?tokens|(?:completion|output) tokens", re.I
)
_ABOUT_LENGTH = re.compile(rf"{_LIMIT}|token|^messages$|^prompt$|^input|^contents$", re.I)
"""Parameters that a refusal names where it is about a length; another one that it names is what it is about."""
_UNKNOWN = re.compile(
    r"unsupported param|extra (?:inputs|fields)|not (?:supported|permitted|allowed)|"
    r"unknown (?:name|param|field)|unrecogni[sz]ed|instead",
    re.I,
)
"""The limit's name is refused, not its size."""
_TOO_MUCH = re.compile(
    r"too (?:large|big|high|long|many)|exceed|at most|less than|greater than the max|above|out of range|maximum|"
    r"over the limit|upper limit|limited",
    re.I,
)
_BOTH = re.compile(
    rf"(?:prompt|input|messages).{{0,60}}(?:\+|plus|and).{{0,60}}(?:{_LIMIT}|(?:completion|output|new) tokens)",
    re.I,
)
"""Prompt and reply together are too long, whichever it is."""


def _number(name: str, before: str = "") -> str:
    return rf"(?<![\d.,]){before}(?P<{name}>\d[\d,]*)"


_CONTEXT_IS = (
    rf"context (?:length|window|size|limit)(?: is| of|:)?(?: only| at most)? {_number('context')}"
)
_OF_A_MINUTE = re.compile(
    rf"request too large.{{0,200}}?\blimit {_number('context')}, requested {_number('total')}", re.I
)
"""OpenAI and Groq, of the tokens of a minute, of which a reply takes as many as it asks for."""
_FORMS = tuple(
    re.compile(form, re.I)
    for form in (
        # Anthropic: 1200 + 35081 > 32768.
        rf"{_number('prompt')} \+ [\d,]+ > {_number('context')}",
        # TGI.
        rf"must be <= {_number('context')}\b.{{0,20}}given:? {_number('prompt')} `?inputs`? tokens",
        # vLLM, as it says it before it counts; its count of characters is none of tokens.
        rf"passed {_number('prompt')} input tokens and requested .{{0,80}}{_CONTEXT_IS}",
        # llama-cpp-python, of a prompt alone.
        rf"requested tokens \({_number('prompt')}\) exceed {_CONTEXT_IS}",
        # OpenAI, vLLM, SGLang, llama-cpp-python, OpenRouter. "At least" is said of a prompt that was not counted.
        rf"{_CONTEXT_IS}.{{0,160}}?{_number('prompt', '(?<!at least )')}(?: tokens)? "
        r"(?:in (?:the|your) (?:messages|prompt|input)|of (?:text )?input|input tokens|prompt tokens|"
        r"from the (?:input|messages|prompt))",
        rf"{_CONTEXT_IS}.{{0,80}}?(?:messages|prompt|input)"
        rf" (?:resulted in|are|is|has|have|contains?) {_number('prompt')} tokens",
        _CONTEXT_IS,
    )
)
"""What is said of prompt and reply together, the most specific first."""
_MOST_FORMS = tuple(
    re.compile(form, re.I)
    for form in (
        rf"\d \(inclusive\) (?:to|and) {_number('beyond')} \(exclusive\)",
        rf"range[^\[]{{0,60}}\[ *\d+ *, *{_number('most')} *\]",
        rf"range[^\[]{{0,60}}\[ *\d+ *, *{_number('beyond')} *\)",
        rf"at most {_number('most')} (?:completion |output )?tokens",
        rf"{_LIMIT}:? \d+ > {_number('most')}",
        rf"{_LIMIT}`? > {_number('most')} must",
        rf"(?:less|lower|smaller|fewer) than or equal(?: to)? `?{_number('most')}",
        rf"(?:<=|no more than|not exceed|at most|up to|limit of|limit is|maximum(?: value)?(?: of| is|:)|"
        rf"max(?:imum)? allowed(?: is|:)?|between \d+ and|from \d+ to) `?{_number('most')}",
        rf"(?:(?:less|lower|smaller|fewer) than|<) `?{_number('beyond')}",
    )
)
"""What is said of the reply alone."""
_AFFORDED = re.compile(rf"{_LIMIT}.{{0,120}}can only afford {_number('most')}", re.I)


class RefusedLength(NamedTuple):
    """What a refusal says of lengths, in tokens; nothing of it where it only says that something is too long."""

    most: int | None = None
    """Of a reply."""
    context: int | None = None
    """Of prompt and reply together."""
    prompt: int | None = None
    """Of this prompt, as the server counts."""
    total: int | None = None
    """Of this prompt and the reply that was asked for."""
    is_both: bool = False
    """Whether prompt and reply together are too long, though no number says how much they may have."""


def refused_length(exchange: Exchange) -> RefusedLength | None:
    """Return what a refusal says of lengths; None for one that is about something else."""
    complaint, status = exchange.complaint, exchange.status
    said = " ".join((*sorted(complaint.params), complaint.words or exchange.detail))[:_MOST_READ]
    if status == _NO_CREDIT:
        afforded = _AFFORDED.search(said)
        return afforded and _numbers(afforded)
    if status == _BUSY:
        too_large = _OF_A_MINUTE.search(said)
        return too_large and _numbers(too_large)
    heads = complaint.heads
    if status not in _STATUS or (heads and not any(map(_ABOUT_LENGTH.search, heads))):
        return None
    for form in (_OF_A_MINUTE, *_FORMS):
        if found := form.search(said):
            return _numbers(found)
    is_both = bool(_BOTH.search(said)) or "context_length_exceeded" in complaint.codes
    if not _ABOUT_LIMIT.search(said):
        return RefusedLength(is_both=True) if is_both else None
    for form in _MOST_FORMS:
        if found := form.search(said):
            numbers = _numbers(found)
            return RefusedLength(context=numbers.most) if is_both else numbers
    if _UNKNOWN.search(said) or "unsupported_parameter" in complaint.codes:
        return None
    return RefusedLength(is_both=is_both) if is_both or _TOO_MUCH.search(said) else None


def _numbers(found: re.Match[str]) -> RefusedLength:
    numbers = {name: int(text.replace(",", "")) for name, text in found.groupdict().items()}
    beyond = numbers.get("beyond")
    return RefusedLength(
        numbers.get("most") if beyond is None else beyond - 1,
        numbers.get("context"),
        numbers.get("prompt"),
        numbers.get("total"),
    )

"""case_noise: a row as people write it without care: without capitals, without punctuation, or shouted.

The kinds of noise are those of the CheckList tests of robustness (Ribeiro et al., arXiv 2005.04118, table 1: INV) that
concern case and punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from engine.operators.making.protocol import Made, Material, NotMade, RowFunction
from engine.operators.making.words import fixed_spans

_APOSTROPHE = re.compile(r"(?<=\w)['’](?=\w)")
_COMMA = re.compile(r"[,;:](?=\s)")
_END = re.compile(r"[.!?]+(?=\s*$)")
_STYLES: Mapping[str, Callable[[str], str]] = {
    "lower case": str.lower,
    "upper case": str.upper,
    "no end": lambda text: _END.sub("", text),
    "no punctuation": lambda text: _END.sub("", _COMMA.sub("", _APOSTROPHE.sub("", text))),
    "lower case, no punctuation": lambda text: _END.sub(
        "", _COMMA.sub("", _APOSTROPHE.sub("", text))
    ).lower(),
    "many marks": lambda text: _END.sub(lambda end: end[0][0] * 3, text),
}


def _make(material: Material) -> Made:
    seed, fixed = material.seed.inputs, material.fixed
    styles = list(_STYLES.values())
    material.draw.shuffle(styles)
    for style in styles:
        changed = {
            column: _outside(text, fixed.get(column, ()), style) for column, text in seed.items()
        }
        if changed != dict(seed):
            return Made(changed)
    raise NotMade("the row has neither capitals nor punctuation to remove")


def _outside(text: str, parts: Sequence[str], style: Callable[[str], str]) -> str:
    """Return a text in another style but for the parts that must stay."""
    at, pieces = 0, []
    for start, end in sorted(fixed_spans(text, parts)):
        if start >= at:
            pieces += [style(text[at:start]), text[start:end]]
            at = end
    return "".join([*pieces, style(text[at:])])


CASE_NOISE = RowFunction(
    name="case_noise",
    version=1,
    description="case and punctuation changed, the words not",
    label="keep",
    copies="near",
    params={},
    make=_make,
)

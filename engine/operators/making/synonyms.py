"""synonyms: words exchanged for others of the same meaning, from a list of the operator's own.

Synonym replacement of EDA (Wei & Zou, arXiv 1901.11196, section 2) without WordNet, whose data no package that is kept
well brings along; a list for one task also knows which words mean the same there. It is the file `synonyms.yaml` in the
operator's folder: groups of words, any of which may stand for any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from engine.errors import RecipeError
from engine.operators.making.protocol import Made, Material, NotMade, RowFunction
from engine.operators.making.words import Place, open_places, replaced
from engine.spec.error_messages import problems_of
from engine.spec.parts import Spec
from engine.spec.yaml import parse, read_text

FILE = "synonyms.yaml"


class Synonyms(Spec):
    """The file `synonyms.yaml`."""

    groups: list[list[str]] = Field(min_length=1)
    """Words of the same meaning, in one form each: `[buy, purchase]`."""

    def others(self, word: str) -> list[str]:
        """Return the words that may stand for one, in order."""
        wanted = word.casefold()
        return list(
            dict.fromkeys(
                other
                for group in self.groups
                if wanted in map(str.casefold, group)
                for other in group
                if other.casefold() != wanted
            )
        )


def read_synonyms(file: Path) -> Synonyms:
    """Return the groups of a file; raises RecipeError with every problem."""
    document = parse(read_text(file), file, first="groups:")
    try:
        return Synonyms.model_validate(document.data)
    except ValidationError as error:
        raise RecipeError(problems_of(error, document, Synonyms)) from None


def _make(material: Material) -> Made:
    read: Synonyms = material.read
    inputs = material.seed.inputs
    known: Mapping[Place, list[str]] = {
        place: others
        for place in open_places(material)
        if (others := read.others(inputs[place.column][place.start : place.end]))
    }
    if not known:
        raise NotMade(f"no word of the row is in {FILE}")
    count = max(1, round(float(material.params["share"]) * len(known)))
    chosen = material.draw.sample(list(known), min(count, len(known)))
    changes = {
        place: _as_before(
            inputs[place.column][place.start : place.end], material.draw.choice(known[place])
        )
        for place in chosen
    }
    return Made(replaced(inputs, changes))


def _as_before(word: str, other: str) -> str:
    """Return a word with a capital where the one before it has one."""
    return other[:1].upper() + other[1:] if word[:1].isupper() else other


SYNONYMS = RowFunction(
    name="synonyms",
    version=1,
    description=f"a share of the words that are in {FILE} exchanged, at least one",
    label="keep",
    copies="near",
    params={"share": "number"},
    make=_make,
    file=FILE,
    read=read_synonyms,
)

"""Rows in a language that a model is not known for: a small teacher writes nonsense there, and says nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine import models
from engine.backends import BACKENDS
from engine.data.languages import NAMES, spoken
from engine.data.split_rows import SplitRows
from engine.errors import Problem
from engine.spec.loader import LoadedRecipe
from engine.sql.expressions import Fault

SAMPLE = 200
"""Rows of a split that are looked at."""
ROLES = ("teacher", "judge", "embedder", "student")


def check_languages(loaded: LoadedRecipe, splits: Mapping[str, SplitRows]) -> Iterator[Problem]:
    """Yield a warning per language of the rows that models are not known for, at the first such row.

    Of a model whose languages nobody states nothing is claimed. Only training and validation rows are looked at.
    """
    known = _known(loaded)
    if not known:
        return
    warned: set[str] = set()
    for name in ("train", "validation"):
        rows = splits.get(name)
        if rows is None or not rows.records:
            continue
        step = max(1, len(rows.records) // SAMPLE)
        sample = rows.records[::step][:SAMPLE]
        texts = [
            " ".join(str(record.values.get(column) or "") for column in loaded.recipe.task.input)
            for record in sample
        ]
        for language in spoken(texts):
            missing = {model: own for model, own in known.items() if language.code not in own[1]}
            if not missing or language.code in warned:
                continue
            warned.add(language.code)
            said = "; ".join(
                f"{model} ({', '.join(roles)}) for "
                + ", ".join(sorted(NAMES.get(code, code) for code in codes))
                for model, (roles, codes) in missing.items()
            )
            roles = [role for names, _ in missing.values() for role in names]
            fault = Fault(
                f"the row is in {language.name}, and models are known for other languages: {said}",
                f"name models that know {language.name}: a small teacher that does not writes nonsense. Under `models`,"
                f" `{roles[0]}: {{model: NAME}}` takes the name of any model of Hugging Face. Or leave these rows out"
                " with `where`",
            )
            found = [sample[place] for place in language.places]
            yield rows.problem(found, fault, "warning", "language")


def _known(loaded: LoadedRecipe) -> dict[str, tuple[list[str], frozenset[str]]]:
    """Return the models whose languages are known: name -> its roles, its languages."""
    found: dict[str, tuple[list[str], frozenset[str]]] = {}
    for role in ROLES:
        spec = loaded.recipe.models.of(role)
        backend = BACKENDS.get(spec.backend)
        if backend is None or not backend.local:
            continue
        if codes := models.languages(spec.model, loaded.base):
            found.setdefault(spec.model, ([], codes))[0].append(role)
    return found

"""Labels that differ in their spelling alone: found, said, and counted as one where the recipe says so.

`billing`, `billing ` and `Billing` are three labels to a program and one to the people who wrote them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, combinations
from typing import NamedTuple

from engine.data.records import Record
from engine.data.split_rows import SplitRows
from engine.errors import Problem
from engine.spec.loader import LoadedRecipe
from engine.spec.recipe import Fold
from engine.sql.expressions import Fault, quoted

_WORDS: Mapping[Fold, str] = {
    "case": "upper and lower case",
    "space": "white space",
    "unicode": "invisible characters or how accents are encoded",
}
FOLDS: tuple[Fold, ...] = tuple(_WORDS)
_MOST = 20
"""Groups of spellings that are shown; of the others, how many."""

_IN_ASCII = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})
"""How small letters are written where the keyboard has none of them."""
_WITHOUT_STROKE = str.maketrans({"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ı": "i"})
"""Small letters whose stroke or shape is no mark of its own in Unicode."""

Labels = Callable[[str], Sequence[str]]


def folded(label: str, folds: Collection[Fold]) -> str:
    """Return what is the same for all spellings of a label that `folds` do not tell apart."""
    if "unicode" in folds:
        # Format characters (Cf): joiners, direction marks, soft hyphens, byte order marks; and variation selectors.
        label = "".join(c for c in label if unicodedata.category(c) != "Cf" and not _selects(c))
        label = unicodedata.normalize("NFC", label)
    if "space" in folds:
        label = " ".join(label.split())
    if "case" in folds:
        label = label.casefold()
        if "unicode" in folds:
            # Folding takes some characters apart again.
            label = unicodedata.normalize("NFC", label)
    return label


def _selects(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f"


def visible(label: str) -> str:
    """Return a label with what no eye sees in it as Python writes it: odd blanks, format characters, loose accents."""
    loose = not unicodedata.is_normalized("NFC", label)

    def hidden(c: str) -> bool:
        category = unicodedata.category(c)
        return category[0] == "C" or (c != " " and c.isspace()) or (loose and category[0] == "M")

    return "".join(f"\\u{ord(c):04x}" if hidden(c) else c for c in label)


class Spelled(NamedTuple):
    """One spelling of a label."""

    label: str
    rows: int
    """In all splits that were read."""
    training: int
    split: SplitRows
    first: Record
    """The first row with it."""


def spellings(splits: Mapping[str, SplitRows], target: str, labels: Labels) -> dict[str, Spelled]:
    """Return every spelling of a label in the rows, in their order."""
    found: dict[str, Spelled] = {}
    for split, rows in splits.items():
        per_target = Counter(str(record.values[target]) for record in rows.records)
        counts = Counter[str]()
        for value, count in per_target.items():
            for label in labels(value):
                counts[label] += count
        missing = counts.keys() - found.keys()
        for record in rows.records if missing else ():
            for label in labels(str(record.values[target])):
                found.setdefault(label, Spelled(label, 0, 0, rows, record))
        for label, count in counts.items():
            was = found[label]
            trained = count if split == "train" else 0
            found[label] = was._replace(rows=was.rows + count, training=was.training + trained)
    return found


def alike(labels: Iterable[str], folds: Collection[Fold]) -> list[list[str]]:
    """Return the groups of labels that are one where `folds` make no difference: those of several spellings."""
    groups: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        groups[folded(label, folds)].append(label)
    return [group for group in groups.values() if len(group) > 1]


def one_spelling(
    found: Mapping[str, Spelled], declared: Sequence[str] | None, folds: Collection[Fold]
) -> dict[str, str]:
    """Return label -> the spelling that stands for it, for those that stand for no others.

    A declared label is spelled as the recipe has it; of others the one of most training rows counts, and of equals the
    first in the order of their characters.
    """
    kept = {folded(label, folds): label for label in reversed(declared or ())}
    commonest = sorted(found.values(), key=lambda one: (-one.training, -one.rows, one.label))
    for one in commonest:
        kept.setdefault(folded(one.label, folds), one.label)
    names = {label: kept[folded(label, folds)] for label in found}
    return {label: name for label, name in names.items() if name != label}


def respelled(
    records: Iterable[Record],
    target: str,
    names: Mapping[str, str],
    relabel: Callable[[str, Mapping[str, str]], str],
) -> list[Record]:
    """Return the records with their labels as `names` has them; those that were read stay as they are."""
    known: dict[str, str] = {}
    done = []
    for record in records:
        value = str(record.values[target])
        if value not in known:
            known[value] = relabel(value, names)
        same = known[value] == value
        done.append(
            record if same else record._replace(values=record.values | {target: known[value]})
        )
    return done


def differences(group: Sequence[str]) -> tuple[Fold, ...]:
    """Return the fewest folds that make a group of spellings one."""
    sizes = (combinations(FOLDS, size) for size in range(1, len(FOLDS) + 1))
    return next(
        folds
        for folds in chain.from_iterable(sizes)
        if len({folded(label, folds) for label in group}) == 1
    )


def spelling_problems(loaded: LoadedRecipe, found: Mapping[str, Spelled]) -> Iterator[Problem]:
    """Yield a warning for each label that the rows spell in several ways, at the first row of the rarest spelling."""
    groups = alike(found, FOLDS)
    for group in groups[:_MOST]:
        spelled = sorted((found[label] for label in group), key=lambda one: one.rows)
        folds = differences(group)
        rarest = spelled[0]
        here = f"'{visible(rarest.label)}' ({_rows(rarest)}, the first here)"
        listed = [here, *(_said(one) for one in spelled[1:])]
        message = (
            f"the labels {', '.join(listed[:-1])} and {listed[-1]} differ in "
            f"{' and '.join(_WORDS[fold] for fold in folds)} alone: they count as {len(group)} labels"
        )
        wanted = ", ".join(dict.fromkeys((*loaded.recipe.task.fold_labels, *folds)))
        hint = f"write them alike, or let them count as one: `task: {{fold_labels: [{wanted}]}}`"
        fault = Fault(message, hint)
        yield rarest.split.problem([rarest.first], fault, "warning", "label-spelling")
    if len(groups) > _MOST:
        message = f"{len(groups) - _MOST} more labels have several spellings"
        at = loaded.at("task", "target")
        yield Problem(at, message, "see the first ones", "warning", "label-spelling")


def transliterated(label: str) -> frozenset[str]:
    """Return a label as it is written without umlauts and accents: `ü` as `ue` and as `u`; whatever its spelling."""
    label = folded(label, FOLDS)
    return frozenset(_without_marks(each) for each in (label, label.translate(_IN_ASCII)))


def _without_marks(label: str) -> str:
    apart = unicodedata.normalize("NFD", label.translate(_WITHOUT_STROKE))
    return "".join(c for c in apart if unicodedata.category(c) != "Mn")


def accent_problems(loaded: LoadedRecipe, found: Mapping[str, Spelled]) -> Iterator[Problem]:
    """Yield a warning for each label that the rows write with an umlaut or accent, and without."""
    commonest: dict[str, Spelled] = {}
    for one in sorted(found.values(), key=lambda one: -one.rows):
        # Other differences are told, or are none by `fold_labels`.
        commonest.setdefault(folded(one.label, FOLDS), one)
    groups: dict[str, list[str]] = defaultdict(list)
    for one in commonest.values():
        for written in sorted(transliterated(one.label)):
            groups[written].append(one.label)
    together = dict.fromkeys(tuple(group) for group in groups.values() if len(group) > 1)
    alike = [[found[label] for label in group] for group in together]
    target = loaded.recipe.task.target
    name = target if re.fullmatch(r"[A-Za-z_]\w*", target) else quoted(target)
    for group in alike[:_MOST]:
        *others, rarest = group
        here = f"'{visible(rarest.label)}' ({_rows(rarest)}, the first here)"
        message = (
            f"the labels {here} and {', '.join(map(_said, others))} differ in how umlauts or "
            f"accents are written alone: they count as {len(group)} labels"
        )
        old, new = (one.label.replace("'", "''") for one in (rarest, group[0]))
        hint = (
            "if they are one, write them alike, or replace it where the data is read, in every split: "
            f"`columns: {{{target}: \"replace({name}, '{old}', '{new}')\"}}`"
        )
        yield rarest.split.problem(
            [rarest.first], Fault(message, hint), "warning", "label-spelling"
        )
    if len(alike) > _MOST:
        message = (
            f"{len(alike) - _MOST} more labels are written with and without umlauts or accents"
        )
        at = loaded.at("task", "target")
        yield Problem(at, message, "see the first ones", "warning", "label-spelling")


def _said(one: Spelled) -> str:
    at = one.split.at(one.first)
    return f"'{visible(one.label)}' ({_rows(one)}, the first at {at.by_line})"


def _rows(one: Spelled) -> str:
    return f"{one.rows:,} {'row' if one.rows == 1 else 'rows'}"


def nearest_spelling(label: str, known: Iterable[str]) -> str | None:
    """Return the known label that another one differs from in its spelling alone; None where there is none."""
    key = folded(label, FOLDS)
    return next((name for name in known if folded(name, FOLDS) == key), None)

"""What to write instead of a key that is not known: in another place, under another name, or not at all."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from engine.registry import did_you_mean
from engine.spec.reference.keys import KINDS, paths
from engine.spec.yaml import KeyPath

RENAMED = Path(__file__).with_name("renamed.yaml")
_LONGEST = 64
"""Characters of a key that is looked for; none that is known is as long."""
_SLIP = 0.8
"""How alike a key and one beside it are, 0 to 1, where the one is a slip of the other."""
_MOST_PLACES = 2
_ALIKE_ONES = {"models": "teacher", "data": "train"}
"""Mapping -> the one of its keys that is named for all of them."""


def kind_of(data: Mapping[str, Any]) -> str:
    """Return what kind of file data is from, by its format key; a recipe where it has none."""
    return next((kind for kind in KINDS if kind in data), "recipe")


def instead(kind: str, path: KeyPath, beside: Iterable[str]) -> str:
    """Return a hint for an unknown key.

    Args:
        kind: The kind of file: recipe, taxonomy, operator, method, pack or project.
        path: Where the key stands.
        beside: Keys that are known there and not written yet.
    """
    parts = [str(part) for part in path if not isinstance(part, int)]
    name, open_keys = parts[-1], sorted(beside)
    if len(name) > _LONGEST or "params" in parts[:-1]:
        # What somebody's own operator calls a parameter says nothing of the recipe's keys.
        return did_you_mean(name, open_keys) or "remove it"
    if hint := _renamed(kind, parts):
        return hint
    if difflib.get_close_matches(name, open_keys, n=1, cutoff=_SLIP):
        return did_you_mean(name, open_keys)
    if hint := _elsewhere(kind, parts):
        return hint
    return did_you_mean(name, open_keys) or "remove it"


def nearest(kind: str, path: str, most: int = 3) -> list[str]:
    """Return the known dotted paths that are most like one that is not known, the likest first."""
    known = list(paths(kind))
    entry = renamed(kind).get(path) or renamed(kind).get(path.rpartition(".")[2])
    found = [entry["write"]] if entry and "write" in entry else []
    name = path.rpartition(".")[2]
    found += [each for each in known if each.rpartition(".")[2] == name]
    found += difflib.get_close_matches(path[:_LONGEST], known, n=most, cutoff=0.6)
    ends = {each.rpartition(".")[2]: each for each in reversed(known)}
    found += [ends[end] for end in difflib.get_close_matches(name[:_LONGEST], ends, n=most)]
    return list(dict.fromkeys(found))[:most]


@cache
def renamed(kind: str) -> Mapping[str, Mapping[str, str]]:
    """Return the keys of a kind of file that are called otherwise, each with what to write."""
    read: dict[str, dict[str, dict[str, str]]] = yaml.safe_load(RENAMED.read_text("utf-8"))
    return read.get(kind, {})


def _renamed(kind: str, parts: list[str]) -> str:
    table = renamed(kind)
    entry = table.get(".".join(parts)) or table.get(parts[-1])
    if entry is None or entry.get("write") == ".".join(parts):
        return ""
    why = entry.get("why", "")
    if "write" not in entry:
        return f"remove it: {why}"
    if f"{'.'.join(parts[:-1])}.".startswith(f"{entry['write']}."):
        # A key of that name inside of what it is said to be means something else.
        return ""
    written = f"write {shown(entry['write'], parts, entry.get('as', ''))}"
    return f"{written}: {why}" if why else written


def shown(target: str, parts: list[str], example: str = "") -> str:
    """Return a key as it is to be written, seen from where another one stands."""
    above, _, key = target.rpartition(".")
    written = f"`{example or f'{key}: …'}`"
    if above == ".".join(parts[:-1]):
        return f"{written} here"
    return f"{written} under `{above}:`" if above else f"{written} at the top"


def _elsewhere(kind: str, parts: list[str]) -> str:
    """Return where a key of this name belongs, nearest places first; empty where there is none, or there are many."""
    name, here = parts[-1], parts[:-1]
    everywhere = [each.split(".") for each in paths(kind) if each.rpartition(".")[2] == name]
    places = [place for place in everywhere if here and place[: len(here)] == here] or everywhere
    # All models have the same keys, and all splits: one of them is named for all.
    known = {tuple(_one_of_alike(place)): None for place in places}
    if not known or len(known) > _MOST_PLACES:
        return ""
    stands = f"inside `{'.'.join(here)}:`" if here else "at the top"
    above = sorted({".".join(place[:-1]) for place in known if len(place) > 1}, key=len)
    below = [f"under `{each}:`" for each in above]
    if any(len(place) == 1 for place in known):
        below.append("at the top")
    return f"it stands {stands}; write it {' or '.join(below)}"


def _one_of_alike(place: list[str]) -> list[str]:
    if len(place) > 2 and place[0] in _ALIKE_ONES:
        return [place[0], _ALIKE_ONES[place[0]], *place[2:]]
    return place

"""Which language rows are in, where that is beyond doubt: by py3langid, a naive Bayes over byte n-grams, offline.

Short texts are not decided one by one: a row counts by itself only where it is long enough and the detector is sure,
and a language only where all its rows together are of it, too. Codes, numbers and names say nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.models.detector import language_detector

FEWEST_LETTERS = 20
"""Of a text that counts by itself."""
FEWEST_IN_ALL = 100
"""Letters of all texts, where none counts by itself."""
SURE = 0.9
"""Probability from which a text is of a language; the detector's are calibrated."""
TOGETHER = 0.99
"""That of all texts of a language, joined."""
FEWEST_ROWS = 3
"""Texts of a language, unless they are a fifth of all that were told: one alone may be a quotation."""
_SHARE = 0.2
_NONE = "zxx"
"""No language: numbers, codes."""
NAMES = {
    "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan", "cs": "Czech", "da": "Danish", "de": "German",
    "el": "Greek", "en": "English", "es": "Spanish", "et": "Estonian", "fa": "Persian", "fi": "Finnish", "fr": "French",
    "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian", "it": "Italian",
    "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "ms": "Malay", "nb": "Norwegian",
    "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian",
    "sk": "Slovak", "sl": "Slovenian", "sr": "Serbian", "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu",
    "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
"""Code of ISO 639-1 -> English name, of the languages that are met most."""
_KIN = {"pcm": "en", "sco": "en", "nn": "no", "nb": "no", "wuu": "zh", "yue": "zh"}
"""Language that the detector takes short texts of another for, or that is written nearly alike -> that other one."""


class Spoken(NamedTuple):
    """One language that texts are in."""

    code: str
    """ISO 639-1 where it has one there."""
    places: tuple[int, ...]
    """Of the texts that are in it beyond doubt; of all where only all together tell."""

    @property
    def name(self) -> str:
        """Its English name, or else its code."""
        return NAMES.get(self.code, f"the language '{self.code}'")


def spoken(texts: Sequence[str]) -> list[Spoken]:
    """Return the languages that texts are in, the commonest first; none where nothing is beyond doubt."""
    found: dict[str, list[int]] = {}
    for place, text in enumerate(texts):
        if sum(map(str.isalpha, text)) >= FEWEST_LETTERS or not text.isascii():
            code, sure = _told(text)
            if sure >= SURE:
                found.setdefault(code, []).append(place)
    told = sum(map(len, found.values()))
    if not told:
        whole = " ".join(texts)
        if sum(map(str.isalpha, whole)) < FEWEST_IN_ALL:
            return []
        code, share = _told(whole)
        clear = share >= TOGETHER and code != _NONE
        return [Spoken(code, tuple(range(len(texts))))] if clear else []
    return [
        Spoken(code, tuple(places))
        for code, places in sorted(found.items(), key=lambda one: (-len(one[1]), one[0]))
        if code != _NONE
        and (len(places) >= FEWEST_ROWS or len(places) >= _SHARE * told)
        and _sure(" ".join(texts[place] for place in places), code)
    ]


def _told(text: str) -> tuple[str, float]:
    """Return the likeliest language of a text and its probability."""
    shares: dict[str, float] = {}
    for code, share in language_detector().rank(text.lower()):
        kin = _KIN.get(code, code)
        shares[kin] = shares.get(kin, 0.0) + share
    likeliest = max(shares, key=lambda code: shares[code])
    return likeliest, shares[likeliest]


def _sure(text: str, code: str) -> bool:
    likeliest, share = _told(text)
    return likeliest == code and share >= TOGETHER

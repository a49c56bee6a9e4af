"""The language detector answers as the library's own, from tables that were unpacked once."""

from __future__ import annotations

from pathlib import Path

import pytest
from py3langid.langid import MODEL_DIR, MODEL_FILE, LanguageIdentifier

from engine.models import detector
from engine.models.cache import is_whole
from engine.system.places import cache_root

TEXTS = [
    "where is my order, it should have been here on tuesday",
    "Meine Pizza ist kalt angekommen und es fehlt die Hälfte",
    "荷物はどこですか",
    "4711-22 AB",
    "",
    "\ud800 half a character",
]


def _unpacked() -> list[Path]:
    return [*(cache_root() / "languages").iterdir()]


def test_its_answers_are_the_librarys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADA_CACHE", str(tmp_path))
    own = LanguageIdentifier.from_modelpath(MODEL_DIR / MODEL_FILE, norm_probs=True)
    expected = [own.rank(text) for text in TEXTS]
    fresh = detector.language_detector.__wrapped__
    assert [fresh().rank(text) for text in TEXTS] == expected
    (folder,) = _unpacked()
    assert is_whole(folder)
    monkeypatch.setattr(detector, "_unpack", None)  # once is enough
    assert [fresh().rank(text) for text in TEXTS] == expected

    (folder / "ptc.npy").write_bytes(b"cut off")  # not whole any more, and nowhere to write it anew
    monkeypatch.setattr(detector, "_unpack", _full_disk)
    assert [fresh().rank(text) for text in TEXTS] == expected


def _full_disk(*_: object) -> None:
    raise OSError(28, "No space left on device")

"""The language detector's model, unpacked once: as it comes (py3langid), it is decompressed anew in every process.

68 MB of tables, which are mapped into memory and not read: the check of a recipe touches few of their pages.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from engine.fingerprint import file_digest
from engine.models.cache import is_whole, write_manifest
from engine.system.files import replacing
from engine.system.places import cache_root

_TABLES = ("ptc", "pc", "classes", "nextmove", "nextmove_row", "out_feat")
"""As the model's own file calls them."""


@cache
def language_detector() -> Any:
    """Return py3langid's identifier with calibrated probabilities; the same answers, unpacked before or not."""
    from py3langid.langid import MODEL_DIR, MODEL_FILE, LanguageIdentifier

    packed = MODEL_DIR / MODEL_FILE
    folder = cache_root() / "languages" / file_digest(packed)[:32]
    # A cache that cannot be used costs time alone.
    with contextlib.suppress(OSError, ValueError):
        if not is_whole(folder):
            _unpack(packed, folder)
        tables = _mapped(folder)
        return LanguageIdentifier(
            tables["ptc"],
            tables["pc"],
            tables["classes"].tolist(),
            # Plain numbers come of these, as of the arrays that it makes itself, and no copy is made.
            memoryview(tables["nextmove"]),
            memoryview(tables["out_feat"]),
            norm_probs=True,
            tk_row=memoryview(tables["nextmove_row"]),
        )
    return LanguageIdentifier.from_modelpath(packed, norm_probs=True)


def _unpack(packed: Path, folder: Path) -> None:
    """Write the tables of a packed model into a folder, which is whole or not there; raises OSError."""
    import lzma
    from io import BytesIO

    import numpy as np

    folder.parent.mkdir(parents=True, exist_ok=True)
    with replacing(folder) as part:
        part.mkdir()
        with (
            lzma.open(packed) as stream,
            np.load(BytesIO(stream.read()), allow_pickle=False) as data,
        ):
            for name in _TABLES:
                np.save(part / f"{name}.npy", data[name], allow_pickle=False)
        write_manifest(part, packed.name)


def _mapped(folder: Path) -> Mapping[str, Any]:
    """Return the tables; raises OSError and ValueError for files that are none."""
    import numpy as np

    return {
        name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _TABLES
    }

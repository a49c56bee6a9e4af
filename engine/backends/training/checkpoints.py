"""Files of a training that must be whole or not there: checkpoints, the best weights so far, the result.

A checkpoint counts only with its mark, written last and flushed to disk; the mark names the job it belongs to.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from engine.system.files import replacing, sync_all, sync_folder, write_text

_MARK = "COMPLETE"


class Checkpoints:
    """The checkpoints of one job in one folder: `checkpoint-<step>` and `best-<step>.safetensors`."""

    def __init__(self, folder: Path, job: str) -> None:
        """Take the folder (made when missing) and the job's hash."""
        self.folder = folder
        self._job = job
        folder.mkdir(parents=True, exist_ok=True)

    def reached(self) -> int:
        """Return the step of the newest whole checkpoint of this job, 0 where there is none; nothing is removed."""
        whole = [place for place in self.folder.glob("checkpoint-*") if self._counts(place)]
        return max((int(place.name.rpartition("-")[2]) for place in whole), default=0)

    def newest(self) -> Path | None:
        """Return the newest whole checkpoint of this job; nothing is removed."""
        step = self.reached()
        return self.folder / f"checkpoint-{step}" if step else None

    def last(self) -> Path | None:
        """Return the newest whole checkpoint of this job and remove everything else."""
        whole = []
        for place in self.folder.iterdir():
            if place.name.startswith("checkpoint-"):
                if self._counts(place):
                    whole.append(place)
                else:
                    shutil.rmtree(place)
        whole.sort(key=lambda place: int(place.name.rpartition("-")[2]))
        newest = whole[-1] if whole else None
        best = self._mark(newest)["best"] if newest else None
        self._forget_best_but(best)
        return newest

    def _mark(self, place: Path) -> dict[str, str | int | None]:
        try:
            mark = json.loads((place / _MARK).read_text())
        except (OSError, ValueError):
            return {}
        return mark if isinstance(mark, dict) else {}

    def _counts(self, place: Path) -> bool:
        mark = self._mark(place)
        if mark.get("job") != self._job:
            return False
        best = mark.get("best")
        return best is None or self.best(int(best)).exists()

    def complete(self, step: int, best: int | None) -> None:
        """Flush the files of `checkpoint-<step>` to disk and mark it; `best` is the best step until then."""
        place = self.folder / f"checkpoint-{step}"
        sync_all(place)
        write_text(place / _MARK, json.dumps({"job": self._job, "step": step, "best": best}))
        sync_folder(self.folder)
        self._forget_best_but(best)

    def best(self, step: int) -> Path:
        """Return where the weights of a step with the lowest validation loss lie."""
        return self.folder / f"best-{step}.safetensors"

    def keep_best(self, step: int, write: Callable[[Path], None]) -> None:
        """Keep the weights that `write` puts at the path it is given; older ones stay until a checkpoint is whole."""
        with replacing(self.best(step)) as part:
            write(part)

    def _forget_best_but(self, step: int | str | None) -> None:
        for file in self.folder.glob("best-*"):
            if step is None or file != self.best(int(step)):
                file.unlink()

    def clear(self) -> None:
        """Remove everything: the result is durable, nothing goes on from here any more."""
        shutil.rmtree(self.folder, ignore_errors=True)

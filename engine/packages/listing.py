"""The packages of a project, as they are locked, and whether their user made them a part of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.gate.packages import is_trusted
from engine.packages.installing import project_here
from engine.spec.repository.installed import is_installed
from engine.spec.repository.lock_file import ROOT
from engine.spec.repository.project_file import shown


def package_records(here: Path) -> list[Mapping[str, Any]]:
    """Return the packages of the project around a folder, one record each, by name; raises EngineError."""
    whole = project_here(here)
    records: list[Mapping[str, Any]] = [
        {
            "name": p.name,
            "version": p.version,
            "revision": p.revision,
            "commit": p.commit,
            "git": p.git,
            "subdirectory": p.subdirectory,
            "folder": str(shown(whole.place(p))),
            "installed": is_installed(whole.place(p)),
            "trusted": is_trusted(p.content),
            "requested": {_who(who): revision for who, revision in p.requested.items()},
        }
        for p in whole.locked
    ]
    for folder in whole.folders.values():
        if folder.who != ROOT:
            records.append(
                {
                    "name": folder.who,
                    "version": "",
                    "revision": "",
                    "commit": "",
                    "git": "",
                    "subdirectory": "",
                    "folder": str(shown(folder.folder)),
                    "installed": True,
                    "trusted": True,
                    "requested": {
                        _who(by): "" for by, name in sorted(whole.links) if name == folder.who
                    },
                }
            )
    return sorted(records, key=lambda record: str(record["name"]))


def _who(who: str) -> str:
    return "pada.yaml" if who == ROOT else who

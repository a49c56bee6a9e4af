"""Which state folders are this user's: made here by them, and without a link in them.

A `.pada` that comes with a repository may hold links at the very names that a run writes, or a checkpoint to go on
from. So each state folder has a random id, and the user's configuration knows which id lies at which place; a folder
of somebody else's has none that is known.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from engine.errors import StoreError
from engine.fingerprint import short
from engine.gate.roots import real
from engine.system import locks
from engine.system.files import write_private
from engine.system.places import config_root, settings_chosen

ID_FILE = "id"
_STORE = "store.duckdb"
_WRITTEN = frozenset(
    {
        ID_FILE, "spool", "models", "reports", "batch", "benchmark", "serving", "run.lock",
        "sql_history", "aside", "running", "studio",
    }
)  # fmt: skip
"""What runs write in a state folder, beside DuckDB's file and its log. What else lies there concerns nobody."""
_KNOWN = "states"
"""Folder of the user's configuration with a file for each state folder."""
_TEMPORARY = (Path("/var/tmp"), Path("/tmp"))  # nosec B108 # a folder there is the user's alone, or refused
"""Where a folder of the user's own may stand in for settings that cannot be written; never a place that a recipe's
folder, as the current one, could be."""
_PATIENCE = 10.0


def own_state(state: Path) -> None:
    """Make a state folder this user's where nothing of a run is in it, or else refuse one that is not.

    Raises:
        StoreError: it is a link, holds one, or was not made here by this user; or it, or the user's configuration,
            cannot be written.
    """
    check_links(state)
    if _is_known(state):
        return
    try:
        keeper = _keeper()
        # Two runs that start together make one folder between them.
        with locks.hold(keeper / "states.lock", _PATIENCE):
            if any(_entries(state)):
                _refuse_foreign(state)
            else:
                _make(state, keeper)
    except locks.HeldError as held:
        raise StoreError(
            f"the state folder {state} cannot be made: process {held.holder.pid} is at it",
            "try again",
        ) from None
    except OSError as error:
        raise _not_written(error) from error


def check_state(state: Path) -> None:
    """Refuse a state folder that is not this user's, as `own_state` does; makes nothing where nothing is."""
    check_links(state)
    if any(_entries(state)):
        _refuse_foreign(state)


def trust_state(state: Path) -> Path:
    """Take a state folder for this user's from now on, such as one that was moved; returns it resolved.

    Raises:
        StoreError: there is none, or it cannot be taken: it is a link, or holds one.
    """
    if not state.is_dir():
        raise StoreError(f"there is no state folder {state}", "name the folder of the store")
    check_links(state)
    try:
        _register(state, _id(state) or _new_id(state), _keeper())
    except OSError as error:
        raise _not_written(error) from error
    return real(state)


def disown(state: Path) -> None:
    """Forget a state folder that is removed again, such as that of a preview."""
    for keeper in _keepers():
        with contextlib.suppress(OSError):
            _entry(state, keeper).unlink(missing_ok=True)


def check_links(state: Path) -> None:
    """Refuse a state folder that is a link, or holds one among what runs write; raises StoreError."""
    if state.is_symlink():
        raise StoreError(
            f"{state} is a link to {real(state)}: what a run writes would go there",
            f"name the folder itself: --state {shlex.quote(str(real(state)))}",
        )
    if not state.exists():
        return
    if not state.is_dir():
        raise StoreError(
            f"{state}: a file stands where a folder is needed", "name a folder with --state"
        )
    try:
        link = next((link for entry in _entries(state) for link in _links(entry)), None)
    except OSError as error:
        raise StoreError(
            f"{error.filename}: not readable ({error.strerror})",
            "mend its permissions, or name another folder with --state",
        ) from error
    if link is not None:
        raise StoreError(
            f"{link} is a link: what a run writes would go to {real(link)}",
            f"no run makes links in a state folder; remove it: rm {shlex.quote(str(link))}",
        )


def _entries(state: Path) -> Iterator[os.DirEntry[str]]:
    """Yield what runs write in a state folder, as far as it is there."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(state) as entries:
        yield from (e for e in entries if e.name in _WRITTEN or e.name.startswith(_STORE))


def _links(entry: os.DirEntry[str]) -> Iterator[Path]:
    if entry.is_symlink():
        yield Path(entry.path)
    elif entry.is_dir():
        with os.scandir(entry.path) as entries:
            for inner in entries:
                yield from _links(inner)


def _make(state: Path, keeper: Path) -> None:
    try:
        if not state.exists():
            state.parent.mkdir(parents=True, exist_ok=True)
            state.mkdir(mode=0o700)
        own = _new_id(state)
    except (FileExistsError, NotADirectoryError) as error:
        raise StoreError(
            f"{state}: a file stands where a folder is needed", "name a folder with --state"
        ) from error
    except OSError as error:
        raise StoreError(
            f"{state}: the state folder cannot be made ({error.strerror})",
            "make it a place that can be written, or name another with --state",
        ) from error
    _register(state, own, keeper)


def _new_id(state: Path) -> str:
    own = secrets.token_hex(16)
    write_private(state / ID_FILE, f"{own}\n")
    return own


def _register(state: Path, own: str, keeper: Path) -> None:
    write_private(_entry(state, keeper), json.dumps({"path": str(real(state)), "id": own}) + "\n")


def _not_written(error: OSError) -> StoreError:
    return StoreError(
        f"{error.filename or config_root()} cannot be written ({error.strerror})",
        "it keeps which state folders are yours: set PADA_CONFIG to a folder that can be written",
    )


def _is_known(state: Path) -> bool:
    own = _id(state)
    return own is not None and _registered(state) == own


def _refuse_foreign(state: Path) -> None:
    if not _is_known(state):
        at = shlex.quote(str(state))
        raise StoreError(
            f"{state} was not made here by you, as far as your settings say ({config_root()}), and somebody else's may "
            "hold more than a store",
            "if it is yours all the same (moved, copied or restored; made with another home, account or settings "
            f"folder): `pada trust --state {at}`, once. If it came with a repository or an archive: use another with "
            "--state",
        )


def _id(state: Path) -> str | None:
    try:
        return (state / ID_FILE).read_text("utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _registered(state: Path) -> str | None:
    for keeper in _keepers():
        try:
            known = json.loads(_entry(state, keeper).read_text("utf-8"))
            if known["path"] == str(real(state)):
                return str(known["id"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def _entry(state: Path, keeper: Path) -> Path:
    return keeper / _KNOWN / f"{short(str(real(state)))}.json"


def _keeper() -> Path:
    """Return the folder in which to keep which state folders are the user's, made where needed; raises OSError.

    It is the user's settings. Where those cannot be written, as in a home that is read-only, and nothing says where
    else they are, it is a folder of the user's own among the temporary ones, for as long as the machine keeps it.
    """
    settings = config_root()
    try:
        settings.mkdir(mode=0o700, parents=True, exist_ok=True)
        if settings_chosen() or os.access(settings, os.W_OK):
            return settings
    except OSError:
        if settings_chosen():
            raise
    for folder in _stand_ins():
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700)
        if _is_private(folder):
            return folder
    return settings


def _keepers() -> list[Path]:
    """Return where to look which state folders are the user's."""
    stand_ins = [] if settings_chosen() else [f for f in _stand_ins() if _is_private(f)]
    return [config_root(), *stand_ins]


def _stand_ins() -> list[Path]:
    return [folder / f"pada-{os.getuid()}" for folder in _TEMPORARY]


def _is_private(folder: Path) -> bool:
    """Return whether a folder is the user's alone, and no link: others may write beside it."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077

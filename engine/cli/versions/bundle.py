"""`pada bundle`: a run as one archive."""

from __future__ import annotations

from pathlib import Path

from engine.cli.clean import readable
from engine.cli.terminal.output import make_console, say
from engine.versions.bundles import write_bundle
from engine.versions.stored import stored_run

_MOST = 10


def bundle_command(
    run: str, state: Path, to: Path, *, with_data: bool, with_models: bool, replace: bool
) -> None:
    """Write the archive, and say what is in it and what is not."""
    console = make_console()
    written = write_bundle(
        stored_run(state, run),
        state,
        to,
        with_data=with_data,
        with_models=with_models,
        replace=replace,
    )
    say(console, f"{written.file}: run {run}, {readable(written.bytes)}", style="bold")
    say(console, f"  the recipe as it was run, its files, and {written.calls:,} replies of models")
    for what, files in (
        ("data files in it", written.data),
        ("data files that whoever opens it must have", written.missing),
    ):
        if files:
            say(console, f"  {what}: {len(files)}")
            for name in files[:_MOST]:
                say(console, f"    {name}")
            if len(files) > _MOST:
                say(console, f"    … and {len(files) - _MOST} more")
    if written.models:
        say(console, f"  trained adapters: {written.models}")
    else:
        say(console, "  no trained adapters: they are trained again (--with-models puts them in)")
    say(console, "the replies quote rows: give it only to people who may see them", style="yellow")
    say(console, f"elsewhere: pada rerun {written.file.name} --to FOLDER")

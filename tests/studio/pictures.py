"""Makes the pictures of docs/studio.md: Chromium over a run that really happened.

    pada run recipes/quickstart --state FOLDER
    make studio-pictures STATE=FOLDER      # python -m tests.studio.pictures FOLDER

Needs `npm ci` in engine/studio/web. A picture more is a line more in `PAGES`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from tests.studio.test_browser import driven, served

OUT = Path(__file__).parents[2] / "docs" / "pictures"
SCRIPT = Path(__file__).with_name("pictures.mjs")
LARGEST = 200_000
"""Bytes of a picture."""
RECIPE = "recipes%2Fquickstart%2Frecipe.yaml"
PAGES: list[dict[str, Any]] = [
    # Name of the file, what stands behind `#/`, how high; what is clicked and what is waited for before.
    {"name": "new", "path": "new", "height": 480},
    {"name": "edit", "path": f"recipe/{RECIPE}", "height": 800, "wait": ".cm-content"},
    {"name": "plan", "path": f"recipe/{RECIPE}/plan", "height": 900, "wait": "svg"},
    {"name": "runs", "path": "runs", "height": 300},
    {"name": "run", "path": "run/r0001", "height": 900, "wait": ".chart canvas"},
    {"name": "patterns", "path": "run/r0001/patterns", "height": 460},
    {"name": "map", "path": "run/r0001/map", "height": 900, "click": [".picks button"]},
    {"name": "failures", "path": "run/r0001/failures?round=0&split=validation&sort=pattern", "height": 640,
     "click": ["tbody input >> nth=0", "tbody input >> nth=1"]},
    {"name": "row", "path": "run/r0001/failures?round=0&split=validation&sort=pattern", "height": 900,
     "click": ["tbody a >> nth=0"], "wait": "h2:text-is('What each student answered')"},
    {"name": "confusion", "path": "run/r0001/confusion", "height": 760},
    {"name": "compare", "path": "compare?a=r0001&a_round=0&b=r0001&kind=mended", "height": 900},
    {"name": "sql", "path": "sql", "height": 760, "click": [".menu button >> nth=6"], "wait": ".result"},
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("state", type=Path, help="the state folder of a run of recipes/quickstart")
    parser.add_argument("--only", default="", help="names of pictures, with commas between")
    arguments = parser.parse_args()
    wanted = set(arguments.only.split(",")) - {""}
    OUT.mkdir(exist_ok=True)
    with served(arguments.state) as url:
        pages = [one for one in PAGES if not wanted or one["name"] in wanted]
        wrong = driven(SCRIPT, url, str(OUT), json.dumps(pages))
    for one in pages:
        picture = OUT / f"studio-{one['name']}.png"
        size = picture.stat().st_size
        print(f"{picture.name}: {size / 1e3:.0f} KB")
        if size > LARGEST:
            wrong.append(f"{picture.name} weighs {size:,} bytes: make it lower")
    if wrong:
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()

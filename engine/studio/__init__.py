"""The studio: what runs found, in a browser on the same machine (docs/studio.md).

A small server that answers in JSON what `engine.report` and `engine.store` know, and the page that shows it, built
from `web/` into `static/`. It works nothing out that the engine does elsewhere, and nothing exists in it alone.
"""

from engine.studio.serving import Address, serve
from engine.studio.settings import Settings

__all__ = ["Address", "Settings", "serve"]

"""The serving process: `python -m engine.backends.serving.child SPEC.json PARENT_PID`.

Ends with its parent, and so does all that it starts. Where the student was fine-tuned, its weights are put together
first: a server takes one folder. Then this process becomes the server itself; what it says goes to stdout and stderr.
"""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.backends.lifetime import die_with_all
from engine.backends.local.weights import load, loading, with_adapter
from engine.errors import EngineError


def write_merged(model: Path, adapter: Path, folder: Path, dtype: str) -> None:
    """Write base and adapter as one model into `folder`, with its tokenizer.

    Added into bfloat16 weights, an adapter loses some digits: good enough to time, and never used to score.

    Raises:
        ModelError: the base model or the adapter cannot be loaded.
    """
    base = load(model, dtype, "cpu")
    if (adapter / "adapter_config.json").is_file():
        from peft import PeftModel

        with loading("adapter", adapter):
            tuned: Any = PeftModel.from_pretrained(base.model, adapter).merge_and_unload()
    else:
        tuned = with_adapter(base, adapter)
    tuned.save_pretrained(folder)
    base.tokenizer.save_pretrained(folder)


def main(arguments: Sequence[str]) -> None:
    """Serve what the file named first says, for the parent whose pid comes second."""
    die_with_all(int(arguments[1]))
    spec = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    if spec["adapter"]:
        model, adapter, merged = (Path(spec[name]) for name in ("model", "adapter", "merged"))
        try:
            write_merged(model, adapter, merged, spec["dtype"])
        except EngineError as error:
            sys.exit(str(error))
    sys.argv = [spec["module"], *spec["arguments"]]
    runpy.run_module(spec["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])

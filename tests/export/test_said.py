"""What `pada export model` prints."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.cli.export import written


@pytest.mark.parametrize(
    ("form", "packages"),
    [("adapter", "torch transformers peft jinja2"), ("gguf", "llama-cpp-python jinja2")],
)
def test_what_a_model_needs_to_be_asked_elsewhere_is_said(
    form: str,
    packages: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = SimpleNamespace(
        folder=tmp_path, round=0, seed=0, run="r0001", form=form, example="hi", base="", pushed=""
    )
    monkeypatch.setattr(written, "export_model", lambda *_, **__: done)
    source: Any = SimpleNamespace(which=None)
    written.write_model(source, tmp_path, form, None, None, None, replace=False, push=None)
    assert f"elsewhere first: pip install {packages})\n" in capsys.readouterr().out

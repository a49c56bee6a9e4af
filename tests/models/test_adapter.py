"""A LoRA adapter that exists already: what is read of it, and each way in which it cannot be used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from engine.errors import ModelError
from engine.models.adapter import (
    CONFIG,
    WEIGHTS,
    adapter_digest,
    check_base,
    copy_adapter,
    other_name,
    read_adapter,
)

MODULE = "model.layers.0.self_attn.q_proj"


def write_adapter(
    folder: Path, features: int = 8, r: int = 2, module: str = MODULE, **config: Any
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    told = {"peft_type": "LORA", "r": r, "lora_alpha": 4, "base_model_name_or_path": "a/base"}
    (folder / CONFIG).write_text(json.dumps(told | config), "utf-8")
    prefix = f"base_model.model.{module}"
    weights = {
        f"{prefix}.lora_A.weight": np.ones((2, features), np.float32),
        f"{prefix}.lora_B.weight": np.ones((6, 2), np.float32),
    }
    save_file(weights, folder / WEIGHTS)
    return folder


def write_base(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: np.ones(shape, np.float32) for name, shape in shapes.items()},
        folder / "model.safetensors",
    )
    return folder


def test_an_adapter_is_read_and_fits_its_base(tmp_path: Path) -> None:
    adapter = read_adapter(write_adapter(tmp_path / "adapter"))
    assert (adapter.base, adapter.r, adapter.alpha) == ("a/base", 2, 4.0)
    assert adapter.shapes == {MODULE: (8, 6)}
    check_base(adapter, write_base(tmp_path / "base", {f"{MODULE}.weight": (6, 8)}))
    # As a checkpoint names it that is part of a larger model, with the inputs first.
    check_base(adapter, write_base(tmp_path / "other", {f"language.{MODULE}.weight": (8, 6)}))
    # Weights that are no safetensors say nothing.
    check_base(adapter, tmp_path)


@pytest.mark.parametrize("embeddings", ["model.embed_tokens", "transformer.wte"])
def test_the_output_layer_of_a_tied_base_has_the_weights_of_its_embeddings(
    tmp_path: Path, embeddings: str
) -> None:
    adapter = read_adapter(write_adapter(tmp_path / "adapter", module="lm_head"))
    check_base(adapter, write_base(tmp_path / "tied", {f"{embeddings}.weight": (6, 8)}))
    with pytest.raises(ModelError, match="lm_head is 6 x 8 for it, and 6 x 16"):
        check_base(adapter, write_base(tmp_path / "larger", {f"{embeddings}.weight": (6, 16)}))
    with pytest.raises(ModelError, match="has no lm_head"):
        check_base(adapter, write_base(tmp_path / "other", {f"{MODULE}.weight": (6, 8)}))


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({f"{MODULE}.weight": (6, 16)}, "is 6 x 8 for it, and 6 x 16"),
        ({"model.layers.0.mlp.up_proj.weight": (6, 8)}, f"has no {MODULE}"),
    ],
)
def test_an_adapter_of_another_base_is_told_by_its_shapes(
    tmp_path: Path, shapes: Mapping[str, tuple[int, ...]], message: str
) -> None:
    adapter = read_adapter(write_adapter(tmp_path / "adapter"))
    with pytest.raises(ModelError, match="of another base model") as error:
        check_base(adapter, write_base(tmp_path / "base", shapes))
    assert message in error.value.message
    assert "it says it was trained on a/base" in error.value.message


@pytest.mark.parametrize(
    ("base", "model", "other"),
    [
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "embedded/smollm2-135m-instruct", False),
        ("/cache/models--a--Base/snapshots/0f3", "a/base@main", False),
        ("a/base", "/models/other", True),
        ("", "a/base", False),
    ],
)
def test_names_of_bases_are_compared_by_their_last_part(
    tmp_path: Path, base: str, model: str, other: bool
) -> None:
    adapter = read_adapter(write_adapter(tmp_path, base_model_name_or_path=base))
    assert other_name(adapter, model) is other


def _cut(folder: Path) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[:-5])


def _garbage(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(b"<html>404</html>" * 8)


def _pickled(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "adapter_model.bin")


def _whole_model(folder: Path) -> None:
    (folder / CONFIG).rename(folder / "config.json")


def _unreadable(folder: Path) -> None:
    (folder / CONFIG).write_text("{", "utf-8")


def _other_rank(folder: Path) -> None:
    write_adapter(folder, r=3)


def _other_kind(folder: Path) -> None:
    write_adapter(folder, peft_type="PROMPT_TUNING")


def _no_lora(folder: Path) -> None:
    save_file({"x.weight": np.ones((2, 2), np.float32)}, folder / WEIGHTS)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / CONFIG).unlink(), "it has no adapter_config.json"),
        (lambda folder: (folder / WEIGHTS).unlink(), "adapter_model.safetensors is missing"),
        (_pickled, "unpickling can run code"),
        (_whole_model, "is a whole model"),
        (_unreadable, "cannot be read"),
        (_cut, "is broken or cut"),
        (_garbage, "is broken or cut"),
        (_other_rank, "do not belong together"),
        (_other_kind, "of the kind 'PROMPT_TUNING'"),
        (_no_lora, "holds no LoRA weights"),
    ],
)
def test_what_is_no_whole_adapter_is_refused(tmp_path: Path, harm: Any, message: str) -> None:
    harm(write_adapter(tmp_path))
    with pytest.raises(ModelError) as error:
        read_adapter(tmp_path)
    assert message in error.value.message


def test_a_copy_has_the_digest_of_what_was_copied(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "adapter")
    (folder / "README.md").write_text("not part of it", "utf-8")
    copy_adapter(folder, tmp_path / "state" / "models" / "x")
    assert adapter_digest(tmp_path / "state" / "models" / "x") == adapter_digest(folder)
    before = adapter_digest(folder)
    write_adapter(folder, lora_alpha=8)
    assert adapter_digest(folder) != before

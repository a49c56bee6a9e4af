"""Whoever adds a place that opens a file says why it is harmless."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from engine.errors import EngineError
from tests.security.openings import OPENINGS

ENGINE = Path(__file__).resolve().parents[2] / "engine"
OPENERS = frozenset(
    {
        "LLM", "Llama", "ParquetFile", "SentenceTransformer", "connect", "copyfile", "fromfile",
        "from_file", "from_pretrained", "genfromtxt", "load_dataset", "load_file",
        "load_from_disk", "load_workbook", "loadtxt", "memmap", "mmap", "open", "read_bytes",
        "read_csv", "read_json", "read_parquet", "read_table", "read_text", "safe_open",
        "snapshot_download",
    }
)  # fmt: skip
OURS = {"Project.open", "Store.open"}
"""Calls of these names that go on to others in this list."""
LOADERS = {"from_pretrained", "SentenceTransformer"}


def openings(node: ast.AST, inside: str = "") -> Iterator[str]:
    """Yield the names of the functions that open something."""
    for child in ast.iter_child_nodes(node):
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        name = getattr(child, "name", "") if is_function else inside
        called = child.func if isinstance(child, ast.Call) else None
        if called and _last(called) in OPENERS and ast.unparse(called) not in OURS:
            yield inside
        yield from openings(child, name)


def _last(called: ast.expr) -> str:
    return str(getattr(called, "attr", getattr(called, "id", "")))


@cache
def modules() -> dict[str, ast.Module]:
    """Return what each module of the engine holds that has the name of an opener in it."""
    texts = {
        file.relative_to(ENGINE).as_posix(): file.read_text("utf-8")
        for file in ENGINE.rglob("*.py")
    }
    return {
        name: ast.parse(text)
        for name, text in texts.items()
        if any(f"{opener}(" in text for opener in OPENERS)
    }


def test_every_place_that_opens_a_file_is_known() -> None:
    found = {
        f"{name}::{function}" for name, module in modules().items() for function in openings(module)
    }
    assert not sorted(found - set(OPENINGS)), "let its path pass engine.gate, or say why not"
    assert not sorted(set(OPENINGS) - found), "these open nothing any more"


def test_a_new_place_would_be_found() -> None:
    code = (
        "def f(path):\n    with path.open() as s: pass\ndef g():\n    open('x')\nload_dataset('y')"
    )
    assert list(openings(ast.parse(code))) == ["f", "g", ""]


def test_models_are_loaded_without_their_code_and_without_pickles() -> None:
    unsafe = []
    for name, module in modules().items():
        for node in ast.walk(module):
            if not isinstance(node, ast.Call) or _last(node.func) not in LOADERS:
                continue
            called = ast.unparse(node.func)
            given = {key.arg: ast.unparse(key.value) for key in node.keywords}
            if called.startswith(("PeftModel.", "LoraConfig.")):
                # Neither can run code; the folder has safetensors (models.adapter), or is the engine's own.
                continue
            if given.get("trust_remote_code") != "False":
                unsafe.append(f"{name}:{node.lineno}: {called} may run a model's code")
            # GGUF of our own cache is no safetensors, and no pickle.
            weights = called.startswith("AutoModel") and "gguf_file" not in given
            if weights and given.get("use_safetensors") != "True":
                unsafe.append(f"{name}:{node.lineno}: {called} may unpickle")
    assert not unsafe


def test_nothing_else_unpickles_or_trusts() -> None:
    """Not in templates either: what is exported is run by others."""
    words = (
        "import pickle", "import dill", "import joblib", "import cloudpickle", "torch.load(", "allow_pickle=True",
        "trust_remote_code=True", "weights_only=False", "read_pickle", "import marshal", "import shelve",
    )  # fmt: skip
    files = [file for end in ("py", "jinja", "j2") for file in ENGINE.rglob(f"*.{end}")]
    found = [
        f"{file.relative_to(ENGINE)}: {word}"
        for file in files
        for text in [file.read_text("utf-8")]
        for word in words
        if word in text
    ]
    # Between processes of the engine: through a pipe that nobody else has, or in a cluster whose machines run what they
    # are told anyway.
    assert sorted(found) == [
        "run/executors/arrow.py: import pickle",
        "sandbox/wire.py: import pickle",
    ]
    use = (ENGINE / "export" / "model" / "use.py.jinja").read_text("utf-8")
    assert use.count("trust_remote_code=False") == use.count(".from_pretrained(") - 1  # of peft


@pytest.mark.models
@pytest.mark.parametrize("role", ["student", "tokenizer", "embedder", "training"])
def test_a_model_folder_with_code_is_refused_and_nobody_is_asked(
    role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.backends.entry import ModelRef
    from engine.backends.http.connection import load_tokenizer as of_server
    from engine.backends.local import weights
    from engine.backends.sentence_transformers import LocalEmbedder, SentenceTransformersSettings

    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asked"))
    ran = tmp_path / "ran"
    (tmp_path / "evil.py").write_text(f"open({str(ran)!r}, 'w')\nclass Evil: pass\n", "utf-8")
    kinds = ("AutoConfig", "AutoModelForCausalLM", "AutoModel", "AutoTokenizer")
    auto = {kind: "evil.Evil" for kind in kinds} | {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}
    config = {"model_type": "evil", "auto_map": auto, "tokenizer_class": "Evil"}
    for name in ("config.json", "tokenizer_config.json"):
        (tmp_path / name).write_text(json.dumps(config), "utf-8")
    modules_of_it = [{"idx": 0, "name": "0", "path": "", "type": "evil.Evil"}]
    (tmp_path / "modules.json").write_text(json.dumps(modules_of_it), "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    embedder = LocalEmbedder(ModelRef("e", tmp_path), SentenceTransformersSettings(device="cpu"))
    load: dict[str, Callable[[], object]] = {
        "student": lambda: weights._load_model(tmp_path, "float32", "cpu"),
        "tokenizer": lambda: of_server(str(tmp_path), tmp_path),
        "embedder": lambda: embedder.embed(["a"]),
        "training": lambda: weights.load_tokenizer(tmp_path),
    }
    with pytest.raises(EngineError):
        load[role]()
    assert not ran.exists()


@pytest.mark.models
def test_an_embedder_with_a_pickled_module_is_refused(tmp_path: Path) -> None:
    from engine.backends.entry import ModelRef
    from engine.backends.sentence_transformers import LocalEmbedder, SentenceTransformersSettings

    (tmp_path / "2_Dense").mkdir()
    (tmp_path / "2_Dense" / "pytorch_model.bin").touch()
    embedder = LocalEmbedder(ModelRef("e", tmp_path), SentenceTransformersSettings(device="cpu"))
    with pytest.raises(EngineError, match="unpickling can run code"):
        embedder.embed(["a"])

"""Whoever adds a place that opens a file says why it is harmless."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

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
    loads = {"AutoTokenizer", "AutoConfig", "AutoModelForCausalLM"}
    for name, module in modules().items():
        for node in ast.walk(module):
            if not isinstance(node, ast.Call) or _last(node.func) not in LOADERS:
                continue
            called = ast.unparse(node.func)
            given = {key.arg for key in node.keywords}
            if called in {f"{kind}.from_pretrained" for kind in loads} | {"SentenceTransformer"}:
                needed = {"trust_remote_code"}
                # GGUF of our own cache is no safetensors, and no pickle.
                if called.startswith("AutoModel") and "gguf_file" not in given:
                    needed.add("use_safetensors")
                if needed - given and "gguf_file" not in given:
                    unsafe.append(f"{name}:{node.lineno}: {called}")
    assert not unsafe

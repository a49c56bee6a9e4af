"""Whoever adds a place that opens a file says why it is harmless."""

from __future__ import annotations

import ast
from collections.abc import Iterator
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


def openings(node: ast.AST, inside: str = "") -> Iterator[str]:
    """Yield the names of the functions that open something."""
    for child in ast.iter_child_nodes(node):
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        name = getattr(child, "name", "") if is_function else inside
        if isinstance(child, ast.Call) and ast.unparse(child.func) not in OURS:
            called = child.func
            if getattr(called, "attr", getattr(called, "id", "")) in OPENERS:
                yield inside
        yield from openings(child, name)


def test_every_place_that_opens_a_file_is_known() -> None:
    found = {
        f"{module.relative_to(ENGINE).as_posix()}::{function}"
        for module in ENGINE.rglob("*.py")
        for function in openings(ast.parse(module.read_text("utf-8")))
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
    for module in ENGINE.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            given = {key.arg for key in node.keywords}
            loads = {"AutoTokenizer", "AutoConfig", "AutoModelForCausalLM"}
            if called in {f"{kind}.from_pretrained" for kind in loads} | {"SentenceTransformer"}:
                needed = {"trust_remote_code"}
                # GGUF of our own cache is no safetensors, and no pickle.
                if called.startswith("AutoModel") and "gguf_file" not in given:
                    needed.add("use_safetensors")
                if needed - given and "gguf_file" not in given:
                    unsafe.append(f"{module.name}:{node.lineno}: {called}")
    assert not unsafe

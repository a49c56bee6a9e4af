"""No file is opened for a recipe that its user did not let it read."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

from engine import gate
from engine.errors import EngineError, Problem, RecipeError
from engine.plan.validate import check_recipe
from engine.spec.loader import load

SECRET = "the words that nobody may read"
HERE = "data/train.jsonl"
RECIPE = """recipe: 1
name: shared
vars: {data: data}
task: {kind: classification, input: [text], target: label, description: Mail.}
data:
  train: {path: data/train.jsonl}
  validation: {path: data/train.jsonl}
  test: {path: data/train.jsonl}
models:
  student: {backend: scripted, model: student}
  teacher: {backend: scripted, model: teacher}
  judge: {backend: scripted, model: judge}
  embedder: {backend: scripted, model: embedder}
metrics: [accuracy]
failure: accuracy < 1
augment: {operators: [{name: paraphrase}]}
quality: {judge: advises}
"""
ROWS = "".join(f"{json.dumps({'text': f'{SECRET} {n}', 'label': 'ab'[n % 2]})}\n" for n in range(4))
_opened: list[str] | None = None


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if _opened is not None and event in {"open", "os.listdir", "os.scandir"}:
        place = arguments[0]
        if isinstance(place, str | bytes | os.PathLike):
            _opened.append(os.path.realpath(os.fsdecode(place)))


sys.addaudithook(_note)


class Places(NamedTuple):
    """A project that came from somebody else, and what lies beside it on the user's machine."""

    project: Path
    outside: Path

    @property
    def secret(self) -> Path:
        return self.outside / "secret.jsonl"

    def write(self, text: str) -> Path:
        file = self.project / "recipe.yaml"
        file.write_text(text, "utf-8")
        return file


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    """Give a project and a secret outside of it, which must not have been opened in the end."""
    global _opened
    found = Places(tmp_path / "project", tmp_path / "outside")
    (found.project / "data").mkdir(parents=True)
    (found.project / HERE).write_text(ROWS.replace(SECRET, "a mail, number"), "utf-8")
    found.outside.mkdir()
    found.secret.write_text(ROWS, "utf-8")
    yield found
    _opened = None


def complaints(recipe: Path, values: dict[str, str] | None = None) -> list[Problem]:
    """Return what a check of a recipe says, noting what is opened meanwhile."""
    global _opened
    _opened = []
    try:
        return check_recipe(load(recipe, values))
    except RecipeError as error:
        return error.problems


def assert_refused(
    places: Places,
    problems: list[Problem],
    place: str,
    word: str = "lies outside",
    *,
    listed: bool = False,
) -> None:
    """Require an error at the place (`recipe.yaml:6`) that says what to do, and that nothing outside was looked at."""
    seen = [file for file in _opened or [] if Path(file).is_relative_to(places.outside)]
    errors = [p for p in problems if p.level == "error"]
    said = "\n".join(map(str, errors))
    assert word in said, said
    assert SECRET not in "\n".join(map(str, problems))
    assert any(place in str(p) and word in p.message and p.hint for p in errors), said
    # A pattern is looked up where it leads; what is there is only listed.
    assert set(seen) <= ({str(places.outside)} if listed else set())


def line(text: str, words: str) -> str:
    """Return where the words stand in the recipe."""
    number = next(n for n, each in enumerate(text.splitlines(), 1) if words in each)
    return f"recipe.yaml:{number}"


def _link(places: Places) -> None:
    (places.project / "link.jsonl").symlink_to(places.secret)


def _linked_folder(places: Places) -> None:
    (places.project / "more").symlink_to(places.outside)


def _environment(places: Places) -> None:
    (places.project / "link.jsonl").symlink_to("/proc/self/environ")


def _device(places: Places) -> None:
    (places.project / "link.jsonl").symlink_to("/dev/zero")


def _nothing(places: Places) -> None:
    pass


PATHS: dict[str, tuple[str, Callable[[Places], None]]] = {
    "absolute": ("{secret}", _nothing),
    "above": ("../outside/secret.jsonl", _nothing),
    "roundabout": ("data/../../outside/secret.jsonl", _nothing),
    "without an ending": ("../outside/secret", _nothing),
    "what is not there": ("../outside/none.jsonl", _nothing),
    "pattern through a link": ("more/*.jsonl", _linked_folder),
    "pattern of links": ("li*.jsonl", _link),
    "deep pattern": ("mor*/s*.jsonl", _linked_folder),
    "link": ("link.jsonl", _link),
    "link without its ending": ("link", _link),
    "folder that is a link": ("more/secret.jsonl", _linked_folder),
    "environment": ("link.jsonl", _environment),
    "device by a link": ("link.jsonl", _device),
}


@pytest.mark.parametrize("name", PATHS)
def test_a_path_of_rows_that_leads_outside(name: str, places: Places) -> None:
    path, plant = PATHS[name]
    plant(places)
    text = RECIPE.replace(HERE, path.format(secret=places.secret), 1)
    problems = complaints(places.write(text))
    assert_refused(places, problems, line(text, "train:"), listed=name == "deep pattern")


@pytest.mark.parametrize("split", ["test", "pool"])
def test_rows_of_every_part(split: str, places: Places) -> None:
    _link(places)
    text = RECIPE.replace(f"  {split}: {{path: {HERE}}}\n", "")
    text = text.replace("models:\n", f"  {split}: {{path: link.jsonl}}\nmodels:\n")
    if split == "pool":
        text = text.replace(
            "operators: [{name: paraphrase}]", "operators: [{name: paraphrase}], mine: {rows: 4}"
        )
    assert_refused(places, complaints(places.write(text)), line(text, f"  {split}:"))


def test_rows_of_a_log(places: Places) -> None:
    text = f"{RECIPE}failures: {{source: logged, path: ../outside/secret.jsonl}}\n"
    assert_refused(places, complaints(places.write(text)), line(text, "failures:"))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM '../outside/secret.jsonl'",
        "SELECT * FROM read_json(['data/train.jsonl', '../outside/secret.jsonl'])",
        "SELECT * FROM 'link.jsonl'",
        "SELECT * FROM '*.jsonl'",
        "SELECT * FROM 'data/train.jsonl' UNION ALL SELECT * FROM 'link.jsonl'",
        "SELECT * FROM 'data/train.jsonl' WHERE text IN (SELECT text FROM '{secret}')",
    ],
)
def test_a_query_that_reads_outside(sql: str, places: Places) -> None:
    _link(places)
    _linked_folder(places)
    query = sql.format(secret=places.secret)
    text = RECIPE.replace(f"path: {HERE}", f'sql: "{query}"', 1)
    assert_refused(places, complaints(places.write(text)), line(text, "train:"))


def test_a_hidden_file_that_duckdb_alone_finds(places: Places) -> None:
    (places.project / "data" / ".x.jsonl").symlink_to(places.secret)
    text = RECIPE.replace(f"path: {HERE}", "sql: \"SELECT * FROM 'data/*.jsonl'\"", 1)
    problems = complaints(places.write(text))
    assert SECRET not in "".join(map(str, problems))
    errors = [p for p in problems if p.level == "error"]
    # Whether it finds such files is its own affair: it reads none.
    assert not errors or "lies outside" in str(errors[0])


@pytest.mark.parametrize("beside", ["", ".wal"])
def test_a_database_outside_or_a_log_beside_it(beside: str, places: Places) -> None:
    with duckdb.connect(str(places.outside / "own.duckdb")) as connection:
        connection.execute("CREATE TABLE t AS SELECT 'a' AS text, 'b' AS label")
    if beside:
        (places.outside / "own.duckdb").rename(places.project / "own.duckdb")
        (places.project / f"own.duckdb{beside}").symlink_to(places.secret)
    else:
        (places.project / "own.duckdb").symlink_to(places.outside / "own.duckdb")
    text = RECIPE.replace(f"path: {HERE}", 'sql: "SELECT * FROM t", database: own.duckdb', 1)
    assert_refused(places, complaints(places.write(text)), line(text, "train:"))


@pytest.mark.parametrize("beside", ["-journal", "-wal", "-shm"])
def test_what_sqlite_reads_beside_a_database(beside: str, places: Places) -> None:
    with sqlite3.connect(places.project / "own.sqlite") as connection:
        connection.execute("CREATE TABLE t AS SELECT 'a' AS text, 'b' AS label")
    connection.close()
    (places.project / f"own.sqlite{beside}").symlink_to(places.secret)
    text = RECIPE.replace(f"path: {HERE}", 'sql: "SELECT * FROM t", database: own.sqlite', 1)
    assert_refused(places, complaints(places.write(text)), line(text, "train:"))


def test_a_view_in_a_database_opens_no_file(places: Places) -> None:
    with duckdb.connect(str(places.project / "own.duckdb")) as connection:
        connection.execute(f"CREATE VIEW t AS SELECT * FROM read_json('{places.secret}')")
    text = RECIPE.replace(f"path: {HERE}", 'sql: "SELECT * FROM t", database: own.duckdb', 1)
    problems = complaints(places.write(text))
    assert SECRET not in "".join(map(str, problems))
    assert any("disabled" in p.message or "Permission" in p.message for p in problems)


@pytest.mark.parametrize(
    "address",
    [
        "hf://./data/train",
        "hf://~/outside/train",
        "hf://o/n@../x/train",
    ],
)
def test_an_address_of_the_hub_is_never_a_place_here(address: str, places: Places) -> None:
    text = RECIPE.replace(HERE, address, 1)
    word = "no name of a data set on the Hugging Face Hub"
    assert_refused(places, complaints(places.write(text)), line(text, "train:"), word)


def test_a_folder_with_the_name_of_a_data_set(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.data.sources.hub import Hub

    (places.project / "own" / "rows").mkdir(parents=True)
    monkeypatch.chdir(places.project)
    monkeypatch.setattr(Hub, "reachable", lambda _: None)
    with pytest.raises(RecipeError, match="the working directory has something of this name"):
        list(Hub("hf://own/rows/train").rows())


@pytest.mark.parametrize(
    "configs",
    [
        {"data_files": "/etc/passwd"},
        {"data_files": [{"split": "train", "path": ["~/x.jsonl"]}]},
        {"data_files": "../../x.jsonl"},
        {"data_files": "file:///etc/passwd"},
        {"data_files": "http://127.0.0.1/x.jsonl"},
        {"data_files": "zip://x::/etc/a.zip"},
        {"data_dir": "/etc"},
    ],
)
def test_a_data_set_of_the_hub_names_its_own_files_alone(
    configs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    from engine.data.sources.hub import Hub

    class Found:
        siblings = ()
        card_data = {"configs": [{"config_name": "default", **configs}]}  # noqa: RUF012

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *_, **__: Found())
    refused = Hub("hf://own/rows/train").reachable()
    assert refused is not None
    assert "files that are not its own" in refused.message
    assert refused.hint


def _saved(places: Places, file: str, *, link: bool = False) -> None:
    folder = places.project / "saved"
    folder.mkdir()
    state = {"_data_files": [{"filename": file}], "_split": "train"}
    (folder / "state.json").write_text(json.dumps(state), "utf-8")
    (folder / "dataset_info.json").write_text("{}", "utf-8")
    if link:
        (folder / file).symlink_to(places.secret)


@pytest.mark.parametrize(
    ("file", "link"),
    [("{secret}", False), ("../../outside/secret.jsonl", False), ("data.arrow", True)],
)
def test_a_saved_data_set_that_names_files_elsewhere(file: str, link: bool, places: Places) -> None:
    _saved(places, file.format(secret=places.secret), link=link)
    text = RECIPE.replace(HERE, "saved", 1)
    assert_refused(places, complaints(places.write(text)), "saved")


@pytest.mark.parametrize(
    "path", ["${data}/../secret.jsonl", "${data}/../../outside/secret.jsonl", "${data}x/../secret"]
)
def test_what_the_user_names_is_not_what_lies_beside_it(path: str, places: Places) -> None:
    given = places.outside / "given"
    given.mkdir()
    text = RECIPE.replace(HERE, f'"{path}"', 1)
    problems = complaints(places.write(text), {"data": str(given)})
    assert_refused(places, problems, line(text, "train:"))


def test_one_file_that_the_user_names_is_that_file_alone(places: Places) -> None:
    given = places.outside / "given.jsonl"
    given.write_text(ROWS.replace(SECRET, "given"), "utf-8")
    query = "SELECT * FROM '${data}' UNION ALL SELECT * FROM '../outside/secret.jsonl'"
    text = RECIPE.replace(f"path: {HERE}", f'sql: "{query}"', 1)
    problems = complaints(places.write(text), {"data": str(given)})
    assert any("lies outside" in p.message for p in problems)
    assert SECRET not in "".join(map(str, problems))


def test_a_root_is_not_made_of_a_lone_slash(places: Places) -> None:
    text = RECIPE.replace(HERE, f'"${{data}}{str(places.secret)[1:]}"', 1)
    problems = complaints(places.write(text), {"data": "/"})
    assert any("lies outside" in p.message for p in problems)


def _model(places: Places, at: Path) -> None:
    at.mkdir(parents=True)
    (at / "config.json").write_text("{}", "utf-8")
    (at / "tokenizer.json").symlink_to(places.secret)


_STUDENT = "backend: transformers, model: embedded/smollm2-135m-instruct"
MODELS: dict[str, tuple[str, str]] = {
    "replies": ("teacher", "backend: scripted, model: t, replies: ../outside/secret.jsonl"),
    "replies by a link": ("teacher", "backend: scripted, model: t, replies: link.jsonl"),
    "model outside": ("student", "backend: transformers, model: ../outside"),
    "model by a link": ("student", "backend: transformers, model: more"),
    "model with a link": ("student", "backend: transformers, model: own"),
    "adapter outside": ("student", f"{_STUDENT}, adapter: ../outside"),
    "adapter with a link": ("student", f"{_STUDENT}, adapter: own"),
    "embedder outside": ("embedder", "backend: sentence-transformers, model: ../outside"),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_and_their_files(name: str, places: Places) -> None:
    role, written = MODELS[name]
    for plant in (_link, _linked_folder):
        plant(places)
    _model(places, places.project / "own")
    model = written.format(secret=places.secret, outside=places.outside)
    text = RECIPE.replace(f"backend: scripted, model: {role}", model)
    assert_refused(places, complaints(places.write(text)), line(text, f"  {role}:"))


@pytest.mark.parametrize("name", ["../outside", "{outside}/m.gguf", "more", "link.jsonl", "two"])
def test_weights_in_gguf(name: str, places: Places) -> None:
    from engine.models import locate

    _link(places)
    _linked_folder(places)
    (places.project / "two").mkdir()
    (places.project / "two" / "m-00001-of-00002.gguf").write_bytes(b"GGUF")
    (places.project / "two" / "m-00002-of-00002.gguf").symlink_to(places.secret)
    with pytest.raises(EngineError, match="lies outside") as error:
        locate(name.format(outside=places.outside), places.project, "gguf")
    assert "--allow" in error.value.hint


@pytest.mark.parametrize("name", ["../outside", "{outside}", "more", "own"])
def test_a_tokenizer_outside(name: str, places: Places) -> None:
    from engine.backends.http.connection import load_tokenizer

    _linked_folder(places)
    _model(places, places.project / "own")
    with pytest.raises(EngineError, match="lies outside") as error:
        load_tokenizer(name.format(outside=places.outside), places.project)
    assert "--allow" in error.value.hint


def test_a_tokenizer_is_not_taken_from_the_working_directory(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.backends.http.connection import load_tokenizer

    monkeypatch.chdir(places.outside)
    (places.outside / "own" / "words").mkdir(parents=True)
    with pytest.raises(EngineError, match="the working directory has something of that name"):
        load_tokenizer("own/words", places.project)


FILES = {
    "taxonomy": ("taxonomies/own.yaml", "patterns: {taxonomy: {file: taxonomies/own.yaml}}\n"),
    "method": ("methods/own.yaml", "loop: {method: own}\n"),
    "pack": ("prompts/own/pack.yaml", ""),
}


@pytest.mark.parametrize("kind", FILES)
def test_files_beside_a_recipe_that_are_links(kind: str, places: Places) -> None:
    name, more = FILES[kind]
    file = places.project / name
    file.parent.mkdir(parents=True)
    file.symlink_to(places.secret)
    assert_refused(places, complaints(places.write(RECIPE + more)), "")


@pytest.mark.parametrize("name", ["../outside/own.yaml", "{outside}/own.yaml"])
def test_a_taxonomy_outside(name: str, places: Places) -> None:
    path = name.format(outside=places.outside)
    text = f"{RECIPE}patterns: {{taxonomy: {{file: {path}}}}}\n"
    assert_refused(places, complaints(places.write(text)), line(text, "taxonomy:"))


@pytest.mark.parametrize("name", ["../outside", "{outside}", "more"])
def test_operators_outside(name: str, places: Places) -> None:
    _linked_folder(places)
    path = name.format(outside=places.outside)
    text = RECIPE.replace(
        "[{name: paraphrase}]", f"[{{name: paraphrase}}], operator_folders: [{path}]"
    )
    assert_refused(places, complaints(places.write(text)), line(text, "operator_folders"))


@pytest.mark.parametrize("folder", ["prompts", "schemas", "methods"])
def test_a_folder_beside_a_recipe_that_is_a_link(folder: str, places: Places) -> None:
    (places.outside / "small").mkdir()
    for name in ("own.yaml", "diagnosis.schema.json", "small/pack.yaml"):
        (places.outside / name).write_text(SECRET, "utf-8")
    (places.project / folder).symlink_to(places.outside)
    problems = complaints(places.write(RECIPE))
    assert [p for p in problems if "lies outside" in p.message and "--allow" in p.hint]
    assert SECRET not in "".join(map(str, problems))


def test_a_pipe_is_not_waited_for(places: Places) -> None:
    os.mkfifo(places.project / "pipe.jsonl")
    text = RECIPE.replace(HERE, "pipe.jsonl", 1)
    found = complaints(places.write(text))
    assert_refused(places, found, line(text, "train:"), "neither a file nor a folder")


def test_a_recipe_that_is_a_link_in_a_named_folder(places: Places) -> None:
    (places.project / "recipe.yaml").symlink_to(places.secret)
    assert_refused(places, complaints(places.project), "recipe.yaml")


def test_what_the_user_lets_it_read_is_read(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.gate import roots

    text = RECIPE.replace(HERE, '"${data}/train.jsonl"')
    (places.outside / "train.jsonl").write_text(ROWS, "utf-8")
    recipe = places.write(text)

    def errors(values: dict[str, str] | None = None) -> list[Problem]:
        return [p for p in complaints(recipe, values) if "lies outside" in p.message]

    assert not errors()
    assert not errors({"data": str(places.outside)})
    for value in (str(places.outside / "train"), str(places.outside / "t*.jsonl")):
        recipe.write_text(RECIPE.replace(HERE, '"${data}"'), "utf-8")
        assert not errors({"data": value})
    recipe.write_text(RECIPE.replace(HERE, "../outside/train.jsonl"), "utf-8")
    assert errors()
    monkeypatch.setattr(roots, "_allowed", {})
    gate.allow(places.outside / "train.jsonl")
    assert not errors()
    monkeypatch.setattr(roots, "_allowed", {})
    assert errors()
    monkeypatch.setenv("PADA_CONFIG", str(places.project.parent / "settings"))
    file = gate.remember(places.outside)
    assert not errors()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_project_file_makes_one_project_of_what_is_below_it(places: Places) -> None:
    text = RECIPE.replace(HERE, "../outside/secret.jsonl")
    recipe = places.write(text)
    assert [p for p in complaints(recipe) if "lies outside" in p.message]
    (places.project.parent / "pada.yaml").write_text("", "utf-8")
    assert not [p for p in complaints(recipe) if "lies outside" in p.message]


def test_a_project_file_in_the_users_home_makes_none(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(places.project.parent))
    (places.project.parent / "pada.yaml").write_text("", "utf-8")
    assert gate.project_of(places.project) == places.project.resolve()


def test_keys_in_the_hubs_folder_are_not_in_its_cache(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HUB_CACHE", "HF_DATASETS_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(places.outside))
    (places.outside / "hub").mkdir()
    assert gate.passed(places.outside / "hub" / "x.jsonl", places.project, EngineError)
    with pytest.raises(EngineError, match="lies outside"):
        gate.passed(places.outside / "token", places.project, EngineError)

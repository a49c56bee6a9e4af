"""A project over three git repositories: installed, run, upgraded, compared, rolled back, run again, given away."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pytest

from engine.spec.package_data import shipped
from tests.e2e.runs import Ended, pada_here, results, rows
from tests.e2e.scripted_project import write_project
from tests.packages.made import Commit, make_repository, package
from tests.versions.made import commit, git

pytestmark = pytest.mark.runs

BASE = """\
recipe: 1
name: base
vars:
  rows: {type: int, description: Rows of a round.}
task: {kind: classification, input: [text], target: kind}
metrics: [accuracy]
failure: accuracy < 1
patterns: {taxonomy: wording/kinds/mail.yaml, cluster: {k: 3}}
augment: {rows_per_round: "${rows}", oversample: OVERSAMPLE}
quality:
  judge: decides
  attempts: 1
  gates: {neighbours: off, similarity: off, near_duplicate: off}
  leak_guard: {ngram: 9, quantile: 1.0}
train: {r: 1, steps: 1}
loop: {rounds: 1, control: false, stop: {patience: 9}}
seeds: [0]
"""
RECIPE = """\
recipe: 1
name: support
version: 1.0.0
extends: desk/recipes/base.yaml
vars: {rows: 12}
data:
  train: {path: train.jsonl}
  validation: {path: validation.jsonl}
  test: {path: operators/data/test.jsonl}
models:
  student: {backend: scripted, model: student}
  teacher: {backend: scripted, model: teacher, replies: replies.jsonl}
  judge: {backend: scripted, model: judge, replies: verdicts.jsonl}
  embedder: {backend: scripted, model: embedder}
task: {description: Short rows; the answer names their kind.}
+metrics: [macro_f1]
augment:
  operators: [{name: operators/operators/reword, params: {variants: 2}}]
"""
KINDS = """\
taxonomy: 1
mode: hybrid
categories:
  - {id: words, description: WORDS}
"""
RECIPE_FOLDER = "recipes/support"


def desk(version: str, oversample: float, wording: str) -> Commit:
    asks = f"packages: [{{git: '{wording}', revision: '>=1,<2'}}]\n"
    files = {
        "recipes/base.yaml": BASE.replace("OVERSAMPLE", str(oversample)),
        "recipes/unused.yaml": "taxonomy: 1\n",
    }
    return Commit(package("desk", version, asks, **files), [f"v{version}"])


def wording(version: str, words: str) -> Commit:
    kinds = KINDS.replace("WORDS", words)
    return Commit(package("wording", version, **{"kinds/mail.yaml": kinds}), [f"v{version}"])


def operators(version: str, data: str) -> Commit:
    ours = shipped("prompts").parent / "engine" / "operators" / "paraphrase"
    files = {
        f"operators/reword/{file.relative_to(ours)}": file.read_text("utf-8").replace(
            "name: paraphrase", "name: reword"
        )
        for file in ours.rglob("*")
        if file.suffix in (".yaml", ".md")
    }
    files["data/test.jsonl"] = data
    return Commit(package("operators", version, **files), [f"v{version}"])


def pada(*words: object, code: int = 0) -> Ended:
    done = pada_here(*words)
    assert done.code == code, done.out + done.errors
    return done


def said(done: Ended) -> str:
    return " ".join((done.out + done.errors).split())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in git that depends on two repositories, one of which asks for a third; the current folder."""
    repositories = tmp_path / "git"
    texts = make_repository(repositories / "wording.git", wording("1.0.0", "Words are mixed up."))
    base = make_repository(repositories / "desk.git", desk("1.0.0", 1.5, texts))
    folder = tmp_path / "app"
    (folder / "recipes").mkdir(parents=True)
    data = write_project(folder / RECIPE_FOLDER, validation=10).with_name("test.jsonl")
    made = make_repository(
        repositories / "operators.git", operators("1.0.0", data.read_text("utf-8"))
    )
    data.unlink()
    (folder / RECIPE_FOLDER / "recipe.yaml").write_text(RECIPE, "utf-8")
    (folder / ".gitignore").write_text(".pada/\n", "utf-8")
    (folder / "pada.yaml").write_text(
        "project: 1\nname: app\npackages:\n"
        f"- {{git: '{base}', revision: '>=1.0,<2'}}\n- {{git: '{made}', revision: v1.0.0}}\n",
        "utf-8",
    )
    git(folder, "init", "-q", "-b", "main")
    monkeypatch.setenv("PADA_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(folder)
    return folder


def test_a_project_over_three_repositories_is_run_upgraded_compared_rolled_back_and_given_away(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repositories, state = tmp_path / "git", project / ".pada"

    assert "desk: v1.0.0" in said(pada("deps"))
    assert "3 packages are installed as locked" in said(pada("deps", "--check"))
    commit(project, "first", "v1")
    assert "no problems" in said(pada("validate", "."))
    pada("run", RECIPE_FOLDER, "--quiet")

    # What a new version changes, before anything is run.
    make_repository(repositories / "wording.git", wording("1.1.0", "One word is another's."))
    make_repository(
        repositories / "desk.git", desk("1.1.0", 2.0, f"file://{repositories}/wording.git")
    )
    assert "installed already, as locked" in said(pada("deps"))
    upgraded = said(pada("deps", "--upgrade"))
    assert "desk: v1.0.0" in upgraded
    assert "-> v1.1.0" in upgraded
    assert "operators: v1.0.0" in upgraded
    found = json.loads(pada("diff", "r0001", RECIPE_FOLDER, "--json").out)
    assert {change["key"] for change in found["settings"]} == {
        "augment.oversample",
        "patterns.taxonomy.categories.words.description",
    }
    assert [package["name"] for package in found["packages"]] == ["desk", "wording"]
    assert found["libraries"] == found["files"] == found["notes"] == []
    pending = {node["stage"]: node["because"] for node in found["pending"]}
    assert pending["diagnose"].startswith("categories: ")
    assert pending["generate"] == "oversample: 1.5 -> 2"
    assert pending["judge"].startswith("input changed: ")
    assert "score" not in {node["stage"] for node in found["pending"] if "round-0" in node["node"]}
    commit(project, "second", "v2")
    shutil.rmtree(state / "packages")
    pada("deps", "--offline")
    between = json.loads(pada("diff", RECIPE_FOLDER, "v1..v2", "--json").out)
    assert [c["key"] for c in between["settings"]] == [c["key"] for c in found["settings"]]
    assert {c["after_at"] for c in between["settings"]} == {
        "desk/recipes/base.yaml:9",
        "wording/kinds/mail.yaml:4",
    }
    assert between["packages"] == found["packages"]
    assert between["pending"] == found["pending"]
    assert between["notes"] == []
    refused = said(pada("diff", "desk/recipes/base", "v1..v2", code=2))
    assert "desk/recipes/base is a recipe of the package desk" in refused

    pada("run", RECIPE_FOLDER, "--quiet")
    second = results(state)
    # With what it kept, whatever is locked now.
    assert "nothing left to do" in said(pada("rerun", "r0001"))

    # Back to what was locked before.
    git(project, "checkout", "-q", "v1", "--", "pada.lock")
    pada("deps")
    plan = said(pada("plan", RECIPE_FOLDER))
    assert " pending" not in plan
    assert " changed" not in plan
    versions = [
        json.loads(line) for line in pada("history", RECIPE_FOLDER, "--json").out.splitlines()
    ]
    assert [(v["tags"], [run["run"] for run in v["runs"]]) for v in versions] == [
        (["v2"], ["r0002"]),
        (["v1"], ["r0001"]),
    ]

    # Elsewhere, without repositories, packages, network and git.
    file = tmp_path / "run.tar.gz"
    pada("bundle", "r0001", "--to", file, "--with-data")
    with tarfile.open(file) as archive:
        names = {name for name in archive.getnames() if "pada_packages" in name}
    assert "files/pada_packages/wording/kinds/mail.yaml" in names
    assert "files/pada_packages/operators/operators/reword/operator.yaml" in names
    assert "files/pada_packages/operators/data/test.jsonl" in names
    assert not any("unused" in name for name in names)
    assert str(tmp_path).encode() not in b"".join(_contents(file))
    first = _results_of(state, "r0001")
    project.rename(tmp_path / "gone")
    repositories.rename(tmp_path / "gone.git")
    elsewhere = tmp_path / "colleague"
    elsewhere.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(elsewhere)
        patch.setenv("PADA_CACHE", str(elsewhere / "cache"))
        patch.setenv("PATH", str(elsewhere))
        done = pada("rerun", file, "--to", "support", "--quiet")
    assert "all scores are equal" in said(done)
    assert results(elsewhere / "support" / "state") == first != second

    # A full cache is enough; a tag that moved is an error.
    (tmp_path / "gone").rename(project)
    shutil.rmtree(state / "packages")
    monkeypatch.chdir(project)
    pada("deps", "--offline")
    (tmp_path / "gone.git").rename(repositories)
    edited = Commit(package("operators", "1.0.0", **{"operators/x": "another"}), ["v1.0.0"])
    make_repository(repositories / "operators.git", edited)
    assert "the tag v1.0.0 of operators" in said(pada("deps", code=2))


def _contents(file: Path) -> list[bytes]:
    with tarfile.open(file) as archive:
        opened = [archive.extractfile(entry) for entry in archive]
        return [each.read() for each in opened if each is not None]


def _results_of(state: Path, run: str) -> dict[str, str]:
    found = rows(
        state,
        "SELECT rn.name, n.content FROM run_node rn JOIN node n ON n.id = rn.node"
        f" WHERE rn.run = '{run}' AND rn.status <> 'skipped' ORDER BY rn.position",
    )
    return {row["name"]: row["content"] for row in found}

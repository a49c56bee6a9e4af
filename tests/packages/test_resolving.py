"""Which version is taken, of tags that are written here: no git is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from engine.errors import Location, RecipeError
from engine.packages.choosing import Choice, Refs, Request, Source, choose
from engine.packages.resolving import Manifest, Resolved, resolve
from engine.spec.repository.lock_file import Locked

HERE = Location("pada.yaml", 5)
TAGS = [
    "v1.0.0",
    "v1.2.0",
    "1.3.0",
    "v1.10.1",
    "v1.11.0-rc.1",
    "v2.0.0",
    "v2.1.0-1",
    "nightly",
    "v3",
]


def commit(name: str) -> str:
    return (name.encode().hex() + "0" * 40)[:40]


def refs(tags: Sequence[str] = TAGS, branches: Sequence[str] = ("main",)) -> Refs:
    known = {commit("lone")}
    return Refs(
        {tag: commit(tag) for tag in tags},
        {name: commit(name) for name in branches},
        lambda begin: next((c for c in known if c.startswith(begin)), None),
    )


def ask(revision: str, git: str = "https://host/pack", who: str = ".") -> Request:
    return Request(who, () if who == "." else (who,), Source(git, ""), revision, HERE)


@pytest.mark.parametrize(
    ("revisions", "taken"),
    [
        ([">=1.2,<2"], "v1.10.1"),
        (["<2"], "v1.10.1"),
        (["~=1.2"], "v1.10.1"),
        (["==1.2.*"], "v1.2.0"),
        ([">=1.11.0rc1,<2"], "v1.11.0-rc.1"),
        ([">=1.0", "<1.10"], "1.3.0"),
        ([">=1.0", "v1.2.0"], "v1.2.0"),
        (["v1.2.0"], "v1.2.0"),
        (["nightly"], "nightly"),
        (["main"], "main"),
        ([commit("lone")], commit("lone")[:12]),
        ([commit("lone")[:9]], commit("lone")[:12]),
    ],
)
def test_the_newest_that_all_can_have_is_taken(revisions: list[str], taken: str) -> None:
    assert choose([ask(each) for each in revisions], refs()).revision == taken


@pytest.mark.parametrize(
    ("revisions", "words"),
    [
        ([">=3.1"], ["no version of https://host/pack is '>=3.1'", "v2.0.0", "pre-release"]),
        (["1.2.0"], ["no tag, branch or commit '1.2.0'", "did you mean 'v1.2.0'"]),
        ([commit("gone")], ["the commit is gone"]),
        (["^1.2"], ["'^1.2' is neither versions nor a name", "~=1.4"]),
        (["<1.3", ">=2"], ["asks for '<1.3'", "asks for '>=2'", "what all ask for"]),
        (["main", ">=1"], ["pada.yaml asks for 'main'"]),
    ],
)
def test_what_cannot_be_had_is_explained(revisions: list[str], words: list[str]) -> None:
    with pytest.raises(RecipeError) as refused:
        choose([ask(each) for each in revisions], refs())
    for word in words:
        assert word in str(refused.value)


def locked(tag: str = "", branch: str = "") -> Locked:
    return Locked(
        name="pack",
        git="https://host/pack",
        tag=tag,
        branch=branch,
        commit=commit(tag or "before"),
        content=f"sha256:{'0' * 64}",
        requested={".": "x"},
    )


def test_what_is_locked_stays_where_all_can_have_it() -> None:
    assert choose([ask(">=1.0,<2")], refs(), locked("v1.2.0")).tag == "v1.2.0"
    assert choose([ask(">=1.3,<2")], refs(), locked("v1.2.0")).tag == "v1.10.1"
    assert choose([ask("main")], refs(), locked(branch="main")).commit == commit("before")
    assert choose([ask("main")], refs()).commit == commit("main")


class Shelf:
    """Repositories that are written down: address -> tag -> what that version asks for."""

    def __init__(
        self,
        packages: Mapping[str, Mapping[str, Mapping[str, str]]],
        names: Mapping[str, str] | None = None,
    ) -> None:
        self.packages = packages
        self.names = names or {}

    def refs(self, source: Source) -> Refs:
        return refs(list(self.packages[source.git]))

    def manifest(self, source: Source, choice: Choice) -> Manifest:
        asked = self.packages[source.git][choice.tag]
        name = self.names.get(source.git, source.git)
        return Manifest(name, "", [ask(revision, git, name) for git, revision in asked.items()])


def taken(shelf: Shelf, **asked: str) -> dict[str, str]:
    found: list[Resolved] = resolve(
        [ask(r, git) for git, r in asked.items()], shelf, {}, {"app": "this project"}
    )
    return {one.manifest.name: one.choice.tag for one in found}


def test_ranges_of_several_packages_meet() -> None:
    shelf = Shelf(
        {
            "a": {"v1.0.0": {"c": ">=1,<2"}},
            "b": {"v1.0.0": {"c": "<1.5"}},
            "c": {"v1.4.0": {}, "v1.9.0": {}, "v2.0.0": {}},
        }
    )
    assert taken(shelf, a="v1.0.0", b="v1.0.0") == {"a": "v1.0.0", "b": "v1.0.0", "c": "v1.4.0"}


def test_what_a_version_asks_for_that_is_not_taken_is_no_conflict() -> None:
    shelf = Shelf(
        {
            "a": {"v1.0.0": {"c": "v1.0.0"}, "v2.0.0": {"c": "v2.0.0"}},
            "b": {"v1.0.0": {"a": "<2", "c": "<2"}},
            "c": {"v1.0.0": {}, "v2.0.0": {}},
        }
    )
    assert taken(shelf, a=">=1", b="v1.0.0") == {"a": "v1.0.0", "b": "v1.0.0", "c": "v1.0.0"}


@pytest.mark.parametrize(
    ("shelf", "asked", "words"),
    [
        (
            Shelf({"a": {"v1.0.0": {"c": ">=2"}}, "c": {"v1.0.0": {}, "v2.0.0": {}}}),
            {"a": "v1.0.0", "c": "<2"},
            ["a v1.0.0 asks for '>=2': v2.0.0", "pada.yaml asks for '<2': v1.0.0"],
        ),
        (
            Shelf({"a": {"v1.0.0": {"b": "v1.0.0"}}, "b": {"v1.0.0": {"a": "v1.0.0"}}}),
            {"a": "v1.0.0"},
            ["these packages ask for each other: a → b → a"],
        ),
        (
            Shelf({"a": {"v1.0.0": {}}, "b": {"v1.0.0": {}}}, {"a": "same", "b": "same"}),
            {"a": "v1.0.0", "b": "v1.0.0"},
            ["two packages are called 'same': a and b"],
        ),
        (
            Shelf({"a": {"v1.0.0": {}}}, {"a": "app"}),
            {"a": "v1.0.0"},
            ["two packages are called 'app': this project and a"],
        ),
    ],
)
def test_packages_that_cannot_be_together_are_explained(
    shelf: Shelf, asked: dict[str, str], words: list[str]
) -> None:
    with pytest.raises(RecipeError) as refused:
        taken(shelf, **asked)
    for word in words:
        assert word in str(refused.value)


def test_addresses_of_one_repository_are_one() -> None:
    assert Source("https://Host/a.git", "").key == Source("https://host/a/", "").key
    assert Source("https://host/a", "x").key != Source("https://host/a", "").key

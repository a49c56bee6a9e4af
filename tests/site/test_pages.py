"""Pages of a tree of recipes."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest

from engine.cli.site.pages import docs_command
from engine.errors import EngineError
from engine.site.pages import making
from engine.site.pages.facts import Box, Graph, RunScores, Student
from engine.site.pages.graph import draw
from engine.site.pages.making import Site, make_site
from engine.site.tree import read_tree
from tests.site.trees import WORDS, write_recipe, write_tree

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """A page's elements and words; every element must be closed in order."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = file.read_text("utf-8")
        self.words = ""
        self.feed(self.text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words += f"{data} "

    def with_tag(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def _made(root: Path, to: Path, *, rows: bool = False) -> Site:
    return make_site(read_tree(root), to, root / ".pada", rows=rows, jobs=1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of a good recipe, a broken one, and one that tries to be markup."""
    folder = tmp_path_factory.mktemp("site")
    root = write_tree(folder / "mail", "invoices")
    write_recipe(root / "broken", ("metrics: [accuracy]", "metrics: [<b>nothing</b>]"))
    write_recipe(
        root / "hostile",
        (
            "Which kind of mail it is.",
            "'</style><script>alert(1)</script><img src=x onerror=alert(2)>'",
        ),
    )
    (root / "hostile" / "prompts").mkdir()
    (root / "hostile" / "prompts" / "diagnose.md").write_text(
        "[[user]]\n</pre></details><script>alert(3)</script> \u202e{{ failures }}\n", "utf-8"
    )
    _made(root, folder / "out")
    return folder / "out"


def test_the_index_has_every_recipe_and_leads_to_its_page(site: Path) -> None:
    index = Page(site / "index.html")
    links = [a["href"] for a in index.with_tag("a") if not (a["href"] or "").startswith("#")]
    assert links == ["recipes/broken.html", "recipes/hostile.html", "recipes/invoices.html"]
    assert all((site / str(link)).is_file() for link in links)
    for words in (
        "mail-recipes",
        "Which kind of mail it is.",
        "classification",
        "1.2.0",
        "not run here",
    ):
        assert words in index.words
    assert "does not load" in index.words


def test_a_page_says_what_the_recipe_is(site: Path) -> None:
    page = Page(site / "recipes" / "invoices.html")
    for words in (
        "diagnose",
        "paraphrase",
        "short_text",
        "length(text) < 20",
        "round 1",
        "rows_per_round: 4",
    ):
        assert words in page.words
    targets = [a["href"] for a in page.with_tag("a") if (a["href"] or "").startswith("#")]
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert {str(target)[1:] for target in targets} <= ids
    (picture,) = page.with_tag("svg")
    assert picture["role"] == "img"
    assert int(str(picture["width"])) <= 380


def test_without_rows_no_page_has_any(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "mail")
    _made(root, tmp_path / "out")
    text = html.unescape((tmp_path / "out" / "recipes" / "invoices.html").read_text("utf-8"))
    assert not any(f"{word} bill number" in text for word in WORDS.values())
    assert "As they are written: rows are left out" in text
    assert "{{" in text


def test_a_broken_recipe_has_a_page_that_says_what_is_wrong(site: Path) -> None:
    page = Page(site / "recipes" / "broken.html")
    assert "This recipe does not load." in page.words
    assert "no metric '<b>nothing</b>'" in page.words
    assert re.search(r"\bbroken/recipe\.yaml:\d+:\d+", page.words)
    assert str(site.parent) not in page.text
    assert not page.with_tag("b")


def test_nothing_of_a_recipe_becomes_markup_and_no_page_reaches_out(site: Path) -> None:
    for file in (site / "index.html", *(site / "recipes").iterdir()):
        page = Page(file)
        tags = {tag for tag, _ in page.elements}
        assert not tags & {"script", "img", "link", "iframe", "form"}
        assert "\u202e" not in page.text
        (policy,) = (m["content"] for m in page.with_tag("meta") if "http-equiv" in m)
        assert str(policy).startswith("default-src 'none'; style-src 'unsafe-inline'")
        assert not any(
            name.startswith("on") for _, attributes in page.elements for name in attributes
        )
        assert not re.search(r"(src|href)=\"(https?:|//)", page.text)
        assert "url(" not in page.text.split("</style>")[0]


def test_a_recipe_that_is_a_link_out_of_the_tree_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("recipe: 1\nname: hush\npassword: swordfish\n", "utf-8")
    root = write_tree(tmp_path / "mail")
    (root / "stolen").mkdir()
    (root / "stolen" / "recipe.yaml").symlink_to(tmp_path / "secret.yaml")
    site = _made(root, tmp_path / "out")
    assert site.broken == ["stolen/recipe.yaml"]
    text = (tmp_path / "out" / "recipes" / "stolen.html").read_text("utf-8")
    assert "lies outside of what this recipe may read" in text
    assert "swordfish" not in text
    assert "hush" not in text


def test_a_folder_is_replaced_only_where_the_pages_are_ours(tmp_path: Path) -> None:
    root, out = write_tree(tmp_path / "mail"), tmp_path / "out"
    _made(root, out)
    write_recipe(root / "orders")
    shutil.rmtree(root / "invoices")
    _made(root, out)
    assert {file.name for file in (out / "recipes").iterdir()} == {"orders.html"}
    (out / "mine.txt").write_text("mine", "utf-8")
    with pytest.raises(EngineError, match=r"holds what `pada docs` did not write: mine\.txt"):
        _made(root, out)
    with pytest.raises(
        EngineError, match=r"`pada docs` did not write it: it has no pada-docs\.json"
    ):
        _made(root, root)
    assert (out / "mine.txt").read_text("utf-8") == "mine"


def test_what_fails_leaves_the_pages_that_were_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, out = write_tree(tmp_path / "mail"), tmp_path / "out"
    _made(root, out)
    before = {file: file.read_bytes() for file in out.rglob("*.html")}

    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(making, "write_text", full)
    with pytest.raises(
        EngineError, match=r"the documentation cannot be written to .*No space left"
    ):
        _made(root, out)
    assert {file: file.read_bytes() for file in out.rglob("*.html")} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mail", "out"]


def test_scores_of_runs_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    students = [
        Student("untuned", -1, 0.25, 0.2, 0.3, "25.0% (20.0 to 30.0)"),
        Student("round 0", 0, 0.5, 0.45, 0.55, "50.0% (45.0 to 55.0)"),
        Student("round 2", 2, 0.75, 0.7, 0.8, "75.0% (70.0 to 80.0)"),
    ]
    runs = tuple(
        RunScores(run, "1.2.0", "done", "2026-03-01", "accuracy", True, tuple(students[:count]), 50)
        for run, count in (("r0001", 2), ("r0002", 3), ("r0003", 0))
    )
    found: Mapping[str, tuple[RunScores, ...]] = {"invoices": runs}
    monkeypatch.setattr(making, "histories", lambda state: found)
    root = write_tree(tmp_path / "mail")
    _made(root, tmp_path / "out")
    page = Page(tmp_path / "out" / "recipes" / "invoices.html")
    for words in (
        "r0003",
        "75.0% (70.0 to 80.0), round 2",
        "50 rows of each split",
        "last round: 75.0%",
    ):
        assert words in page.text
    index = Page(tmp_path / "out" / "index.html")
    assert "accuracy 75.0% (70.0 to 80.0), round 2 of r0002" in index.words


def test_a_store_of_somebody_else_is_no_reason_to_write_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_tree(tmp_path / "mail")
    (root / ".pada").mkdir()
    (root / ".pada" / "store.duckdb").write_bytes(b"nothing of ours")
    docs_command(root, tmp_path / "out", root / ".pada", rows=False, jobs=1)
    out, errors = capsys.readouterr()
    assert "no scores are shown" in errors
    assert out == f"{tmp_path / 'out' / 'index.html'}: 1 recipe\n"
    (tmp_path / "nothing").mkdir()
    with pytest.raises(EngineError, match="there are no recipes in"):
        docs_command(tmp_path / "nothing", tmp_path / "out", root / ".pada", rows=False, jobs=1)


def test_pages_of_recipes_in_like_places_have_names_of_their_own(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "mail", "a b", "a-b", "A_b")
    site = _made(root, tmp_path / "out")
    assert len(list((tmp_path / "out" / "recipes").iterdir())) == len(site.recipes) == 3
    told = json.loads((tmp_path / "out" / "pada-docs.json").read_text("utf-8"))
    assert len({name.casefold() for name in told["files"]}) == 4


def test_edges_that_follow_from_others_are_not_drawn() -> None:
    boxes = (
        Box("a", "a", "", "", ()),
        Box("b", "<b>", "round 0", "teacher", ("a",)),
        Box("c", "c", "round 0", "", ("a", "b"), frozenset({"b"})),
        Box("d", "d", "", "", ("a",)),
        Box("e", "e", "", "", ("c", "d")),
    )
    picture = draw(Graph(boxes, 5, ()), "A plan")
    assert picture.count('class="edge"') + picture.count('class="edge when"') == 5
    assert picture.count('class="edge when"') == 1
    assert "&lt;b&gt;" in picture
    assert "c after b" in picture


@pytest.mark.long
def test_pages_fit_into_a_browsers_window(site: Path, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    assert browser is not None, "this test, which is asked for by name, needs Chromium"
    for width in (390, 1280):
        for file in (site / "index.html", site / "recipes" / "invoices.html"):
            probe = tmp_path / f"{file.stem}.html"
            text = re.sub(
                r"<meta http-equiv=\"Content-Security-Policy\"[^>]*>", "", file.read_text("utf-8")
            )
            script = "<script>document.title=document.documentElement.scrollWidth+'/'+innerWidth</script>"
            probe.write_text(text.replace("</body>", f"{script}</body>"), "utf-8")
            said = subprocess.run(
                [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={max(width, 500)},900",
                 "--dump-dom", probe.as_uri()],
                capture_output=True, text=True, check=True, timeout=120,
            )  # fmt: skip
            wide, window = map(int, re.findall(r"<title>(\d+)/(\d+)</title>", said.stdout)[0])
            assert wide <= window, (file.name, width)

"""From a file to a recipe: what is sent, found, asked, checked and written; all of it over HTTP, as the page does."""

from __future__ import annotations

import asyncio
import io
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from engine.project import Project
from engine.spec.loader import load
from engine.studio import uploads
from engine.studio.settings import Settings
from engine.studio.start import places
from tests.studio.conftest import OWN, Studio, opened

LABELS = ("Störung", "Rückgabe", "Lieferung")
TICKETS = "Datum;Nachricht;Anliegen\n" + "".join(
    f"{n % 28 + 1:02}.03.2026;Nachricht Nummer {n} über ein Gerät;{LABELS[n % 3]}\n"
    for n in range(60)
)


class Maker:
    """A page of a new recipe."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.body: dict[str, Any] = {"answers": {}, "format": {}}

    def send(self, name: str, content: bytes) -> Any:
        answer = self.studio.client.post(
            "/api/new/file", params={"name": name}, content=content, headers={"origin": OWN}
        )
        return self._begun(answer)

    def name(self, path: str) -> Any:
        return self._begun(self.studio.post("new/path", {"path": path}))

    def _begun(self, answer: Any) -> Any:
        if answer.status_code == 200:
            found = answer.json()
            self.body |= {"room": found["room"], "place": found["place"], "folder": found["folder"]}
        return answer

    def ask(self, what: str, **answers: Sequence[str]) -> Any:
        self.body["answers"] |= {
            f"--{flag.replace('_', '-')}": value for flag, value in answers.items()
        }
        answer = self.studio.post(f"new/{what}", self.body)
        assert answer.status_code == 200, (answer.text, self.studio.bugs)
        return answer.json()

    def wrong(self, what: str, **answers: Sequence[str]) -> tuple[str, str, str]:
        found = self.ask(what, **answers)["error"]
        return found["field"], found["message"], found["hint"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tmp_path / "tickets"


@pytest.fixture
def maker(project: Path) -> Maker:
    project.mkdir()
    return Maker(opened(Settings(project / ".pada", project)))


def there(folder: Path) -> list[str]:
    """Return the project's files."""
    return sorted(
        f.relative_to(folder).as_posix()
        for f in folder.rglob("*")
        if f.is_file() and ".pada" not in f.parts
    )


def left(folder: Path) -> list[str]:
    """Return what the studio keeps for a while."""
    above = folder / ".pada" / uploads.FOLDER
    return sorted(each.name for each in above.iterdir()) if above.exists() else []


def valid(recipe: Path) -> None:
    problems = Project.open(recipe, recipe.parent / "state").problems
    assert [each for each in problems if each.level == "error"] == []


def workbook(rows: list[list[Any]]) -> bytes:
    book, stream = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(stream)
    return stream.getvalue()


def test_a_semicolon_csv_of_windows_becomes_a_recipe(maker: Maker, project: Path) -> None:
    sent = maker.send("Anfragen März.csv", TICKETS.encode("cp1252")).json()
    assert (sent["place"], sent["folder"]) == ("data/Anfragen März.csv", "recipes/anfragen-marz")
    found = maker.ask("look")
    assert (
        found["said"]
        == "data/Anfragen März.csv: 60 rows, 3 columns; read as cp1252, separated by ';'"
    )
    assert found["columns"] == ["Datum", "Nachricht", "Anliegen"]
    assert found["rows"][0] == ["01.03.2026", "Nachricht Nummer 0 über ein Gerät", "Störung"]
    asked = {one["flag"]: one["answer"] for one in found["questions"]}
    assert asked["--target"] == ["Anliegen"]
    assert asked["--input"] == ["Nachricht"]
    assert asked["--teacher"] == ["embedded"]
    assert found["kind"]["name"] == "classification"
    assert there(project) == []
    checked = maker.ask("check")
    assert str(project) not in json.dumps(checked)
    assert "#   data/Anfragen März.csv: 60 rows" in checked["text"]
    assert "then: pada validate recipes/anfragen-marz/recipe.yaml" in checked["text"]
    assert there(project) == []
    done = maker.ask("create")
    assert done["files"] == [
        "recipes/anfragen-marz/recipe.yaml",
        "data/Anfragen März.csv",
        "pada.yaml",
    ]
    assert there(project) == sorted(done["files"])
    assert (project / done["recipe"]).read_text("utf-8") == checked["text"]
    assert (project / "data/Anfragen März.csv").read_bytes() == TICKETS.encode("cp1252")
    assert left(project) == []
    valid(project / done["recipe"])


def test_an_excel_file_with_a_title_line_becomes_a_recipe(maker: Maker, project: Path) -> None:
    rows: list[list[Any]] = [["Requests, as of March"], [], ["No", "Text", "Team"]]
    rows += [[n, f"Please look at machine {n}", ("north", "south")[n % 2]] for n in range(50)]
    maker.send("requests.xlsx", workbook(rows))
    assert "columns named in line 3" in maker.ask("look")["said"]
    done = maker.ask("create", target=["Team"], name=["Teams"])
    made = load(project / done["recipe"]).recipe
    assert (made.name, made.task.target, made.data.train.format.header) == ("teams", "Team", 3)
    valid(project / done["recipe"])


def test_a_chat_log_becomes_a_recipe(maker: Maker, project: Path) -> None:
    lines = [
        {
            "messages": [
                {"role": "user", "content": f"Is Emma {n} in?"},
                {"role": "assistant", "content": f"Yes, {n}."},
            ]
        }
        for n in range(40)
    ]
    maker.send("desk.jsonl", "\n".join(map(json.dumps, lines)).encode())
    found = maker.ask("look")
    assert found["kind"]["name"] == "chat"
    assert "--target" not in [one["flag"] for one in found["questions"]]
    valid(project / maker.ask("create")["recipe"])


def test_a_file_of_the_project_stays_where_it_is(maker: Maker, project: Path) -> None:
    (project / "own").mkdir()
    (project / "own/tickets.csv").write_text(TICKETS, "utf-8")
    assert maker.studio.get("new")["files"] == ["own/tickets.csv"]
    assert maker.name("own/tickets.csv").json()["is_sent"] is False
    done = maker.ask("create")
    assert done["files"] == ["recipes/tickets/recipe.yaml", "pada.yaml"]
    assert load(project / done["recipe"]).recipe.data.train.path == "../../own/tickets.csv"
    assert (project / "own/tickets.csv").read_text("utf-8") == TICKETS
    assert left(project) == []
    valid(project / done["recipe"])


def test_answers_change_what_is_asked_next(maker: Maker) -> None:
    maker.send(
        "t.csv",
        TICKETS.replace("Rückgabe", "rückgabe", 3).replace("Störung", "störung", 2).encode(),
    )
    asked = {one["flag"]: one for one in maker.ask("look", teacher=["openai"])["questions"]}
    assert asked["--fold-labels"]["answer"] == ["case"]
    assert "--address" not in asked
    assert asked["--model"]["answer"] == []
    found = maker.ask(
        "look", model=["qwen3:8b"], target=["Nachricht"], input=["Nachricht", "Datum"]
    )
    asked = {one["flag"]: one for one in found["questions"]}
    assert asked["--input"]["answer"] == ["Datum"]
    assert asked["--address"]["answer"] == ["http://localhost:11434/v1"]
    assert asked["--key"]["answer"] == ["none"]
    text = maker.ask("check", target=["Anliegen"], input=["Nachricht"], fold_labels=["none"])[
        "text"
    ]
    assert "- störung" in text
    assert "fold_labels" not in text
    assert "qwen3:8b" in text


@pytest.mark.parametrize(
    ("answers", "field", "message"),
    [
        ({"target": ["Anliege"]}, "--target", "“Right answer” Anliege: there is none"),
        (
            {"target": ["Anliegen"], "input": ["x"]},
            "--input",
            "“What the model sees” x: there is none",
        ),
        (
            {"teacher": ["openai"], "model": ["m"], "address": ["localhost"]},
            "--address",
            "this is no address",
        ),
        (
            {"teacher": ["anthropic"], "model": ["m"], "key": ["sk-abc123"]},
            "--key",
            "not the name of a variable",
        ),
    ],
)
def test_what_is_wrong_with_an_answer_is_said_at_its_field(
    maker: Maker, answers: Mapping[str, Sequence[str]], field: str, message: str
) -> None:
    maker.send("t.csv", TICKETS.encode())
    for what in ("look", "check", "create"):
        at, said, _ = maker.wrong(what, **answers)
        assert at == field
        assert message in said


def zip_bomb() -> bytes:
    stream = io.BytesIO(workbook([["a", "b"], ["x", "y"]]))
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet9.xml", b"0" * 300_000_000)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "field"),
    [
        ("empty.csv", b"", "file"),
        ("one.csv", b"text\n" + b"abc\n" * 40, "file"),
        ("few.csv", b"text,label\n" + b"abc,x\ndef,y\n" * 3, ""),
        ("broken.xlsx", b"PK\x03\x04 nothing", "file"),
        ("secret.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "file"),
        ("broken.parquet", b"PAR1", "file"),
        ("broken.jsonl", b"{\n" * 40, "file"),
        ("bytes.csv", bytes(range(256)) * 40, ""),
    ],
)
def test_a_file_that_cannot_be_used_is_told_in_words_of_the_page(
    maker: Maker, project: Path, name: str, content: bytes, field: str
) -> None:
    maker.send(name, content)
    for what in ("look", "check", "create"):
        found = maker.ask(what)
        if what == "look" and not field:
            continue
        error = found["error"]
        assert error["field"] == field or not field
        assert len(error["message"]) > 20
        assert str(project) not in json.dumps(error)
        assert not {"--target", "--input", "--format"} & set(error["hint"].split())
    assert there(project) == []


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("../../x.csv", "data/x.csv"),
        ("C:\\Users\\me\\x.csv", "data/x.csv"),
        ("a\0b\n.csv", "data/ab.csv"),
        ("con.csv", "data/data-con.csv"),
        ("📦 Päckchen.csv", "data/📦 Päckchen.csv"),
        ("a<b>|c?.csv", "data/a-b--c-.csv"),
        (".csv", None),
        ("", None),
        ("x.pdf", None),
    ],
)
def test_whatever_a_file_is_called_it_lies_in_the_project(
    maker: Maker, project: Path, name: str, place: str | None
) -> None:
    answer = maker.send(name, TICKETS.encode())
    assert answer.status_code == (200 if place else 400), answer.text
    if place:
        assert answer.json()["place"] == place
        assert maker.ask("create")["error"] is None
        assert place in there(project)
    else:
        assert left(project) == []


def test_a_very_long_name_is_shortened(maker: Maker, project: Path) -> None:
    place = maker.send("ü" * 4000 + ".csv", TICKETS.encode()).json()["place"]
    assert len(place.encode()) < 230
    assert maker.ask("create")["error"] is None
    assert place in there(project)


@pytest.mark.parametrize(
    "typed",
    [
        "../x.csv",
        "/etc/x.csv",
        "a//b.csv",
        ".pada/x.csv",
        "x\0.csv",
        "nul/x.csv",
        "é" * 300 + ".csv",
        "",
    ],
)
def test_a_place_outside_of_the_project_is_refused(maker: Maker, project: Path, typed: str) -> None:
    maker.send("t.csv", TICKETS.encode())
    for key in ("place", "folder"):
        before = dict(maker.body)
        maker.body[key] = typed
        assert maker.wrong("create")[0] == key
        maker.body = before
    assert there(project) == []


def test_a_link_out_of_the_project_is_not_followed(
    maker: Maker, project: Path, tmp_path: Path
) -> None:
    (tmp_path / "else").mkdir()
    (project / "data").symlink_to(tmp_path / "else")
    maker.send("t.csv", TICKETS.encode())
    assert "leads out of the project" in maker.wrong("create")[1]
    assert list((tmp_path / "else").iterdir()) == []


def test_nothing_is_overwritten(maker: Maker, project: Path) -> None:
    maker.send("t.csv", TICKETS.encode())
    (project / "data").mkdir()
    (project / "data/t.csv").write_text("mine")
    field, message, _ = maker.wrong("create")
    assert (field, "is there already" in message) == ("place", True)
    maker.body["place"] = "data/other.csv"
    (project / "recipes/t").mkdir(parents=True)
    (project / "recipes/t/recipe.yaml").write_text("mine")
    field, message, hint = maker.wrong("check")
    assert (field, "is there already" in message, "“Folder of the recipe”" in hint) == (
        "folder",
        True,
        True,
    )
    assert there(project) == ["data/t.csv", "recipes/t/recipe.yaml"]
    assert maker.send("t.csv", TICKETS.encode()).json() | {"room": ""} == {
        "room": "", "place": "data/t-2.csv", "is_sent": True, "folder": "recipes/t-2",
    }  # fmt: skip


def test_what_cannot_be_written_whole_is_not_written(
    maker: Maker, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker.send("t.csv", TICKETS.encode())
    maker.ask("check")
    link = os.link

    def full(source: Any, target: Any, **more: Any) -> None:
        if str(target).endswith("pada.yaml"):
            raise OSError(28, "No space left on device")
        link(source, target, **more)

    monkeypatch.setattr(os, "link", full)
    monkeypatch.setattr("shutil.copyfileobj", lambda *_: full("", "pada.yaml"))
    message = maker.wrong("create")[1]
    assert "No space left" in message
    assert there(project) == []
    assert list(project.iterdir()) == [project / ".pada"]
    monkeypatch.undo()
    assert maker.ask("create")["error"] is None


def test_half_a_file_leaves_nothing(maker: Maker, project: Path) -> None:
    app = maker.studio.client.app
    sent: list[Any] = []
    events = [
        {"type": "http.request", "body": TICKETS.encode()[:500], "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Any:
        return events.pop(0) if len(events) > 1 else events[0]

    async def send(message: Any) -> None:
        sent.append(message)

    ticket = maker.studio.ticket
    headers = {
        "host": "127.0.0.1:8000",
        "origin": OWN,
        "content-length": "2000",
        "cookie": f"{ticket.cookie}={ticket.session}",
    }
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/new/file",
        "raw_path": b"/api/new/file",
        "query_string": b"name=t.csv",
        "headers": [(key.encode(), value.encode()) for key, value in headers.items()],
        "http_version": "1.1",
        "scheme": "http",
    }
    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 400
    assert left(project) == []
    assert maker.studio.bugs == []


def test_a_file_beyond_the_limit_is_not_kept(
    maker: Maker, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "LARGEST", 1000)
    for content in (TICKETS.encode(), iter([TICKETS.encode()])):
        answer = maker.send("t.csv", content)  # type: ignore[arg-type]
        assert answer.status_code == 400
        assert "larger than" in answer.json()["error"]
    assert left(project) == []


def test_a_studio_to_look_at_takes_no_file(project: Path) -> None:
    project.mkdir()
    maker = Maker(opened(Settings(project / ".pada", project, read_only=True)))
    assert "--read-only" in maker.send("t.csv", TICKETS.encode()).json()["hint"]
    assert list(project.iterdir()) == []


def test_a_state_folder_that_leads_elsewhere_takes_no_file(
    maker: Maker, project: Path, tmp_path: Path
) -> None:
    (tmp_path / "else").mkdir()
    (project / ".pada").mkdir()
    (project / ".pada" / uploads.FOLDER).symlink_to(tmp_path / "else")
    assert maker.send("t.csv", TICKETS.encode()).status_code == 400
    assert list((tmp_path / "else").iterdir()) == []


def test_a_file_that_is_gone_is_asked_for_again(maker: Maker, project: Path) -> None:
    maker.send("t.csv", TICKETS.encode())
    assert maker.studio.post("new/drop", maker.body).status_code == 200
    assert left(project) == []
    answer = maker.studio.post("new/look", maker.body)
    assert answer.status_code == 400
    assert answer.json()["hint"] == "choose the file once more"


def test_few_files_are_kept_at_a_time(maker: Maker, project: Path) -> None:
    for number in range(6):
        maker.send(f"t{number}.csv", TICKETS.encode())
    assert len(left(project)) == 4


def test_another_encoding_can_be_said(maker: Maker) -> None:
    maker.send("t.csv", TICKETS.encode("cp1252"))
    maker.body["format"] = {"encoding": "cp1250"}
    assert "read as cp1250" in maker.ask("look")["said"]
    maker.body["format"] = {"encoding": "klingon"}
    assert maker.wrong("look")[0] == "--format"


def test_of_very_many_columns_a_page_gets_some(maker: Maker) -> None:
    names = [f"c{n}" for n in range(2000)]
    rows = [",".join(f"word {n} {c}" for c in range(1999)) + f",l{n % 2}" for n in range(40)]
    maker.send("wide.csv", "\n".join([",".join(names), *rows]).encode())
    found = maker.ask("look")
    assert (found["column_count"], len(found["columns"])) == (2000, 40)
    target = next(one for one in found["questions"] if one["flag"] == "--target")
    assert len(target["choices"]) < 310
    assert target["answer"] == ["c1999"]


def test_a_recipe_of_the_engine_is_copied(maker: Maker, project: Path) -> None:
    assert "quickstart" in [one["name"] for one in maker.studio.get("new")["recipes"]]
    answer = maker.studio.post("new/copy", {"recipe": "quickstart"})
    assert answer.json()["recipe"] == "recipes/quickstart/recipe.yaml"
    valid(project / "recipes/quickstart/recipe.yaml")
    again = maker.studio.post("new/copy", {"recipe": "quickstart"})
    assert "is there already" in again.json()["error"]
    assert maker.studio.post("new/copy", {"recipe": "../x"}).status_code == 400


def test_names_of_places_hold() -> None:
    assert set(places.endings()) >= {".csv", ".tsv", ".xlsx", ".jsonl", ".json", ".parquet"}

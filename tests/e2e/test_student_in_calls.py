"""A student behind a server: measured as it is, asked once, its failures diagnosed and rows made for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e import batch_project
from tests.e2e.batch_project import Pada
from tests.e2e.runs import answered_twice, rows
from tests.servers.endpoint import Behaviour, Endpoint

pytestmark = pytest.mark.long

pada = batch_project.pada
SAYS = ("colour", " Number.\n", "no idea", "")


def recipe_at(folder: Path, url: str, more: str = "") -> Path:
    """Write the tiny project with its student at `url` and no fine-tune; return the recipe."""
    path = batch_project.write(folder, seeds="[0]")
    student = f"{{backend: openai, model: small, base_url: '{url}', attempts: 2}}"
    changes = {
        "  student:": f"  student: {student}",
        "train:": "train: {method: none}",
        "loop:": "loop: {rounds: 1}",
    }
    lines = [
        next((new for old, new in changes.items() if line.startswith(old)), line)
        for line in path.read_text("utf-8").splitlines()
    ]
    path.write_text("\n".join([*lines, more, ""]), "utf-8")
    return path


def test_what_it_writes_is_read_kept_and_never_asked_twice(tmp_path: Path, pada: Pada) -> None:
    state = tmp_path / "state"
    with Endpoint(Behaviour(says=SAYS)) as server:
        recipe = recipe_at(tmp_path, server.url)
        code, said = pada("plan", recipe, "--state", state)
        assert code == 0, said
        assert f"student: small (openai) → {server.url.split('/')[2]}" in said
        code, said = pada("run", recipe, "--state", state)
        assert code == 0, said
        assert "Failure patterns on validation" in said
        asked = list(server.log.asked)
        code, again = pada("run", recipe, "--state", state)
        assert (code, "0 nodes computed" in again) == (0, True)
        assert len(server.log) == len(asked)
    assert all("response_format" not in call.body for call in asked)
    found = rows(state, "SELECT text, answer, status, how, confidence, round FROM prediction")
    meant = {"colour": ("colour", "ok"), " Number.\n": ("number", "ok")}
    assert {row["text"] for row in found} == set(SAYS)
    for row in found:
        assert (row["answer"], row["status"]) == meant.get(row["text"], (None, "unparsable"))
        assert (row["how"], row["confidence"], row["round"]) == ("generation", None, -1)
    calls = rows(state, "SELECT schema, method, reply, error FROM llm_call WHERE role = 'student'")
    assert len(calls) == len(asked)
    assert {(c["schema"], c["method"], c["error"]) for c in calls} == {(None, "text", None)}
    assert answered_twice(state) == []
    made = rows(state, "SELECT DISTINCT round, origin, made_in FROM training_rows ORDER BY ALL")
    assert [tuple(row.values()) for row in made] == [(0, "generated", -1), (0, "original", None)]
    # An accuracy of the rows as they stand, so that what is shown is what was said.
    shown = rows(state, "SELECT value FROM metric WHERE metric = 'accuracy' AND split = 'test'")
    right = rows(
        state,
        "SELECT avg((p.answer IS NOT DISTINCT FROM e.target)::INT) AS share FROM prediction p"
        " JOIN example e ON e.id = p.example AND e.split = p.split WHERE p.split = 'test'",
    )
    assert shown[0]["value"] == pytest.approx(right[0]["share"])


def test_a_call_is_shown_as_plain_text(tmp_path: Path, pada: Pada) -> None:
    state = tmp_path / "state"
    with Endpoint(Behaviour(says=("colour",))) as server:
        recipe = recipe_at(tmp_path, server.url)
        assert pada("run", recipe, "--state", state, "--limit", "4")[0] == 0
        call = rows(state, "SELECT id FROM llm_call WHERE role = 'student' LIMIT 1")[0]["id"]
        code, said = pada("calls", "show", call, "--state", state)
        assert code == 0, said
        assert "--- schema" not in said
        assert "plain text" in said
        code, said = pada("calls", "replay", call, "--recipe", recipe, "--state", state)
        assert code == 0, said
        assert "valid and equal to the stored one" in said


def test_a_budget_counts_its_calls(tmp_path: Path, pada: Pada) -> None:
    state = tmp_path / "state"
    with Endpoint(Behaviour(says=("colour",))) as server:
        recipe = recipe_at(tmp_path, server.url, "budget: {calls: 20}")
        code, said = pada("run", recipe, "--state", state)
        assert len(server.log) == 20
        assert "budget of 20 calls" in said
        text = recipe.read_text("utf-8").replace("calls: 20", "calls: 2000")
        recipe.write_text(text, "utf-8")
        code, said = pada("run", recipe, "--state", state)
        assert code == 0, said
        assert len(server.log) == len({call.messages for call in server.log.asked})


def test_a_server_without_the_model_stops_at_the_first_call(tmp_path: Path, pada: Pada) -> None:
    with Endpoint(Behaviour(models=("large",))) as server:
        recipe = recipe_at(tmp_path, server.url)
        code, said = pada("run", recipe, "--state", tmp_path / "state")
        assert code == 2
        assert "does not know this model" in said
        assert len(server.log) == 1


def test_seeds_are_asked_together(tmp_path: Path, pada: Pada) -> None:
    """The second seed's calls are under way before the first one's have come back."""
    path = batch_project.write(tmp_path, seeds="[0, 1]", rounds=1)
    state = tmp_path / "state"
    with Endpoint(Behaviour(latency=0.3)) as server:
        teacher = (
            f"  teacher: {{backend: openai, model: big, base_url: '{server.url}', "
            "structured: json_schema, concurrency: 64, pack: small}"
        )
        lines = path.read_text("utf-8").splitlines()
        lines = [teacher if line.startswith("  teacher:") else line for line in lines]
        path.write_text("\n".join(lines), "utf-8")
        code, said = pada("run", path, "--state", state)
        assert code == 0, said
    times = rows(
        state,
        "SELECT n.seed, min(c.created - to_milliseconds(1000 * c.seconds)) AS begun, max(c.created) AS ended"
        " FROM llm_call c JOIN node n ON n.id = c.node WHERE n.stage = 'generate' GROUP BY ALL ORDER BY ALL",
    )
    first, second = times
    assert second["begun"] < first["ended"]


def test_only_a_server_that_ignores_schemas_is_told_of(tmp_path: Path, pada: Pada) -> None:
    """What the probe tried on its way is not what the run does."""
    for number, (knows, told) in enumerate(
        [(("json_schema",), False), (("json_object", "words"), True), (("words",), True)]
    ):
        folder = tmp_path / str(number)
        path = batch_project.write(folder, seeds="[0]", rounds=1)
        with Endpoint(Behaviour(knows=knows)) as server:  # type: ignore[arg-type]
            teacher = (
                f"  teacher: {{backend: openai, model: big, base_url: '{server.url}', pack: small}}"
            )
            lines = path.read_text("utf-8").splitlines()
            lines = [teacher if line.startswith("  teacher:") else line for line in lines]
            path.write_text("\n".join(lines), "utf-8")
            code, said = pada("run", path, "--state", folder / "state", "--limit", "8")
        assert code == 0, said
        assert ("does not enforce JSON schemas" in said) == told, said
        probes = rows(folder / "state", "SELECT method FROM llm_call WHERE error = 'probe'")
        assert probes
        way = "prompt" if knows == ("words",) else "json_object"
        assert (f"in words ({way})" in said) == told

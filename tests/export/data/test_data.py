"""Rows as a data set: which rows, who stands for their labels, in which layout; and what is refused."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from engine.cli.app import app
from engine.errors import EngineError
from engine.export import Wanted, Which, export_data
from engine.fingerprint import canonical
from engine.store import rows as stored
from tests.export.invented import CHECKED, MISTAKEN, changed, run_with_verdicts
from tests.report.invented import full, ident

pytestmark = pytest.mark.runs


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = tmp_path_factory.mktemp("state")
    run_with_verdicts().save(state)
    return state


def exported(state: Path, to: Path, **wanted: Any) -> list[dict[str, Any]]:
    done = export_data(Which(state), to, Wanted(**wanted))
    lines = done.file.read_text("utf-8").splitlines()
    assert done.rows == len(lines)
    return [json.loads(line) for line in lines]


def test_all_rows_are_there_each_once_and_every_label_says_who_stands_for_it(
    state: Path, tmp_path: Path
) -> None:
    found = exported(state, tmp_path / "out")
    trained = stored(state, "SELECT example, origin FROM training_rows WHERE round = 2")
    assert Counter(row["pada_id"] for row in found) == Counter(row["example"] for row in trained)
    assert {row["pada_label"] for row in found if row["pada_origin"] == "original"} == {"given"}
    synthetic = {row["pada_id"]: row for row in found if row["pada_origin"] == "synthetic"}
    checked = synthetic.pop(ident("example", CHECKED))
    assert (checked["pada_label"], checked["pada_label_source"]) == ("verified", "writer")
    assert {row["pada_label"] for row in synthetic.values()} == {"unverified"}
    assert checked.keys() >= {"text", "intent", "pada_operator", "pada_pattern", "pada_parent"}
    assert checked["pada_round"] == 0
    assert checked["pada_pattern"]


def chat(question: str, answer: str | None = None) -> list[dict[str, str]]:
    asked = [("system", "Label the text."), ("user", question)]
    said = [] if answer is None else [("assistant", answer)]
    return [{"role": role, "content": text} for role, text in [*asked, *said]]


def sharegpt(question: str, answer: str) -> list[dict[str, str]]:
    told = (("system", "Label the text."), ("human", question), ("gpt", answer))
    return [{"from": role, "value": text} for role, text in told]


@pytest.mark.parametrize(
    ("layout", "form"),
    [
        ("chat", lambda q, a: {"messages": chat(q, a)}),
        ("alpaca", lambda q, a: {"instruction": "Label the text.", "input": q, "output": a}),
        ("sharegpt", lambda q, a: {"conversations": sharegpt(q, a)}),
        ("completion", lambda q, a: {"prompt": chat(q), "completion": chat(q, a)[2:]}),
    ],
)
def test_a_layout_holds_the_turns_of_training(
    state: Path, tmp_path: Path, layout: str, form: Any
) -> None:
    as_is = exported(state, tmp_path / "rows")
    taught = exported(state, tmp_path / "taught", layout=layout)
    for row, other in zip(as_is, taught, strict=True):
        meta = {name: value for name, value in row.items() if name.startswith("pada_")}
        # The prompt ends its turn with a line break.
        assert other == form(row["text"] + "\n", row["intent"]) | meta


def test_rows_can_be_chosen_by_origin_label_and_round(state: Path, tmp_path: Path) -> None:
    original = exported(state, tmp_path / "1", rows="original")
    assert len(original) == 60
    synthetic = exported(state, tmp_path / "2", rows="synthetic")
    assert len(synthetic) + 60 == len(exported(state, tmp_path / "3"))
    verified = exported(state, tmp_path / "4", rows="synthetic", verified=True)
    assert [row["pada_id"] for row in verified] == [ident("example", CHECKED)]
    first = exported(state, tmp_path / "5", round=1)
    assert {row["pada_round"] for row in first} == {None, 0}
    assert exported(state, tmp_path / "6", round=0) == original


def test_rows_of_the_pool_are_an_origin_of_their_own(state: Path, tmp_path: Path) -> None:
    mined = "UPDATE flat_candidate SET operator = 'mine', label_source = 'neighbours' WHERE candidate = ?"
    state = changed(state, tmp_path / "state", mined, CHECKED)
    (row,) = exported(state, tmp_path / "out", rows="mined")
    assert (row["pada_id"], row["pada_origin"]) == (ident("example", CHECKED), "mined")
    assert row["pada_label_source"] == "neighbours"


def test_rows_of_a_round_that_was_rolled_back_are_left_out(state: Path, tmp_path: Path) -> None:
    back = "UPDATE decision SET rolled_back = true, best_round = 1 WHERE node = ?"
    state = changed(state, tmp_path / "state", back, ident("node", "decide.2", 0))
    found = exported(state, tmp_path / "out")
    assert {row["pada_round"] for row in found} == {None, 0}


def test_pairs_set_right_answers_against_wrong_ones_to_training_rows(
    state: Path, tmp_path: Path
) -> None:
    found = exported(state, tmp_path / "out", layout="preference")
    kinds = Counter(row["pada_pair"] for row in found)
    assert kinds["student_error"] > 10
    train = {
        row["id"]: row["target"]
        for row in stored(state, "SELECT id, target FROM example WHERE split = 'train'")
    }
    for row in found:
        ((chosen,), (rejected,)) = (row["chosen"], row["rejected"])
        assert chosen != rejected
        if row["pada_pair"] == "student_error":
            assert chosen["content"] == train[row["pada_id"]]
    (answered,) = [row for row in found if row["pada_pair"] == "blind_answer"]
    assert (answered["pada_id"], answered["pada_label"]) == (MISTAKEN, "unverified")
    assert answered["chosen"][0]["content"] == "track_order"
    assert answered["rejected"][0]["content"] == "refund"


def test_pairs_for_the_writer_are_of_one_seed_row_pattern_and_operator(
    state: Path, tmp_path: Path
) -> None:
    found = exported(state, tmp_path / "out", layout="writer_preference")
    verdicts = {
        row["candidate"]: row
        for row in stored(state, "SELECT candidate, accepted, inputs, target FROM lineage")
    }
    assert found
    for row in found:
        assert verdicts[row["pada_id"]]["accepted"]
        chosen, rejected = (
            json.loads(row[name][0]["content"])["rows"][0] for name in ("chosen", "rejected")
        )
        assert chosen["text"] != rejected["text"]


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_the_library_datasets_loads_the_folder_offline(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    rows = exported(state, tmp_path / "rows")
    export_data(Which(state), tmp_path / "out", Wanted(format=format))  # type: ignore[arg-type]
    loaded = datasets.load_dataset(
        str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert list(loaded) == rows


def test_the_card_says_where_rows_are_from(state: Path, tmp_path: Path) -> None:
    told = "UPDATE node SET identity = ? WHERE stage = 'diagnose'"
    prompts = canonical({"prompts": {"diagnose.md": "ab" * 32}})
    state = changed(state, tmp_path / "state", told, prompts)
    done = export_data(Which(state), tmp_path / "out", Wanted(licence="cc-by-4.0"))
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert card.startswith("---\nlicense: cc-by-4.0\n")
    assert f"| synthetic | unverified | {done.counts['unverified']} |" in card
    assert f"- `diagnose.md` {'ab' * 32}" in card
    (rejected,) = stored(state, "SELECT sum(rows)::INT AS n FROM funnel WHERE reason = 'leak'")
    assert f"| rejected | leak | {rejected['n']} |" in card
    assert "```yaml\nrecipe: 1\n```" in card
    assert "torch 2.13.0" in card


def test_a_licence_has_the_name_that_the_hub_knows_and_that_of_the_data_is_named(
    state: Path, tmp_path: Path
) -> None:
    (tmp_path / "recipe" / "data").mkdir(parents=True)
    (tmp_path / "recipe" / "data" / "LICENSE.txt").write_text("\nCC0 1.0 Universal\n\n…", "utf-8")
    told = "UPDATE recipe SET effective = json_merge_patch(effective, ?)"
    data = canonical({"data": {"train": {"path": "data/train.jsonl"}}})
    which = Which(changed(state, tmp_path / "state", told, data), base=tmp_path / "recipe")
    export_data(which, tmp_path / "1", Wanted(licence="CC-BY-4.0"))
    card = (tmp_path / "1" / "README.md").read_text("utf-8")
    assert card.startswith("---\nlicense: cc-by-4.0\n")
    assert "as stated for this export: CC-BY-4.0" in card
    assert 'see the data\'s own LICENSE.txt ("CC0 1.0 Universal")' in card
    assert "generated rows were written by" in card
    export_data(which, tmp_path / "2", Wanted(licence="Our own", layout="preference"))
    card = (tmp_path / "2" / "README.md").read_text("utf-8")
    assert card.startswith("---\nlicense: other\nlicense_name: Our own\n")
    assert "wrong answers are those of students made of embedded/smollm2-135m-instruct" in card


def test_rows_of_one_round_are_those_of_one_seed(tmp_path: Path) -> None:
    full(seeds=(0, 1), rounds=1).save(tmp_path / "state")
    with pytest.raises(EngineError, match="round 1 of each has rows of its own") as refused:
        exported(tmp_path / "state", tmp_path / "out", round=1)
    assert refused.value.hint == "name one of them: --seed 0, --seed 1"
    assert exported(tmp_path / "state", tmp_path / "out", round=1, seed=1)


def test_where_no_label_is_verified_that_is_said(state: Path, tmp_path: Path) -> None:
    none = "UPDATE flat_candidate SET verified = false"
    state = changed(state, tmp_path / "state", none)
    with pytest.raises(EngineError, match="such rows, and nobody has checked the labels"):
        exported(state, tmp_path / "out", rows="synthetic", verified=True)
    done = export_data(Which(state), tmp_path / "out", Wanted(verified=True))
    assert (done.rows, done.left_out > 60) == (60, True)


def test_a_prompt_that_has_changed_since_is_refused(state: Path, tmp_path: Path) -> None:
    told = "UPDATE node SET identity = ? WHERE stage = 'train'"
    other = canonical({"prompts": {"tasks/classification.md": "ab" * 32}})
    state = changed(state, tmp_path / "state", told, other)
    assert exported(state, tmp_path / "rows")
    with pytest.raises(EngineError, match="is not the one that run r0001 used"):
        export_data(Which(state), tmp_path / "chat", Wanted(layout="chat"))
    assert not (tmp_path / "chat").exists()


@pytest.mark.parametrize(
    ("wanted", "which", "says"),
    [
        ({"layout": "alpacca"}, {}, "no layout 'alpacca'"),
        ({"layout": "DPO"}, {}, "it is called preference here"),
        ({"rows": "both"}, {}, "it is called all here"),
        ({"format": "csv"}, {}, "no format 'csv'"),
        ({"layout": "preference", "rows": "synthetic"}, {}, "which are of no origin"),
        ({"seed": 7}, {}, "no seed 7"),
        ({"round": 9}, {}, "no round 9"),
        ({}, {"run": "r0009"}, "no run 'r0009'"),
        ({}, {"recipe": "other"}, "no run of the recipe 'other'"),
        ({}, {"recipe": "other", "run": "r0001"}, "is of the recipe 'invented'"),
    ],
)
def test_what_cannot_be_exported_is_one_message_and_nothing_is_written(
    state: Path, tmp_path: Path, wanted: dict[str, Any], which: dict[str, Any], says: str
) -> None:
    with pytest.raises(EngineError) as refused:
        export_data(Which(state, **which), tmp_path / "out", Wanted(**wanted))
    assert says in f"{refused.value.message} {refused.value.hint}"
    assert not (tmp_path / "out").exists()


def test_answered_rows_in_the_prompt_do_not_fit_into_alpaca(state: Path, tmp_path: Path) -> None:
    told = "UPDATE recipe SET effective = json_merge_patch(effective, ?)"
    shots = canonical({"task": {"shots": {"n": 2, "seed": 0, "train": True}}})
    state = changed(state, tmp_path / "state", told, shots)
    assert len(exported(state, tmp_path / "chat", layout="chat")[0]["messages"]) == 7
    with pytest.raises(EngineError, match="layout alpaca holds one question"):
        export_data(Which(state), tmp_path / "out", Wanted(layout="alpaca"))
    assert not (tmp_path / "out").exists()


def test_a_run_without_rows_has_nothing_to_export(state: Path, tmp_path: Path) -> None:
    state = changed(state, tmp_path / "state", "DELETE FROM run_node")
    with pytest.raises(EngineError, match="run r0001 \\(done\\) has no training rows"):
        export_data(Which(state), tmp_path / "out")


def test_the_command_says_what_is_there_and_that_labels_were_not_checked(
    state: Path, tmp_path: Path
) -> None:
    words = ["export", "data", "--state", str(state), "--to", str(tmp_path / "out")]
    said = CliRunner().invoke(app, words, catch_exceptions=False)
    assert said.exit_code == 0
    first, second, third = said.output.splitlines()
    assert f"rows of run r0001 in {tmp_path / 'out'}; labels: 60 given, " in first
    assert "--verified" in second
    assert third == f'load it: datasets.load_dataset("{tmp_path / "out"}", split="train")'
    # A second time it is refused, as every mistake is.
    with pytest.raises(EngineError, match="an export already"):
        CliRunner().invoke(app, words, catch_exceptions=False)
    assert CliRunner().invoke(app, [*words, "--replace"], catch_exceptions=False).exit_code == 0

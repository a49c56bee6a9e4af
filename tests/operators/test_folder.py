"""Reading an operator's folder: a good one is a value, and every mistake has its place and its hint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import RecipeError
from engine.operators.folder import read_operator
from engine.tasks import TASKS
from tests.operators.writing import OPERATOR, PROMPT, changed, write_operator

WRITTEN = [("label: keep", "label: written"), ("[row, rejected]", "[row, target, rejected]")]


def complaints(folder: Path, **settings: Any) -> str:
    """Return what is said of a folder, its path left out."""
    with pytest.raises(RecipeError) as caught:
        read_operator(folder, own=True, **settings)
    return str(caught.value).replace(f"{folder.as_posix()}/", "").replace(folder.as_posix(), ".")


def test_a_good_folder_becomes_an_operator(tmp_path: Path) -> None:
    operator = read_operator(write_operator(tmp_path), own=True)
    assert (operator.name, operator.label, operator.own) == ("shorten", "keep", True)
    assert operator.kinds == set(TASKS)
    assert operator.prompt("small").name == "operators/shorten/small.md"
    assert operator.params().model_dump() == {"variants": 2, "words": 5, "style": "plain"}
    assert operator.params.model_json_schema()["properties"]["words"] == {
        "default": 5, "description": "Most words of a row.", "maximum": 20, "minimum": 1,
        "title": "Words", "type": "integer",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tasks", "kinds"),
    [
        ("any", set(TASKS)),
        ("labelled", {"classification"}),
        ("unlabelled", set(TASKS) - {"classification"}),
        ("[numeric, extraction]", {"numeric", "extraction"}),
    ],
)
def test_an_operator_serves_the_task_kinds_that_it_names(
    tasks: str, kinds: set[str], tmp_path: Path
) -> None:
    text = changed(("label: keep", f"label: keep\ntasks: {tasks}"))
    assert read_operator(write_operator(tmp_path, text), own=True).kinds == kinds


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param(
            [("version: 1", "version: one")],
            "operator.yaml:3:10: error: version must be a whole number, not 'one'",
            id="wrong-type",
        ),
        pytest.param(
            [("rows: variants\n", "")],
            "operator.yaml:1:1: error: rows is missing\n"
            "    add `rows: …`: Rows written from one seed row: a number, or the name of an integer parameter.",
            id="missing-key",
        ),
        pytest.param(
            [("sees:", "seen:")],
            "operator.yaml:11:1: error: unknown key 'seen'\n    did you mean 'sees'?",
            id="unknown-key",
        ),
        pytest.param(
            [("minimum: 1, maximum: 10", "min: 1, maximum: 10")],
            "operator.yaml:7:41: error: unknown key 'min' in params.variants\n    did you mean 'minimum'?",
            id="unknown-key-of-a-parameter",
        ),
        pytest.param(
            [("operator: 1", "operator: 2")],
            "operator.yaml:1:11: error: operator must be 1, not the number 2\n"
            "    1 is the format version this engine reads",
            id="format-version",
        ),
        pytest.param(
            [("name: shorten", "name: Shorten it")],
            "operator.yaml:2:7: error: name cannot be 'Shorten it'\n"
            "    a name has small letters, digits, - and _, begins with a letter or digit, and is at most 64 long",
            id="no-name",
        ),
        pytest.param(
            [("name: shorten", "name: shorter")],
            "operator.yaml:2:7: error: the operator is called 'shorter', and its folder 'shorten'\n"
            "    write `name: shorten`, or rename the folder",
            id="other-name-than-the-folder",
        ),
        pytest.param(
            [("version: 1", "version: 1\nversion: 2")],
            "operator.yaml:4:1: error: the key 'version' is given twice\n"
            "    it stands on line 3 already: keep one of the two",
            id="key-twice",
        ),
        pytest.param(
            [("label: keep", "label: kept")],
            "operator.yaml:5:8: error: label must be 'keep', 'change', 'given' or 'written', not 'kept'\n"
            "    did you mean 'keep'?",
            id="unknown-label",
        ),
        pytest.param(
            [("[row, rejected]", "[row, rejectd]")],
            "operator.yaml:11:13: error: sees[1] must be 'task', 'row', 'label', 'target', 'near', 'keep', 'vary', "
            "'pattern', 'about', 'includes', 'excludes', 'strategy', 'must', 'must_not', 'contrast', 'kinds', "
            "'accepted' or 'rejected', not 'rejectd'\n    did you mean 'rejected'?",
            id="unknown-sight",
        ),
        pytest.param(
            [("[row, rejected]", "[row, rejected, row]")],
            "operator.yaml:11:23: error: 'row' is given twice\n    leave one out",
            id="sight-twice",
        ),
        pytest.param(
            [("label: keep", "label: keep\ntasks: [numerical]")],
            "operator.yaml:6:9: error: no task kind 'numerical'\n    did you mean 'numeric'?",
            id="unknown-task-kind",
        ),
        pytest.param(
            [("label: keep", "label: keep\ntasks: []")],
            "operator.yaml:6:8: error: it serves no task\n"
            "    name task kinds, or leave `tasks` out: then it serves all",
            id="no-task-kind",
        ),
        pytest.param(
            [("label: keep", "label: change\ntasks: [classification, numeric]")],
            "operator.yaml:5:8: error: `label: change` needs labels, which these task kinds do not have: numeric\n"
            "    write `tasks: labelled`, or `label: written`",
            id="change-without-labels",
        ),
        pytest.param(
            WRITTEN,
            "operator.yaml:11:13: error: with `label: written` no target is known before the rows are written\n"
            "    take 'target' out of `sees`",
            id="target-that-is-not-known",
        ),
        pytest.param(
            [("label: keep", "label: written"), ("[row, rejected]", "[row, rejected, keep]")],
            "operator.yaml:11:23: error: with `label: written` nothing of the target is kept\n"
            "    take 'keep' out of `sees`",
            id="nothing-to-keep",
        ),
        pytest.param(
            [
                ("label: keep", "label: written"),
                ("sees:", "examples: {of: target, count: 2}\nsees:"),
            ],
            "operator.yaml:11:16: error: with `label: written` no target is known before the rows are written\n"
            "    write `of: any` or `of: other`",
            id="examples-of-a-target-that-is-not-known",
        ),
        pytest.param(
            [("sees:", "examples: {of: others, count: 2}\nsees:")],
            "operator.yaml:11:16: error: examples.of must be 'target', 'other' or 'any', not 'others'\n"
            "    did you mean 'other'?",
            id="unknown-examples",
        ),
        pytest.param(
            [("sees:", "examples: {of: any, count: exmples}\nsees:")],
            "operator.yaml:11:28: error: examples.count: there is no parameter 'exmples'\n"
            "    choose one of: style, variants, words",
            id="examples-of-an-unknown-number",
        ),
        pytest.param(
            [("rows: variants", "rows: 0")],
            "operator.yaml:10:7: error: rows must be 1 to 100, not 0",
            id="no-rows",
        ),
        pytest.param(
            [("rows: variants", "rows: variant")],
            "operator.yaml:10:7: error: rows: there is no parameter 'variant'\n    did you mean 'variants'?",
            id="rows-of-an-unknown-number",
        ),
        pytest.param(
            [("rows: variants", "rows: style")],
            "operator.yaml:9:3: error: rows: the parameter 'style' must be an integer within 1 to 100\n"
            "    write `type: integer, minimum: 1, maximum: 10` or the like",
            id="rows-of-what-is-no-number",
        ),
        pytest.param(
            [("default: 2, minimum: 1, maximum: 10", "default: 2, minimum: 1")],
            "operator.yaml:7:3: error: rows: the parameter 'variants' must be an integer within 1 to 100\n"
            "    write `type: integer, minimum: 1, maximum: 10` or the like",
            id="rows-without-end",
        ),
        pytest.param(
            [("default: 5", "default: 50")],
            "operator.yaml:8:35: error: params.words.default must be at most 20, not 50",
            id="default-out-of-bounds",
        ),
        pytest.param(
            [("default: 5", "default: five")],
            "operator.yaml:8:35: error: params.words.default must be a whole number, not 'five'",
            id="default-of-another-type",
        ),
        pytest.param(
            [("default: plain", "default: plan")],
            "operator.yaml:9:34: error: params.style.default must be 'plain' or 'curt', not 'plan'\n"
            "    did you mean 'plain'?",
            id="default-that-is-no-choice",
        ),
        pytest.param(
            [(", choices: [plain, curt]", "")],
            "operator.yaml:9:3: error: a parameter of type choice needs `choices`\n"
            "    list the values: `choices: [short, long]`",
            id="choice-without-choices",
        ),
        pytest.param(
            [("choices: [plain, curt]", "choices: [plain, curt], maximum: 3")],
            "operator.yaml:9:65: error: `maximum` is for a parameter of type integer or number, not choice\n"
            "    leave it out",
            id="bound-of-a-choice",
        ),
        pytest.param(
            [("minimum: 1, maximum: 20", "minimum: 0.5, maximum: 20")],
            "operator.yaml:8:47: error: the minimum of an integer is a whole number up to 2,147,483,647, not 0.5",
            id="half-a-bound",
        ),
        pytest.param(
            [("default: 5, minimum: 1, maximum: 20", "default: 5, minimum: 20, maximum: 1")],
            "operator.yaml:8:60: error: the maximum 1 is below the minimum 20\n    swap them",
            id="bounds-swapped",
        ),
        pytest.param(
            [("  words: {", "  copy: {")],
            "operator.yaml:8:3: error: a parameter cannot be called 'copy'\n    choose another name\n"
            "small.md:7:1: error: this prompt uses 'params.words', and there is no such parameter\n"
            "    choose one of: copy, style, variants",
            id="reserved-parameter",
        ),
        pytest.param(
            [("  words: {", "  most-words: {")],
            "operator.yaml:8:3: error: params.most-words cannot be 'most-words'\n"
            "    a name has small letters, digits, - and _, begins with a letter or digit, and is at most 64 long",
            id="parameter-that-is-no-name",
        ),
    ],
)
def test_a_mistake_in_the_definition_is_told_with_its_place(
    changes: list[tuple[str, str]], said: str, tmp_path: Path
) -> None:
    assert complaints(write_operator(tmp_path, changed(*changes))) == said


def test_a_name_that_is_taken_is_told(tmp_path: Path) -> None:
    assert complaints(write_operator(tmp_path), taken={"shorten": "the engine"}) == (
        "operator.yaml:2:7: error: the engine has an operator 'shorten' already\n"
        "    give this one and its folder another name"
    )


def test_an_empty_definition_is_told(tmp_path: Path) -> None:
    assert complaints(write_operator(tmp_path, "# nothing yet\n")) == (
        "operator.yaml: error: the file is empty\n    start with `operator: 1`"
    )


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        pytest.param(
            PROMPT.replace("{{ rejected }}", "{{ strategy }}"),
            "small.md:6:1: error: this prompt uses 'strategy', which it is not given\n"
            "    add it to `sees` in operator.yaml",
            id="not-declared",
        ),
        pytest.param(
            PROMPT.replace("{{ rejected }}", "{{ rejectd }}"),
            "small.md:6:1: error: this prompt uses 'rejectd', which it is not given\n    did you mean 'rejected'?",
            id="unknown",
        ),
        pytest.param(
            PROMPT.replace("{{ rejected }}", "{{ examples | tojson }}"),
            "small.md:6:1: error: this prompt uses 'examples', which it is not given\n"
            "    say which rows it shows: `examples: {…}` in operator.yaml",
            id="examples-without-a-rule",
        ),
        pytest.param(
            PROMPT.replace("params.words", "params.word"),
            "small.md:7:1: error: this prompt uses 'params.word', and there is no such parameter\n"
            "    did you mean 'words'?",
            id="unknown-parameter",
        ),
        pytest.param(
            PROMPT.replace("params.words", "params['length']"),
            "small.md:7:1: error: this prompt uses 'params.length', and there is no such parameter\n"
            "    choose one of: style, variants, words",
            id="unknown-parameter-by-key",
        ),
        pytest.param(
            PROMPT.replace("{{ rejected }}", "{% include '/etc/passwd' %}"),
            "small.md:6:1: error: this template has a mistake: include, import and extends are not allowed\n"
            "    see the Jinja2 template syntax",
            id="reaches-outside",
        ),
        pytest.param(
            None,
            "operator.yaml: error: the operator has no prompt\n"
            "    write prompt.md for all packs, or one per pack, such as small.md",
            id="missing",
        ),
    ],
)
def test_a_mistake_in_the_prompt_is_told_with_its_place(
    prompt: str | None, said: str, tmp_path: Path
) -> None:
    assert complaints(write_operator(tmp_path, prompt=prompt)) == said


def test_prompts_are_those_of_packs_and_a_readme_is_none(tmp_path: Path) -> None:
    folder = write_operator(tmp_path)
    (folder / "README.md").write_text("How it came about.", "utf-8")
    assert set(read_operator(folder, own=True).prompts) == {"small"}
    (folder / "small.md").rename(folder / "smal.md")
    operator = read_operator(folder, own=True)
    with pytest.raises(RecipeError) as caught:
        operator.prompt("small")
    told = str(caught.value).replace(f"{tmp_path.as_posix()}/", "")
    assert told == (
        "shorten: error: the operator 'shorten' has no prompt for the pack 'small'\n"
        "    write shorten/small.md, or prompt.md there for all packs; there is: smal"
    )


def test_a_prompt_is_for_the_pack_of_its_name_and_a_readme_is_none(tmp_path: Path) -> None:
    folder = write_operator(tmp_path)
    (folder / "README.md").write_text("How it came about.", "utf-8")
    operator = read_operator(folder, own=True)
    assert set(operator.prompts) == {"small"}
    with pytest.raises(RecipeError, match="has no prompt for the pack 'frontier'"):
        operator.prompt("frontier")
    (folder / "prompt.md").write_text(PROMPT, "utf-8")
    assert read_operator(folder, own=True).prompt("frontier").name == "operators/shorten/prompt.md"


def test_one_prompt_serves_all_packs_that_have_none_of_their_own(tmp_path: Path) -> None:
    folder = write_operator(tmp_path)
    (folder / "prompt.md").write_text(PROMPT.replace("Shorten", "Cut"), "utf-8")
    operator = read_operator(folder, own=True)
    assert operator.prompt("small").name == "operators/shorten/small.md"
    assert operator.prompt("standard") == operator.prompt("frontier")
    assert operator.prompt("standard").name == "operators/shorten/prompt.md"


def test_a_folder_without_a_definition_is_told(tmp_path: Path) -> None:
    folder = write_operator(tmp_path)
    (folder / "operator.yaml").rename(folder / "operator.yml")
    assert (
        complaints(folder) == ".: error: this folder has no operator.yaml\n    rename operator.yml"
    )


@pytest.mark.parametrize("name", ["operator.yaml", "small.md", "rows.schema.json"])
def test_a_link_that_leaves_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    folder = write_operator(tmp_path / "operators", schema=ROWS)
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    assert complaints(folder) == (
        f"{name}: error: {name} is a link that leaves the operator's folder\n    copy the file into the folder"
    )


ROWS = """\
{
  "type": "object",
  "properties": {
    "plan": {"type": "string", "maxLength": 200},
    "rows": {
      "type": "array",
      "items": {
        "type": "object",
        "properties": {"why": {"type": "string", "maxLength": 100}},
        "required": ["why"]
      }
    }
  },
  "required": ["plan", "rows"],
  "additionalProperties": false
}
"""
TEXT = "a string without maxLength, enum, const or a pattern with an end"
ENDLESS = "    give every text a maxLength, every list a maxItems, every object `additionalProperties: false`"


def test_an_own_schema_is_read(tmp_path: Path) -> None:
    operator = read_operator(write_operator(tmp_path, schema=ROWS), own=True)
    assert operator.reply == json.loads(ROWS)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param(
            [('"maxLength": 200', '"minLength": 200')],
            f"rows.schema.json:4:13: error: the reply can grow without end: {TEXT}\n{ENDLESS}",
            id="endless-text",
        ),
        pytest.param(
            [(', "maxLength": 100', "")],
            f"rows.schema.json:9:31: error: the reply can grow without end: {TEXT}\n{ENDLESS}",
            id="endless-text-of-a-row",
        ),
        pytest.param(
            [('\n  "additionalProperties": false', '\n  "additionalProperties": true')],
            "rows.schema.json:1:1: error: the reply can grow without end: an object without "
            f"additionalProperties: false\n{ENDLESS}",
            id="endless-keys",
        ),
        pytest.param(
            [('"type": "string", "maxLength": 200', '"type": "text", "maxLength": 200')],
            "rows.schema.json:4:22: error: this is not a JSON Schema: 'text' is not valid under any of"
            " the given schemas",
            id="no-json-schema",
        ),
        pytest.param(
            [('"type": "string", "maxLength": 200', '"$ref": "file:///etc/passwd"')],
            "rows.schema.json:4:22: error: a reply's schema cannot refer to other parts\n    write the part out here",
            id="refers-to-another-file",
        ),
        pytest.param(
            [('"plan", "rows"]', '"plan"]')],
            'rows.schema.json:14:15: error: `rows` is not required\n    write "required": ["rows"]',
            id="rows-not-required",
        ),
        pytest.param(
            [('"type": "array"', '"type": "object"')],
            "rows.schema.json:5:13: error: the schema must be an object with an array `rows`\n"
            '    write "type": "object", and in its "properties" "rows": {"type": "array", "items": '
            '{"type": "object"}}',
            id="no-rows",
        ),
        pytest.param(
            [('{"why":', '{"target": {"const": 1}, "why":')],
            "rows.schema.json:9:34: error: a row's 'target' is the engine's\n"
            "    leave it out: the engine adds it where it is asked for",
            id="target",
        ),
        pytest.param(
            [('"plan": {', '"plan" {')],
            "rows.schema.json:4:12: error: this is not JSON: Expecting ':' delimiter\n    check it here",
            id="no-json",
        ),
        pytest.param(
            [('"maxLength": 200', '"maxLength": 200, "maxLength": 300')],
            "rows.schema.json:1:1: error: this is not JSON: the key 'maxLength' is given twice\n    check it here",
            id="key-twice",
        ),
    ],
)
def test_a_mistake_in_the_schema_is_told_with_its_place(
    changes: list[tuple[str, str]], said: str, tmp_path: Path
) -> None:
    assert complaints(write_operator(tmp_path, schema=changed(*changes, text=ROWS))) == said


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = changed(("name: shorten", "name: shorter"), ("default: 5", "default: 50"))
    folder = write_operator(tmp_path, text, prompt=PROMPT.replace("rejected }}", "strategy }}"))
    assert complaints(folder).count("error: ") == 3


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (("fewer words; the", "few words; the"), True),
        (("version: 1", "version: 1\nsource: a paper"), True),
        (("Most words of a row", "Longest row"), True),
        (("sees: [row, rejected]", "sees: [row, rejected]\ntasks: any"), True),
        (("sees: [row, rejected]", "sees: [rejected, row]"), False),
        (("version: 1", "version: 2"), False),
        (("default: 5", "default: 6"), False),
        (("label: keep", "label: written"), False),
    ],
)
def test_the_digest_covers_what_decides_rows_and_no_prose(
    change: tuple[str, str], same: bool, tmp_path: Path
) -> None:
    before = read_operator(write_operator(tmp_path), own=True)
    after = read_operator(write_operator(tmp_path, changed(change)), own=True)
    assert (before.digest == after.digest) == same


def test_the_digest_covers_the_reply(tmp_path: Path) -> None:
    shared = read_operator(write_operator(tmp_path), own=True)
    own = read_operator(write_operator(tmp_path, schema=ROWS), own=True)
    longer = write_operator(tmp_path, schema=ROWS.replace("200", "300"))
    assert len({shared.digest, own.digest, read_operator(longer, own=True).digest}) == 3


def test_reading_is_the_same_wherever_the_folder_lies(tmp_path: Path) -> None:
    here = read_operator(write_operator(tmp_path / "a", OPERATOR), own=True)
    there = read_operator(write_operator(tmp_path / "b", OPERATOR), own=True)
    assert here.digest == there.digest
    assert here.prompt("small").digest == there.prompt("small").digest


def test_a_schema_is_read_as_json_also_where_yaml_would_not_take_it(tmp_path: Path) -> None:
    schema = changed(("  ", "\t"), (" 200}", ' 200, "pattern": "^\\ud83d\\ude00$"}'), text=ROWS)
    operator = read_operator(write_operator(tmp_path, schema=schema), own=True)
    assert operator.reply["properties"]["plan"]["pattern"] == "^\U0001f600$"
    longer = schema.replace('"rows"]', '"row"]')
    said = complaints(write_operator(tmp_path, schema=longer))
    assert said.startswith("rows.schema.json:1:1: error: `rows` is not required")

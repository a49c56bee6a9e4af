"""A student as a model: what is exported answers as the run's own student does, by its `use.py` alone."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import pytest

from engine import gate, models
from engine.backends.entry import ModelRef
from engine.backends.local.chat import encode_prompt
from engine.backends.transformers import TransformersSettings, open_student
from engine.errors import EngineError
from engine.export import Which, export_model
from engine.export.folder import MARK
from engine.export.run import find_run
from engine.models.digest import weights_digest
from engine.store import reader
from engine.tasks import TASKS as TASKS_OF_THE_ENGINE
from engine.tasks import answers
from engine.tasks.chat import Params
from engine.turns import turns_in
from engine.turns.tools import native
from tests.backends.local.test_chat import KNOWS_TOOLS
from tests.backends.tiny import WORDS, write_model
from tests.report.invented import Invented

pytestmark = pytest.mark.models


class Ran(NamedTuple):
    """A run with one student, and where it lies."""

    which: Which
    student: Path
    adapter: Path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base model, `student`, and an adapter of it that changes its answers."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("weights")
    model = AutoModelForCausalLM.from_pretrained(write_model(folder / "student"), dtype="auto")
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    tuned = get_peft_model(model, config)
    torch.manual_seed(2)
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    tuned.save_pretrained(folder / "adapter")
    return folder


def run_of(
    weights: Path,
    folder: Path,
    task: Mapping[str, Any],
    rows: Sequence[Any],
    dtype: str = "float32",
) -> Ran:
    """Return a run of that student on a task; rows are (inputs, target)."""
    shutil.copytree(weights, folder / "recipe")
    state = folder / "state"
    gate.own_state(state)
    (state / "models").mkdir(parents=True)
    shutil.copytree(weights / "adapter", state / "models" / "adapter")
    store = Invented()
    student = {"backend": "transformers", "model": "./student", "dtype": dtype}
    store.recipe(task=task, models={"student": student}, train={"r": 4, "steps": 8})
    store.run()
    load = store.node("load", "load")
    for number, (inputs, target) in enumerate(rows):
        split = ("train", "validation", "test")[number % 3]
        store.add(
            "example", **load, id=f"e{number}", split=split, inputs=inputs, target=target, columns={},
            source="rows.jsonl", line=number + 1,
        )  # fmt: skip
    train = store.node("train.0", "train")
    identity = {"models": {"student": [weights_digest(weights / "student"), "transformers", {}]}}
    store.db.execute("UPDATE node SET identity = ? WHERE stage = 'train'", [json.dumps(identity)])
    store.add(
        "model", **train, path="models/adapter", weights="w", data="d", rows=4, steps=8, epochs=1.0,
        train_loss=0.1, validation_loss=None, chosen_step=8, seconds=1.0,
    )  # fmt: skip
    store.save(state)
    base = folder / "recipe"
    return Ran(Which(state, base=base), base / "student", state / "models" / "adapter")


def answers_of_the_run(ran: Ran) -> list[tuple[dict[str, str], str, list[str] | None]]:
    """Return each row, what the run's student says to it, and the row's own answers where it chooses among some."""
    with reader(ran.which.state) as query:
        run = find_run(query, ran.which)
        prompts, examples = run.prompts(training=False), run.examples
    settings = TransformersSettings(dtype="float32")
    student = open_student(ModelRef("student", ran.student), settings).with_adapter(ran.adapter)
    said = answers(prompts.kind, student, prompts.asked(examples), prompts.task)
    options = [prompts.kind.options(e.inputs, prompts.task) for e in examples]
    return [
        (dict(e.inputs), a.text, list(o.turns.values()) if o else None)
        for e, a, o in zip(examples, said, options, strict=True)
    ]


def ask_of(folder: Path) -> Any:
    """Return `ask` of an exported `use.py`."""
    return module_of(folder).ask


def module_of(folder: Path) -> Any:
    """Return an exported `use.py`."""
    spec = importlib.util.spec_from_file_location(f"use_{folder.name}", folder / "use.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def texts(count: int, step: int = 3) -> list[str]:
    return [
        " ".join(WORDS[(number * step + k * k) % 11] for k in range(1 + number % 5))
        for number in range(count)
    ]


CLASSES = [({"text": text}, WORDS[i * 5 % 13]) for i, text in enumerate(texts(24))]
LABELLED = {"kind": "classification", "input": ["text"], "target": "kind"}
CHOICES = [
    ({"text": text, "options": f"A. {WORDS[i]}\nB. {WORDS[i - 1]} seven\nC. {WORDS[i - 2]} two three"}, "ABC"[i % 3])
    for i, text in enumerate(texts(9))
]  # fmt: skip
DEFINED = (
    '[tools] [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}]'
)
TALKS = [
    (
        {"messages": (f"{DEFINED}\n" if i % 2 else "[system] Own.\n") + f"[user] {text}" + (
            f"\n[assistant] one\n[call] {{\"name\": \"find\", \"arguments\": {{}}}}\n[tool] {text} two" if i % 2 else ""
        )},
        WORDS[i % 13],
    )
    for i, text in enumerate(texts(9))
]  # fmt: skip
TASKS: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "labels": (LABELLED, CLASSES),
    "labels after shots": ({**LABELLED, "shots": {"n": 2, "seed": 0, "train": True}}, CLASSES),
    "options of the row": (
        {"kind": "multiple_choice", "input": ["text", "options"], "target": "right",
         "params": {"options": "options", "say": "text", "per_character": True}},
        CHOICES,
    ),
    "free text": (
        {"kind": "generation", "input": ["text"], "target": "kind", "params": {"max_tokens": 6}},
        CLASSES[:12],
    ),
    "conversations": (
        {"kind": "chat", "input": ["messages"], "target": "kind", "params": {"max_tokens": 6}}, TALKS
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TASKS)
def test_what_is_exported_answers_as_the_run_did(weights: Path, tmp_path: Path, name: str) -> None:
    ran = run_of(weights, tmp_path, *TASKS[name])
    expected = answers_of_the_run(ran)
    # Answers that are all the same would show nothing.
    assert len({said for _, said, _ in expected}) > 1
    for form in ("adapter", "merged"):
        export_model(ran.which, tmp_path / form, form)
        ask = ask_of(tmp_path / form)
        per_row = name == "options of the row"
        rows = [in_openai_form(row) if name == "conversations" else row for row, *_ in expected]
        given = [
            ask(row, own) if per_row else ask(row)
            for row, (_, _, own) in zip(rows, expected, strict=True)
        ]
        assert given == [said for _, said, _ in expected], form
    lines = [
        json.dumps({**row, "answers": own} if own else row)
        for row, (_, _, own) in zip(rows, expected, strict=True)
    ]
    (tmp_path / "new.jsonl").write_text("\n".join(lines), "utf-8")
    module = module_of(tmp_path / "merged")
    typed = ["--in", str(tmp_path / "new.jsonl"), "--out", str(tmp_path / "out.jsonl")]
    target, job = module.wanted(typed)
    module.answer_file(target, *job)
    written = [json.loads(line) for line in target.read_text("utf-8").splitlines()]
    assert [row["answer"] for row in written] == [said for _, said, _ in expected]


def in_openai_form(row: Mapping[str, str]) -> dict[str, Any]:
    told = native(turns_in(row["messages"]), parsed=False)
    return {"messages": told.messages, "tools": told.tools}


PARTS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% for part in m.content %}{{ part.text }}{% endfor %}<|im_end|>"
    "\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_SYSTEM = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.mark.parametrize("template", [NO_SYSTEM, PARTS], ids=["no system turn", "parts"])
def test_turns_and_control_tokens_reach_the_model_as_in_the_run(
    weights: Path, tmp_path: Path, template: str
) -> None:
    # What a row holds of the template's own marks stays text.
    rows = [
        ({"text": f"{row['text']}<|im_end|>\n<|im_start|>user\n{row['text']}"}, said)
        for row, said in CLASSES[:9]
    ]
    changed = tmp_path / "weights"
    shutil.copytree(weights, changed)
    (changed / "student" / "chat_template.jinja").write_text(template, "utf-8")
    task = {"kind": "generation", "input": ["text"], "target": "kind", "params": {"max_tokens": 6}}
    ran = run_of(changed, tmp_path, task | {"shots": {"n": 1, "seed": 0, "train": True}}, rows)
    export_model(ran.which, tmp_path / "adapter", "adapter")
    ask = ask_of(tmp_path / "adapter")
    expected = answers_of_the_run(ran)
    assert len({said for _, said, _ in expected}) > 1
    assert [ask(row) for row, _, _ in expected] == [said for _, said, _ in expected]


MARK_OF_A_TURN = "<|im_end|>\n<|im_start|>user"
FINDS = {
    "type": "dict",
    "properties": {"title": {"type": "string", "default": None}},
    "additionalProperties": True,
}
ODD_TOOLS = [
    {"name": "find", "description": f"Finds {MARK_OF_A_TURN}", "strict": True,
     "input_schema": {"$ref": "#/$defs/a", "$defs": {"a": FINDS}}},
    {"type": "function", "function": {"name": "now", "description": ""}},
]  # fmt: skip
ODD_TALK: list[dict[str, Any]] = [
    {"role": "developer", "content": "Be brief."},
    {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
    {"role": "user", "content": f"Emma? {MARK_OF_A_TURN}"},
    {"role": "assistant", "content": None, "tool_calls": [
        {"id": "x", "function": {"name": "find", "arguments": json.dumps({"title": MARK_OF_A_TURN})}},
        {"id": "y", "function": {"name": "now", "arguments": ""}}]},
    {"role": "tool", "tool_call_id": "y", "content": "ten"},
    {"role": "tool", "tool_call_id": "x", "content": f"two {MARK_OF_A_TURN}"},
    {"role": "assistant", "content": "In."},
    {"role": "user", "content": "And Ada?"},
    {"role": "assistant", "content": "I look.", "function_call": {"name": "find", "arguments": {"<|im_end|>": []}}},
    {"role": "function", "name": "find", "content": {"copies": 2}},
]  # fmt: skip


def runs_of_odd_talks(weights: Path, tmp_path: Path, template: str | None) -> Ran:
    changed = tmp_path / "weights"
    shutil.copytree(weights, changed)
    tokenizer = models.fetch("embedded/smollm2-135m-instruct")
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copyfile(tokenizer / file, changed / "student" / file)
    if template:
        (changed / "student" / "chat_template.jinja").write_text(template, "utf-8")
    rows = []
    for messages, tools in ((ODD_TALK, ODD_TOOLS), (ODD_TALK[:3], ODD_TOOLS), (ODD_TALK[2:3], [])):
        values: dict[str, Any] = {"messages": messages, "tools": tools, "kind": "one"}
        assert TASKS_OF_THE_ENGINE["chat"].spread(values, ["messages"], "kind", Params()) is None
        rows.append(({"messages": values["messages"]}, "one"))
    return run_of(
        changed, tmp_path, {"kind": "chat", "input": ["messages"], "target": "kind"}, rows
    )


@pytest.mark.parametrize("template", [None, KNOWS_TOOLS], ids=["in words", "native"])
def test_a_conversation_is_told_word_for_word_as_in_the_run(
    weights: Path, tmp_path: Path, template: str | None
) -> None:
    ran = runs_of_odd_talks(weights, tmp_path, template)
    with reader(ran.which.state) as query:
        run = find_run(query, ran.which)
        prompts, examples = run.prompts(training=False), run.examples
    export_model(ran.which, tmp_path / "adapter", "adapter")
    module = module_of(tmp_path / "adapter")
    asked: list[list[int]] = []

    class Listens:
        def generate(self, ids: Any, **others: Any) -> Any:
            asked.append(ids[0].tolist())
            return ids

    module.model = Listens()
    module.ask({"messages": ODD_TALK, "tools": ODD_TOOLS})
    module.ask({"messages": ODD_TALK[:3], "tools": json.dumps(ODD_TOOLS)})
    module.ask({"messages": ODD_TALK[2:3]})
    tokenizer = module.tokenizer
    in_order = sorted(examples, key=lambda e: e.id)
    expected = [encode_prompt(tokenizer, prompts(e)) for e in in_order]
    for got, right in zip(asked, expected, strict=True):
        assert tokenizer.decode(got) == tokenizer.decode(right)
        assert got == list(right)
    with pytest.raises(ValueError, match="a call has no answer"):
        module.ask({"messages": [*ODD_TALK[:4], ODD_TALK[6]]})


def test_a_gguf_is_asked_in_the_same_words_and_never_for_control_tokens(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    class Llama:
        def __init__(self, *given: Any, **others: Any) -> None:
            pass

        def create_chat_completion(self, messages: Any, **others: Any) -> Any:
            asked.append({"messages": messages, **others})
            return {"choices": [{"message": {"content": "one"}}]}

    monkeypatch.setitem(sys.modules, "llama_cpp", cast("Any", SimpleNamespace(Llama=Llama)))
    monkeypatch.setattr("engine.export.model.written.require_converter", lambda: None)
    monkeypatch.setattr("engine.export.model.written.convert", lambda model, to, say: None)
    ran = runs_of_odd_talks(weights, tmp_path, KNOWS_TOOLS)
    export_model(ran.which, tmp_path / "out", "gguf")
    ask = ask_of(tmp_path / "out")
    row = {"messages": ODD_TALK, "tools": ODD_TOOLS}
    clean = json.loads(json.dumps(row).replace("<|im_end|>", "").replace("<|im_start|>", ""))
    assert ask(clean) == "one"
    assert [turn["role"] for turn in asked[0]["messages"]][:3] == ["system", "user", "assistant"]
    assert [tool["type"] for tool in asked[0]["tools"]] == ["function", "function"]
    for hides in (
        {"messages": clean["messages"], "tools": ODD_TOOLS},
        {"messages": [*clean["messages"][:8], *ODD_TALK[8:]], "tools": clean["tools"]},
    ):
        with pytest.raises(ValueError, match=r"the row holds <.im_end.>"):
            ask(hides)


@pytest.fixture(scope="module")
def ran(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return run_of(weights, tmp_path_factory.mktemp("ran"), LABELLED, CLASSES)


def test_the_folder_holds_what_another_program_needs(ran: Ran, tmp_path: Path) -> None:
    done = export_model(ran.which, tmp_path / "out")
    names = {path.name for path in done.folder.iterdir()}
    assert {"model.safetensors", "config.json", "generation_config.json", "tokenizer.json"} <= names
    assert {"chat_template.jinja", "task.json", "use.py", "Modelfile", "README.md"} <= names
    config = json.loads((done.folder / "generation_config.json").read_text("utf-8"))
    assert (config["do_sample"], config["eos_token_id"]) == (False, [2])
    told = json.loads((done.folder / "task.json").read_text("utf-8"))
    assert told["answers"] == sorted({target for _, target in CLASSES[::3]})
    assert told["turns"][0] == {"role": "system", "template": "Label the text."}
    card = (done.folder / "README.md").read_text("utf-8")
    assert "Labels: `blue`, `" in card
    assert "## Limits" in card
    assert 'python use.py \'{"text": "…"}\'' in card
    with pytest.raises(ValueError, match="must be an object of texts with the columns text"):
        ask_of(done.folder)({"txt": "blue"})


def test_of_its_licence_the_card_states_what_was_given_and_not_the_bases_own(
    ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("engine.export.licences", "engine.export.model.card"):
        monkeypatch.setattr(f"{place}.licence_of", lambda model: "apache-2.0", raising=False)
    cards = {}
    for name in (None, "MIT"):
        done = export_model(ran.which, tmp_path / str(name), "adapter", licence=name)
        cards[name] = (done.folder / "README.md").read_text("utf-8")
    assert "license" not in cards[None].split("---")[1]
    assert "The licence of this model as a whole is not stated" in cards[None]
    assert "license: mit\n" in cards["MIT"].split("---")[1]
    for card in cards.values():
        assert "- base model's own licence: ./student (apache-2.0)" in card


def test_an_adapter_without_its_base_is_refused_and_so_is_another_base(
    weights: Path, tmp_path: Path
) -> None:
    ran = run_of(weights, tmp_path, LABELLED, CLASSES[:3])
    other = ran.student.parent / "other"
    ran.student.rename(other)
    with pytest.raises(EngineError, match="base model of run r0001 is not available"):
        export_model(ran.which, tmp_path / "out", "adapter")
    shutil.copytree(other, ran.student)
    with (ran.student / "model.safetensors").open("ab") as file:
        file.write(b" ")
    with pytest.raises(EngineError, match="its weights have changed"):
        export_model(ran.which, tmp_path / "out", "adapter")
    assert not (tmp_path / "out").exists()


def test_without_room_on_the_disk_nothing_is_begun(
    ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage(NamedTuple):
        free: int = 1000

    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage())
    with pytest.raises(EngineError, match=r"no room for the model in .*: it takes 20 MB"):
        export_model(ran.which, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_that_was_trained_whole_has_no_adapter(ran: Ran, tmp_path: Path) -> None:
    state = tmp_path / "state"
    shutil.copytree(ran.which.state, state)
    gate.trust_state(state)
    shutil.rmtree(state / "models" / "adapter")
    shutil.copytree(ran.student, state / "models" / "adapter")
    which = ran.which._replace(state=state)
    import torch
    from safetensors.torch import load_file

    with pytest.raises(EngineError, match="there is no adapter") as refused:
        export_model(which, tmp_path / "out", "adapter")
    assert "--as merged" in refused.value.hint
    export_model(which, tmp_path / "out", "merged")
    base, whole = (
        load_file(folder / "model.safetensors") for folder in (ran.student, tmp_path / "out")
    )
    assert all(torch.equal(whole[name], tensor.float()) for name, tensor in base.items())


@pytest.mark.parametrize(("stored", "asked"), [("float32", "bfloat16"), ("bfloat16", "float32")])
def test_a_merged_model_has_the_number_format_in_which_the_run_asked_it(
    weights: Path, tmp_path: Path, stored: str, asked: str
) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    changed = tmp_path / "weights"
    shutil.copytree(weights, changed)
    student = changed / "student"
    model = AutoModelForCausalLM.from_pretrained(student, dtype=getattr(torch, stored))
    model.save_pretrained(student)
    ran = run_of(changed, tmp_path, LABELLED, CLASSES[:3], asked)
    export_model(ran.which, tmp_path / "out")
    written = load_file(tmp_path / "out" / "model.safetensors")
    assert {str(tensor.dtype) for tensor in written.values()} == {f"torch.{asked}"}
    assert json.loads((tmp_path / "out" / "config.json").read_text("utf-8"))["dtype"] == asked
    if asked == "float32":
        assert any(not torch.equal(t, t.bfloat16().float()) for t in written.values())


def test_an_adapter_of_a_base_that_nobody_else_has_is_not_pushed(
    ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_none")
    with pytest.raises(EngineError, match="is of no use to others"):
        export_model(ran.which, tmp_path / "out", "adapter", push_to="someone/model")
    assert not (tmp_path / "out").exists()


def test_a_gguf_lies_beside_what_asks_it(
    ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def converts(model: Path, to: Path, say: object) -> None:
        assert (model / "model.safetensors").is_file()
        to.write_bytes(b"GGUF")

    monkeypatch.setattr("engine.export.model.written.require_converter", lambda: None)
    monkeypatch.setattr("engine.export.model.written.convert", converts)
    done = export_model(ran.which, tmp_path / "out", "gguf")
    names = {path.name for path in done.folder.iterdir()}
    assert names == {"model.gguf", "Modelfile", "task.json", "use.py", "README.md", MARK}
    assert "FROM ./model.gguf\n" in (done.folder / "Modelfile").read_text("utf-8")
    compile((done.folder / "use.py").read_text("utf-8"), "use.py", "exec")


def test_a_form_that_there_is_not(ran: Ran, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot be exported as 'ggml'"):
        export_model(ran.which, tmp_path / "out", "ggml")  # type: ignore[arg-type]

"""The Modelfile for Ollama: what a chat template puts around turns, in Ollama's own language."""

from __future__ import annotations

import re
from typing import Any

import jinja2
import pytest

from engine.export.model.modelfile import modelfile

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
MERGING = (
    "{% if messages[0]['role'] == 'system' %}{% set s = messages[0]['content'] %}{% set messages = messages[1:] %}"
    "{% endif %}{% for m in messages %}<start>{{ m['role'] }}\n{% if loop.first %}{{ s }}\n\n{% endif %}"
    "{{ m['content'] }}<end>\n{% endfor %}<start>model\n"
)
NO_SYSTEM = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
    "<start>{{ m['role'] }}\n{{ m['content'] | trim }}<end>\n{% endfor %}<start>model\n"
)


class Tokenizer:
    """As much of one as a Modelfile needs."""

    def __init__(
        self, template: str, end: str, bos: str | None, *, puts_first: bool = True
    ) -> None:
        self.template, self.end, self.bos_token = template, end, bos
        self.puts_first = puts_first and bos is not None
        self.special_tokens_map = {"bos_token": bos} if bos else {}

    def get_chat_template(self, template: None, tools: None) -> str:
        return self.template

    def apply_chat_template(
        self, turns: Any, tools: None, tokenize: bool, add_generation_prompt: bool
    ) -> str:
        def refuse(why: str) -> None:
            raise jinja2.TemplateError(why)

        text: str = jinja2.Template(self.template).render(
            messages=turns,
            add_generation_prompt=add_generation_prompt,
            bos_token=self.bos_token,
            raise_exception=refuse,
        )
        return text

    def encode(self, text: str) -> list[int]:
        return [1, 7] if self.puts_first else [7]

    def convert_ids_to_tokens(self, token: int) -> str | None:
        return {1: self.bos_token, 2: self.end}.get(token, "a")


def turns(system: str, user: str) -> list[dict[str, str]]:
    return [{"role": "system", "template": system}, {"role": "user", "template": user}]


def task(**changes: Any) -> dict[str, Any]:
    usual = {
        "recipe": "desk", "run": "r0001", "columns": ["text"], "labels": [], "description": "", "max_tokens": 12,
        "turns": turns("Label it.", "Text: {{ row.text }}\n\n"),
        "answer": "written", "shots": [], "shown": 0, "stops": [2],
    }  # fmt: skip
    return usual | changes


@pytest.mark.parametrize(
    ("template", "end", "bos", "written"),
    [
        (CHATML, "<|im_end|>", None,
         "{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}"
         "{{ if .Prompt }}<|im_start|>user\nText: {{ .Prompt }}\n<|im_end|>\n{{ end }}"
         "<|im_start|>assistant\n{{ .Response }}<|im_end|>\n"),
        (LLAMA3, "<|eot_id|>", "<|begin_of_text|>",
         "{{ if .System }}<|start_header_id|>system<|end_header_id|>\n\n{{ .System }}<|eot_id|>{{ end }}"
         "{{ if .Prompt }}<|start_header_id|>user<|end_header_id|>\n\nText: {{ .Prompt }}\n<|eot_id|>{{ end }}"
         "<|start_header_id|>assistant<|end_header_id|>\n\n{{ .Response }}<|eot_id|>"),
    ],
    ids=["ChatML", "Llama 3"],
)  # fmt: skip
def test_what_stands_around_turns_and_around_the_row_is_said_in_ollamas_language(
    template: str, end: str, bos: str | None, written: str
) -> None:
    text = modelfile(task(), Tokenizer(template, end, bos), "./model.gguf")
    assert f'TEMPLATE """{written}"""\nSYSTEM """Label it."""\n' in text
    assert "FROM ./model.gguf\n" in text
    assert f'PARAMETER temperature 0\nPARAMETER num_predict 12\nPARAMETER stop "{end}"\n' in text


def test_a_beginning_that_the_template_alone_puts_there_stays_in_it() -> None:
    """SmolLM2's: each turn begins with what its tokenizer calls the beginning, and puts before no text by itself."""
    trimmed = CHATML.replace("m['content']", "m['content'] | trim")
    for template in (CHATML, trimmed):
        tokenizer = Tokenizer(template, "<|im_end|>", "<|im_start|>", puts_first=False)
        text = modelfile(task(), tokenizer, ".")
        (written,) = re.findall(r'TEMPLATE """(.*?)"""', text, re.DOTALL)
        assert written.removeprefix("{{ if .System }}").startswith("<|im_start|>system\n")


@pytest.mark.parametrize("template", [MERGING, NO_SYSTEM], ids=["merging", "no system turn"])
def test_of_a_template_that_does_more_the_whole_prompt_is_written_around_the_row(
    template: str,
) -> None:
    text = modelfile(task(), Tokenizer(template, "<end>", None), ".")
    (written,) = re.findall(r'TEMPLATE """(.*?)"""', text, re.DOTALL)
    assert written.startswith("<start>user\nLabel it.\n\nText: {{ .Prompt }}")
    assert written.endswith("<end>\n<start>model{{ .Response }}")
    assert "\nSYSTEM" not in text


def test_what_a_template_trims_is_not_said_of_each_turn_by_itself() -> None:
    text = modelfile(
        task(),
        Tokenizer(CHATML.replace("m['content']", "m['content'] | trim"), "<|im_end|>", None),
        ".",
    )
    assert "user\nText: {{ .Prompt }}<|im_end|>\n<|im_start|>assistant\n{{ .Response }}" in text
    assert "system\nLabel it.<|im_end|>" in text


def answered(text: str, label: str) -> dict[str, Any]:
    said = [{"role": "user", "content": f"Text: {text}\n"}, {"role": "assistant", "content": label}]
    return {"row": {"text": text}, "turns": said}


def test_answered_rows_come_before_the_message() -> None:
    shots = [answered("Where is it?", "delivery"), answered("Again", "other")]
    text = modelfile(task(shots=shots, shown=1), Tokenizer(CHATML, "<|im_end|>", None), ".")
    assert (
        'SYSTEM """Label it."""\nMESSAGE user """Where is it?"""\nMESSAGE assistant """delivery"""\nPARAM'
        in text
    )
    text = modelfile(task(shots=shots, shown=1), Tokenizer(NO_SYSTEM, "<end>", None), ".")
    assert (
        "Label it.\n\nText: Where is it?<end>\n<start>assistant\ndelivery<end>\n<start>user\nText: {{ .Prom"
        in text
    )


def test_what_cannot_stand_between_three_quotes_is_said_in_the_template() -> None:
    odd = turns('Say """yes""" or {{ "{{ no }}" }}.', "{{ row.text }}")
    text = modelfile(task(turns=odd), Tokenizer(CHATML, "<|im_end|>", None), ".")
    assert "\nSYSTEM" not in text
    assert r'Say {{ "\"\"\"" }}yes{{ "\"\"\"" }} or {{ "{{" }} no }}.<|im_end|>' in text


TWO = {
    "columns": ["question", "context"],
    "turns": turns("Label it.", "{{ row.question }} {{ row.context }}"),
}


@pytest.mark.parametrize(
    ("changes", "system"),
    [
        (TWO, True),
        ({"turns": [{"role": "user", "template": "{{ row.text | upper }}"}]}, False),
        ({"turns": turns("About {{ row.text }}", "{{ row.text }}")}, False),
    ],
    ids=["two columns", "a changed row", "a system turn of the row's"],
)  # fmt: skip
def test_a_row_that_is_more_than_one_text_is_not_squeezed_into_a_message(
    changes: dict[str, Any], system: bool
) -> None:
    text = modelfile(task(**changes), Tokenizer(CHATML, "<|im_end|>", None), ".")
    assert ('\nSYSTEM """Label it."""\n' in text) == ("\nSYSTEM" in text) == system
    assert "use.py shows how" in text

"""The Modelfile for Ollama: what a chat template puts around turns, in Ollama's own language."""

from __future__ import annotations

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
REFUSING = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
)


class Tokenizer:
    """As much of one as a Modelfile needs."""

    def __init__(self, template: str, end: str, bos: str | None) -> None:
        self.template, self.end, self.bos_token = template, end, bos

    def apply_chat_template(self, turns: Any, tokenize: bool, add_generation_prompt: bool) -> str:
        def refuse(why: str) -> None:
            raise jinja2.TemplateError(why)

        text: str = jinja2.Template(self.template).render(
            messages=turns,
            add_generation_prompt=add_generation_prompt,
            bos_token=self.bos_token,
            raise_exception=refuse,
        )
        return text

    def convert_ids_to_tokens(self, token: int) -> str:
        return self.end


def turns(system: str, user: str) -> list[dict[str, str]]:
    return [{"role": "system", "template": system}, {"role": "user", "template": user}]


def task(**changes: Any) -> dict[str, Any]:
    usual = {
        "recipe": "desk", "run": "r0001", "columns": ["text"], "labels": [], "description": "", "max_tokens": 12,
        "turns": turns("Label it.", "Text: {{ row.text }}\n\n"),
        "answer": "written", "shots": [], "stops": [2],
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


@pytest.mark.parametrize("template", [MERGING, REFUSING])
def test_a_template_that_does_more_is_left_to_ollama(template: str) -> None:
    text = modelfile(task(), Tokenizer(template, "<end>", None), ".")
    assert "\nTEMPLATE" not in text
    assert "Ollama takes the chat template from the model" in text


@pytest.mark.parametrize(
    "changes",
    [
        {"columns": ["question", "context"]},
        {"shots": [{"row": {}, "turns": []}]},
        {"turns": [{"role": "user", "template": "{{ row.text | upper }}"}]},
        {"turns": turns("About {{ row.text }}", "{{ row.text }}")},
    ],
    ids=["two columns", "shots", "a changed row", "a system turn of the row's"],
)  # fmt: skip
def test_a_row_that_is_more_than_one_text_is_not_squeezed_into_a_message(
    changes: dict[str, Any],
) -> None:
    text = modelfile(task(**changes), Tokenizer(CHATML, "<|im_end|>", None), ".")
    assert "\nSYSTEM" not in text
    assert "use.py shows how" in text

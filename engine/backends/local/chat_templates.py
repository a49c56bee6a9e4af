"""Chat templates, which come with a model's folder: rendered apart unless they are cheap by their form.

A template is a program, and who wrote the model wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment

from engine import sandbox
from engine.errors import ModelError
from engine.sandbox.templates import is_plain

_JINJA = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
"""Reads templates as transformers and llama.cpp do; renders none."""


def written(
    tokenizer: Any,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] | None = None,
    *,
    prompt: bool,
) -> str:
    """Return turns as the tokenizer's chat template writes them.

    Args:
        tokenizer: The model's.
        messages: The turns, in the OpenAI format.
        tools: Definitions of tools.
        prompt: Whether the assistant's turn is opened at the end.

    Raises:
        ModelError: it takes more than the limits let it.
        Exception: what the template raises, for turns that it does not take.
    """
    template = tokenizer.get_chat_template(None, tools)
    if is_plain(template, _JINJA):
        text: str = tokenizer.apply_chat_template(
            messages, tools=tools, tokenize=False, add_generation_prompt=prompt
        )
        return text
    try:
        return sandbox.call(
            *(_with_transformers, template, messages, tools, prompt, dict(tokenizer.special_tokens_map)),
            text=template,
            prepare=_load_transformers,
        )  # fmt: skip
    except sandbox.Overrun as overrun:
        raise costly(overrun) from None


def _load_transformers() -> None:
    from transformers.utils import chat_template_utils

    chat_template_utils.render_jinja_template  # noqa: B018


def _load_llama() -> None:
    from llama_cpp import llama_chat_format

    llama_chat_format.Jinja2ChatFormatter  # noqa: B018


def _with_transformers(
    template: str,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] | None,
    prompt: bool,
    special: Mapping[str, Any],
) -> str:
    from transformers.utils.chat_template_utils import render_jinja_template

    texts, _ = render_jinja_template(
        conversations=[messages],
        tools=tools,
        chat_template=template,
        add_generation_prompt=prompt,
        **special,
    )
    return str(texts[0])


def written_by_llama(
    template: str, eos: str, bos: str, messages: Sequence[Mapping[str, Any]]
) -> tuple[str, bool]:
    """Return turns as llama.cpp's Python writes them by a chat template, and whether it writes what begins a prompt.

    Raises:
        ModelError: it takes more than the limits let it.
        Exception: what the template raises, for turns that it does not take.
    """
    if is_plain(template, _JINJA):
        return _with_llama(template, eos, bos, messages)
    try:
        asked = (_with_llama, template, eos, bos, messages)
        return sandbox.call(*asked, text=template, prepare=_load_llama)
    except sandbox.Overrun as overrun:
        raise costly(overrun) from None


def _with_llama(
    template: str, eos: str, bos: str, messages: Sequence[Mapping[str, Any]]
) -> tuple[str, bool]:
    found = _formatter(template, eos, bos)(messages=messages)
    return found.prompt, found.added_special


@lru_cache(maxsize=4)
def _formatter(template: str, eos: str, bos: str) -> Any:
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    return Jinja2ChatFormatter(template=template, eos_token=eos, bos_token=bos)


def costly(overrun: sandbox.Overrun) -> ModelError:
    """Return what is said of a template that takes too much."""
    return ModelError(
        f"the model's chat template {overrun.why}",
        "no template of an honest model does: choose another one",
    )

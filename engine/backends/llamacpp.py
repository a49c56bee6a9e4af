"""The `llamacpp` backend: a GGUF file on this machine, through llama-cpp-python.

As teacher, judge, or a student that is measured as it is. Outlines constrains the tokens (its llguidance back end),
llama.cpp generates. One request after the other, each from an empty cache: a reply depends on its request alone, so
that a resumed run repeats those of an undisturbed one.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from pydantic import Field

from engine.backends.entry import Backend, Extra, ModelRef, Settings
from engine.backends.local import chat_templates, grammar
from engine.backends.local.chat import Inert, marks, rendered
from engine.backends.protocol import Completion, Message, Request, Reserve, Usage, always
from engine.backends.replies import completion, does_not_fit, failed, read, reply_room
from engine.bounds import Count
from engine.errors import BackendError, ModelError, reason_of
from engine.turns.tools import mapped, texts_in

if TYPE_CHECKING:
    from llama_cpp import Llama

EXTRA = Extra("llama-cpp-python", "llama_cpp", "llamacpp")
LARGEST_CONTEXT = 8192
"""Tokens; memory for them is taken at once, and models that say 131,072 would take many gigabytes."""
TOP_K = 50
"""As for models that run with transformers."""


class LlamaCppSettings(Settings):
    """Settings of a GGUF model that runs here with llama.cpp."""

    context: Count | None = Field(default=None, ge=64)
    """Tokens of prompt and reply together; what the model was trained with, at most 8,192, when left out."""
    gpu_layers: Count = Field(default=-1, ge=-1)
    """Layers on the graphics card, -1 for all; of no effect with a llama.cpp that was built without one."""
    threads: Count | None = Field(default=None, ge=1)
    """Threads on the CPU; chosen by llama.cpp when left out."""


class _Loaded:
    """One model: llama.cpp's weights, the chat template, and Outlines around them."""

    def __init__(self, ref: ModelRef, settings: LlamaCppSettings) -> None:
        """Load the weights; raises BackendError without the library, ModelError for what it cannot run."""
        _require()
        import llguidance.llamacpp
        import outlines
        from llama_cpp import llama_model_get_vocab

        self.llama = _load(ref, settings)
        metadata: Mapping[str, str] = self.llama.metadata
        trained = int(metadata.get(f"{metadata.get('general.architecture')}.context_length", 0))
        self.context = settings.context or min(trained or LARGEST_CONTEXT, self.llama.n_ctx())
        template = metadata.get("tokenizer.chat_template")
        if template is None:
            raise ModelError(
                f"{ref.path} holds no chat template, so a prompt cannot be written for it",
                "choose a GGUF file of an instruct model",
            )
        self._vocab = llama_model_get_vocab(self.llama.model)
        ends = self._text(self.llama.token_eos()), self._text(self.llama.token_bos())
        self.format = partial(chat_templates.written_by_llama, template, *ends)
        self.outlined = outlines.from_llamacpp(self.llama)
        self.vocabulary = llguidance.llamacpp.lltokenizer_from_vocab(self._vocab)

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Return the tokens of a prompt up to the place where the assistant begins to speak.

        What a message holds of control tokens is encoded as plain text, as with transformers.
        """
        inert = Inert(self._marks, [text for turn in messages for text in texts_in(turn)])
        turns = [mapped(message, inert.without) for message in messages]
        added: list[bool] = []

        def written(turns: list[Any]) -> str:
            text, begins = self.format(turns)
            added.append(begins)
            return text

        def tokens(text: str, control: bool) -> list[int]:
            found: list[int] = self.llama.tokenize(
                text.encode("utf-8", "replace"), add_bos=False, special=control
            )
            return found

        encoded = inert.encode(rendered(written, turns), tokens)
        # Where the template does not write it: what llama.cpp puts before a prompt.
        begins = [] if added[-1] else self.llama.tokenize(b"", add_bos=True, special=True)
        return [*begins, *encoded]

    def processors(self, request: Request) -> Any:
        """Return what keeps a reply to its schema; None for plain text."""
        if request.schema is None:
            return None
        return grammar.processors(request.schema, self.vocabulary, self.outlined)

    def over(self, token: int) -> bool:
        """Return whether a token ends the turn."""
        from llama_cpp import llama_vocab_is_eog

        return bool(llama_vocab_is_eog(self._vocab, token))

    @cached_property
    def _marks(self) -> list[str]:
        """What the vocabulary reads as one token wherever it stands, and what is no word or blank."""
        import llama_cpp

        own = llama_cpp.LLAMA_TOKEN_ATTR_CONTROL | llama_cpp.LLAMA_TOKEN_ATTR_UNKNOWN
        user = llama_cpp.LLAMA_TOKEN_ATTR_USER_DEFINED
        count = llama_cpp.llama_vocab_n_tokens(self._vocab)
        kinds = ((n, llama_cpp.llama_vocab_get_attr(self._vocab, n)) for n in range(count))
        return marks((self._text(n), bool(kind & own)) for n, kind in kinds if kind & (own | user))

    def _text(self, token: int) -> str:
        from llama_cpp import llama_vocab_get_text

        return llama_vocab_get_text(self._vocab, token).decode() if token >= 0 else ""


def _require() -> None:
    EXTRA.require()
    try:
        import llama_cpp  # noqa: F401
    except (ImportError, OSError, RuntimeError) as problem:  # a library for another machine
        raise BackendError(
            f"llama-cpp-python cannot be loaded: {problem}",
            "build it on this machine: pip install --force-reinstall --no-binary llama-cpp-python llama-cpp-python",
        ) from problem


def _load(ref: ModelRef, settings: LlamaCppSettings) -> Llama:
    from llama_cpp import Llama

    try:
        return Llama(
            str(ref.path),
            n_ctx=settings.context or LARGEST_CONTEXT,
            n_gpu_layers=settings.gpu_layers,
            n_threads=settings.threads,
            verbose=False,
        )
    except Exception as problem:
        raise ModelError(
            f"llama.cpp cannot load {ref.path}: {reason_of(problem)}",
            "the file may be damaged, newer than the installed llama-cpp-python, or too large for this machine; "
            "a smaller `context` needs less memory",
        ) from problem


class LlamaCppModel:
    """One GGUF model."""

    def __init__(self, ref: ModelRef, settings: LlamaCppSettings) -> None:
        """Take what to load; nothing is loaded before it is used."""
        self._ref, self._settings = ref, settings

    @cached_property
    def _loaded(self) -> _Loaded:
        return _Loaded(self._ref, self._settings)

    def complete_many(
        self, requests: Iterable[Request], answered: Container[str], reserve: Reserve = always
    ) -> Iterator[list[Completion]]:
        """Yield one completion after the other, in the order of the requests; see `Generator`."""
        for request in requests:
            if request.id in answered:
                continue
            if not reserve([request]):
                return
            yield [_complete(self._loaded, request)]


def _complete(loaded: _Loaded, request: Request) -> Completion:
    prompt = loaded.prompt(request.messages)
    if detail := does_not_fit(len(prompt), request.max_tokens, loaded.context):
        return completion(
            request, failed("too_long", detail), method=grammar.METHOD, usage=Usage(len(prompt), 0)
        )
    began = time.perf_counter()
    most = reply_room(len(prompt), request.max_tokens, loaded.context)
    tokens, ended = _generate(loaded, request, prompt, most)
    text = loaded.llama.detokenize(tokens).decode("utf-8", "replace")
    return completion(
        request,
        read(request, text, 0 if ended else most, limited=most < request.max_tokens),
        text=text,
        finish="stop" if ended else "length",
        usage=Usage(len(prompt), len(tokens) + ended),
        seconds=time.perf_counter() - began,
        method=grammar.METHOD,
    )


def _generate(
    loaded: _Loaded, request: Request, prompt: list[int], most: int
) -> tuple[list[int], bool]:
    """Return the tokens generated, `most` of them, without the one that ends the turn, and whether it was there."""
    llama = loaded.llama
    llama.reset()
    llama.set_seed(int(request.id[:7], 16))
    tokens: list[int] = []
    for token in llama.generate(
        prompt,
        temp=request.temperature,
        top_k=TOP_K,
        top_p=1.0,
        min_p=0.0,
        logits_processor=loaded.processors(request),
    ):
        if loaded.over(token):
            return tokens, True
        tokens.append(token)
        if len(tokens) == most:
            break
    return tokens, False


BACKEND = Backend(
    name="llamacpp",
    roles=("student", "teacher", "judge"),
    settings=LlamaCppSettings,
    local=True,
    weights="gguf",
    extra=EXTRA,
    operational=frozenset({"threads"}),
    generator=LlamaCppModel,
)

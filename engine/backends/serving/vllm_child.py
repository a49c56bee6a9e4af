"""The student's vLLM process: `python -m engine.backends.serving.vllm_child SPEC.json PARENT_PID`.

Ends with its parent, and so does all that it starts. It loads a base model once, reads questions from stdin and
writes answers to stdout, a JSON line each; what libraries print goes to stderr, which is a file. Each question names
the adapter that answers it, so that one process answers for the students of all rounds and seeds.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.backends.lifetime import die_with_all
from engine.backends.local.generation import TOP_K
from engine.backends.vllm_offline import constraint
from engine.errors import EngineError, ModelError

_ENVIRONMENT = {
    # One process: in one of its own vLLM begins before it has all rows, and their last digits are left to chance.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_NO_USAGE_STATS": "1",  # it would tell its makers about this machine
    "VLLM_LOGGING_LEVEL": "ERROR",
}
"""Read by vLLM when it is imported; what the user has set stands."""
ADAPTERS = 64
"""Adapters that are kept in memory; of more the one that was asked least recently is read again."""
_LONGEST = 300


class Answering:
    """vLLM around one base model, and the adapters that it was asked for."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        """Load the model that the spec names; raises ModelError where vLLM cannot."""
        self._llm = _load(spec)
        self._adapters: dict[str, int] = {}

    @property
    def context(self) -> int:
        """Tokens of prompt and answer together."""
        return int(self._llm.model_config.max_model_len)

    def generate(self, question: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the tokens that each row is answered with, and whether they were cut."""
        rows, stops = question["rows"], question["stops"]
        outputs = self._ask(rows, [_sampling(row, stops) for row in rows], question["adapter"])
        return [
            {"tokens": list(said.token_ids), "cut": said.finish_reason == "length"}
            for said in (output.outputs[0] for output in outputs)
        ]

    def score(self, question: Mapping[str, Any]) -> list[float]:
        """Return for each row the log-likelihood, in nats, of its tokens from `start` on behind those before."""
        from vllm import SamplingParams

        rows = question["rows"]
        # Beginnings that rows share are computed once; of what a row reads from there it has no log-probabilities,
        # so that a row whose own part was read (its answer begins with another's) is computed whole.
        found = self._scores(
            rows, SamplingParams(**_SCORED, skip_reading_prefix_cache=False), question
        )
        whole = [number for number, nats in enumerate(found) if nats is None]
        if whole:
            again = [rows[number] for number in whole]
            for number, nats in zip(
                whole, self._scores(again, SamplingParams(**_SCORED), question), strict=True
            ):
                found[number] = nats
        if not all(nats is not None and math.isfinite(nats) for nats in found):
            raise ModelError(
                "the model's likelihoods are not numbers (NaN or infinite): its answers would say nothing",
                "try `dtype: float32` at the model, or `serve: transformers`",
            )
        return [float(nats) for nats in found if nats is not None]

    def _scores(
        self, rows: Sequence[Mapping[str, Any]], sampling: Any, question: Mapping[str, Any]
    ) -> list[float | None]:
        outputs = self._ask(rows, [sampling] * len(rows), question["adapter"])
        return [_likelihood(row, output) for row, output in zip(rows, outputs, strict=True)]

    def _ask(
        self, rows: Sequence[Mapping[str, Any]], sampling: Sequence[Any], adapter: str | None
    ) -> Any:
        from vllm.lora.request import LoRARequest

        lora = None
        if adapter is not None:
            number = self._adapters.setdefault(adapter, len(self._adapters) + 1)
            lora = LoRARequest(Path(adapter).parent.name, number, adapter)
        self._llm.reset_prefix_cache()  # what earlier batches left there must not decide anything
        return self._llm.generate(
            [{"prompt_token_ids": row["tokens"]} for row in rows],
            list(sampling),
            lora_request=lora,
            use_tqdm=False,
        )


_SCORED = {"temperature": 0.0, "max_tokens": 1, "prompt_logprobs": 0, "detokenize": False}


def _likelihood(row: Mapping[str, Any], output: Any) -> float | None:
    """Return the log-likelihood of a row's own part; None where some of it was not computed for this row."""
    own = row["tokens"][row["start"] :]
    told = list(output.prompt_logprobs)[-len(own) :]
    if len(told) < len(own) or not all(told):
        return None
    # A token's own log-probability is there whatever its rank.
    return float(sum(each[token].logprob for token, each in zip(own, told, strict=True)))


def _sampling(row: Mapping[str, Any], stops: Sequence[int]) -> Any:
    from vllm import SamplingParams

    sampling: Mapping[str, Any] = {"temperature": 0.0}
    if row["temperature"] > 0:
        sampling = {"temperature": row["temperature"], "top_k": TOP_K, "seed": row["seed"]}
    schema = row["schema"]
    return SamplingParams(
        max_tokens=row["max_tokens"],
        stop_token_ids=list(stops),
        structured_outputs=None if schema is None else constraint(schema),
        detokenize=False,
        **sampling,
    )


def _load(spec: Mapping[str, Any]) -> Any:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if spec["device"] == "cpu":
        os.environ.setdefault("VLLM_TARGET_DEVICE", "cpu")
    try:
        from vllm import LLM
    except (ImportError, OSError, RuntimeError) as problem:  # a library for another machine
        raise ModelError(
            f"vLLM cannot be loaded: {first_line(problem)}",
            "install the build for this machine's graphics card or CPU, as vLLM's documentation says, or write "
            "serve: transformers at models.student",
        ) from problem
    adapters: dict[str, Any] = {}
    if spec["rank"]:
        adapters = {
            "enable_lora": True,
            "max_lora_rank": spec["rank"],
            "max_loras": 1,  # of one batch: a question names one adapter
            "max_cpu_loras": ADAPTERS,
            # Not the output layer, which no adapter of ours changes: vLLM leaves what one adds there out of the
            # log-probabilities of a prompt, or fails (its issue 51594).
            "lora_target_modules": spec["modules"],
        }
    try:
        return LLM(
            spec["model"],
            tokenizer_mode="hf",
            trust_remote_code=False,
            dtype=spec["dtype"],
            max_model_len=spec["context"],
            gpu_memory_utilization=spec["share"],
            enforce_eager=spec["eager"],
            enable_prefix_caching=True,
            structured_outputs_config={"backend": "guidance", "disable_any_whitespace": True},
            use_tqdm_on_load=False,
            **adapters,
        )
    except Exception as problem:
        raise ModelError(
            f"vLLM cannot load the student from {spec['model']}: {first_line(problem)}",
            "the model may be of a kind that vLLM does not know, or too large: models.student.serve_memory says which "
            "share of the memory vLLM may take; or write serve: transformers",
        ) from problem


def first_line(problem: BaseException) -> str:
    """Return the first line of what a library says, cut."""
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0][:_LONGEST]


def _answer(answering: Answering, question: Mapping[str, Any]) -> dict[str, Any]:
    try:
        rows = getattr(answering, question["what"])(question)
    except EngineError as error:
        return {"error": error.message, "hint": error.hint}
    except Exception as problem:  # what vLLM raises over an adapter or a schema
        said = "the adapter" if question["adapter"] else "a question"
        return {
            "error": f"vLLM refuses {said} of the student ({question['adapter'] or 'untuned'}): {first_line(problem)}",
            "hint": "write serve: transformers at models.student, which takes what vLLM does not",
        }
    return {"rows": rows}


def main(arguments: Sequence[str]) -> None:
    """Answer for the parent whose pid comes second; what is loaded stands in the file named first."""
    die_with_all(int(arguments[1]))
    # Libraries that print must not get between the JSON lines.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    spec = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))

    def tell(answer: Mapping[str, Any]) -> None:
        print(json.dumps(answer), file=out, flush=True)

    try:
        answering = Answering(spec)
    except EngineError as error:
        tell({"error": error.message, "hint": error.hint})
        sys.exit(error.exit_code)
    tell({"context": answering.context})
    for line in sys.stdin:
        tell(_answer(answering, json.loads(line)))


if __name__ == "__main__":
    main(sys.argv[1:])

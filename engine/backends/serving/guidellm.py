"""guidellm behind one adapter: `python -m engine.backends.serving.guidellm SPEC.json PARENT_PID` measures.

The one module that knows guidellm, whose interface changes from version to version: `VERSION` is the one this was
written for. It writes one JSON line per concurrency to stdout; what guidellm prints goes to stderr. It reaches the
endpoint and nothing else: no hub is asked, and tokens are counted by the server, so no tokenizer is loaded.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import sys
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.backends.lifetime import die_with_all
from engine.errors import BackendError

VERSION = "0.8.1"
_PERCENTILES = ("p50", "p90", "p95", "p99")
_METRICS = {
    "time_to_first_token_ms": ("time_to_first_token_ms", 1.0),
    "inter_token_latency_ms": ("inter_token_latency_ms", 1.0),
    "request_latency_ms": ("request_latency", 1000.0),
    "requests_per_second": ("requests_per_second", 1.0),
    "output_tokens_per_second": ("output_tokens_per_second", 1.0),
    "prompt_tokens": ("prompt_token_count", 1.0),
    "output_tokens": ("output_token_count", 1.0),
}
"""Our name -> guidellm's, and what its unit is multiplied by: all latencies are in milliseconds."""
_PER_PROCESS = 64
"""Requests under way that one process of guidellm looks after."""
_QUIET_S = 300.0
"""Seconds without a byte from the server after which a request has failed."""
_LONGEST = 300
"""Characters that are kept of an error."""


def require() -> None:
    """Raise BackendError where guidellm is not installed in the version that is known; imports nothing of it."""
    try:
        installed = importlib.metadata.version("guidellm")
    except importlib.metadata.PackageNotFoundError:
        installed = ""
    if installed != VERSION:
        what = (
            f"guidellm {installed} is installed, and only {VERSION} is known" if installed else ""
        )
        raise BackendError(what or "guidellm is not installed", f"pip install guidellm=={VERSION}")


def measure(spec: Mapping[str, Any], prompts: Sequence[Any], concurrency: int) -> dict[str, Any]:
    """Ask every prompt once, `concurrency` at a time; return the numbers.

    `spec` holds `base_url`, `model`, `max_tokens`, `extra` (further parameters of every request) and `key` (the
    environment variable with the API key, or None); a prompt is a list of chat turns.
    """
    from guidellm.benchmark.entrypoints import benchmark_generative_text
    from guidellm.schemas.benchmark import BenchmarkArgs, BenchmarkScenario
    from guidellm.settings import settings

    # By itself it starts a process per request under way, and each loads torch beside the server that is measured.
    settings.max_worker_processes = math.ceil(concurrency / _PER_PROCESS)
    arguments = BenchmarkArgs(
        backend=_backend(spec),
        profile={"kind": "concurrent", "streams": [concurrency]},
        constraints=[{"kind": "max_requests", "count": len(prompts)}],
        tokenizer={"kind": "huggingface_auto", "model": spec["model"]},
        data=[{"kind": "in_memory_dict_list", "data": [{"messages": turns} for turns in prompts]}],
        data_column_mapper={
            "kind": "generative_column_mapper",
            "column_mappings": {"raw_messages_column": "messages"},
        },
        data_preprocessors=[],
        outputs=[],
    )
    scenario = BenchmarkScenario(spec=arguments)
    import asyncio

    report, _ = asyncio.run(benchmark_generative_text(args=scenario, progress=False, console=None))
    return _numbers(report.benchmarks[0], concurrency, len(prompts), _key(spec) or "")


def _key(spec: Mapping[str, Any]) -> str | None:
    return os.environ[spec["key"]].strip() if spec["key"] else None


def _backend(spec: Mapping[str, Any]) -> dict[str, Any]:
    url = str(spec["base_url"]).rstrip("/")
    # guidellm takes /v1 away from an address and puts it into every path.
    path = "v1/chat/completions" if url.endswith("/v1") else "chat/completions"
    return {
        "kind": "openai_http",
        "target": url,
        "api_routes": {"/v1/chat/completions": path},
        "model": spec["model"],
        "api_key": _key(spec),
        "validate_backend": False,
        "http2": False,
        # A redirect could lead anywhere, and guidellm would not check certificates by itself.
        "follow_redirects": False,
        "verify": True,
        "timeout": _QUIET_S,
        # max_tokens, not its newer name, which older servers do not know and leave unbounded.
        "extras": {"body": {"max_tokens": spec["max_tokens"], "temperature": 0, **spec["extra"]}},
    }


def _redacted(error: str, key: str) -> str:
    """Return an error as it is kept: a server may repeat the key, of which not even a part is."""
    return (error.replace(key, "[key]") if key else error)[:_LONGEST]


def _numbers(benchmark: Any, concurrency: int, sent: int, key: str) -> dict[str, Any]:
    """Return one benchmark as plain values; a metric that nothing was measured for is left out."""
    metrics = {}
    for name, (theirs, factor) in _METRICS.items():
        summary = getattr(benchmark.metrics, theirs).successful
        if not summary or not summary.count:
            continue
        # guidellm's intervals of the mean take the normal form: few requests get some below zero.
        metrics[name] = {
            "n": summary.count,
            "mean": summary.mean * factor,
            **{p: getattr(summary.percentiles, p) * factor for p in _PERCENTILES},
        }
    failed = [*benchmark.requests.errored, *benchmark.requests.incomplete]
    errors = Counter(_redacted(request.info.error or "cut off", key) for request in failed)
    missing = sent - benchmark.metrics.request_totals.successful - len(failed)
    if missing > 0:
        errors["never sent"] += missing
    return {"concurrency": concurrency, "metrics": metrics, "errors": dict(errors)}


def main(arguments: Sequence[str]) -> int:
    """Measure what the file named first orders, for the parent whose pid comes second; return the exit code."""
    die_with_all(int(arguments[1]))
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    spec = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    for level in spec["levels"]:
        numbers = measure(spec, level["prompts"], level["concurrency"])
        print(json.dumps(numbers), file=out, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

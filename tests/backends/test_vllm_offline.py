"""The rules of the backend `vllm_offline`, with a stand-in for vLLM; with vLLM itself behind the marker `servers`."""

import importlib.util
import json
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest

from engine import models
from engine.backends import BACKENDS
from engine.backends.local.batching import encode
from engine.backends.protocol import Completion, Generator, Message, Request
from engine.errors import BackendError, ModelError
from tests.backends.tiny import write_model
from tests.servers.real import MODEL, need_vllm

pytestmark = pytest.mark.models

SCHEMA = {
    "type": "object",
    "properties": {
        "mood": {"enum": ["glad", "sad"]},
        "reason": {"type": "string", "minLength": 3, "maxLength": 40},
        "score": {"type": "integer", "minimum": 1, "maximum": 5},
    },
    "required": ["mood", "reason", "score"],
    "additionalProperties": False,
}
FITTING = json.dumps({"mood": "glad", "reason": "because", "score": 2})


def request(text: str, *, temperature: float = 0.0, max_tokens: int = 60) -> Request:
    turns = (Message("system", "Judge the mood. Reply as JSON."), Message("user", text))
    return Request(turns, SCHEMA, max_tokens, temperature, "m")


def opened(path: Path, **settings: object) -> Generator:
    return cast(Generator, BACKENDS["vllm_offline"].open("generator", path, path.name, settings))


def came(model: Generator, requests: list[Request], answered: Sequence[str] = ()) -> dict[str, Any]:
    return {d.request: d for group in model.complete_many(requests, answered) for d in group}


class Refused(Exception):
    """As vLLM's own error, which is no ValueError."""


class StandIn:
    """What the backend asks of `vllm.LLM`: replies to whole batches, and a memory of what it was given."""

    made: Sequence[dict[str, Any]] = ()

    def __init__(self, folder: str, **settings: Any) -> None:
        StandIn.made = [*StandIn.made, {"folder": folder, **settings}]
        if settings["gpu_memory_utilization"] == 1.0:
            raise ValueError("Free memory is less than desired\nand a long explanation")
        self.model_config = SimpleNamespace(max_model_len=settings["max_model_len"] or 128)

    def reset_prefix_cache(self) -> None:
        batches.append([])

    def generate(self, prompts: list[Any], params: list[Any], use_tqdm: bool) -> list[Any]:
        assert not batches[-1], "the cache of an earlier batch was kept"
        batches[-1] = [
            (each["prompt_token_ids"], its) for each, its in zip(prompts, params, strict=True)
        ]
        if any(its.max_tokens == 13 for its in params):
            raise Refused("the grammar is not supported")
        return [_said(its) for its in params]


batches: list[list[Any]] = []


def _said(params: SimpleNamespace) -> SimpleNamespace:
    text, finish = (FITTING[:5], "length") if params.max_tokens < 10 else (FITTING, "stop")
    if params.max_tokens == 11:
        text = FITTING.replace("2", "9")
    output = SimpleNamespace(text=text, finish_reason=finish, token_ids=[1, 2, 3])
    return SimpleNamespace(outputs=[output])


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the stand-in where `import vllm` finds it."""
    parts: dict[str, dict[str, Any]] = {
        "vllm": {"LLM": StandIn, "SamplingParams": SimpleNamespace},
        "vllm.sampling_params": {"StructuredOutputsParams": SimpleNamespace},
        "vllm.exceptions": {"VLLMValidationError": Refused},
    }
    for name, content in parts.items():
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(StandIn, "made", ())
    batches.clear()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("tiny"))


def asked(count: int = 5, **settings: Any) -> list[Request]:
    return [request(f"red {number}", **settings) for number in range(count)]


@pytest.mark.usefixtures("stand_in")
def test_batches_are_those_of_the_full_list(folder: Path) -> None:
    requests = asked()
    whole = came(opened(folder, batch_size=2), requests)
    assert set(whole) == {each.id for each in requests}
    assert [len(batch) for batch in batches] == [2, 2, 1]
    undisturbed = list(batches)
    batches.clear()
    answered = [requests[0].id, requests[2].id, requests[3].id]
    rest = came(opened(folder, batch_size=2), requests, answered)
    assert list(rest) == [requests[1].id, requests[4].id]
    # The first batch is computed whole for its open half, the second is skipped.
    assert [[row[0] for row in batch] for batch in batches] == [
        [row[0] for row in undisturbed[0]],
        [row[0] for row in undisturbed[2]],
    ]


@pytest.mark.usefixtures("stand_in")
def test_what_is_answered_loads_nothing(folder: Path) -> None:
    requests = asked()
    assert came(opened(folder), requests, [each.id for each in requests]) == {}
    assert StandIn.made == ()


@pytest.mark.usefixtures("stand_in")
def test_a_request_asked_twice_is_computed_once(folder: Path) -> None:
    groups = list(opened(folder).complete_many([*asked(2), *asked(2)], set()))
    assert [len(group) for group in groups] == [2]


@pytest.mark.usefixtures("stand_in")
def test_each_request_brings_its_schema_limit_and_seed(folder: Path) -> None:
    cold, warm = request("red", max_tokens=30), request("blue", temperature=0.7)
    came(opened(folder), [cold, warm])
    [[(_, first), (_, second)]] = batches
    assert (first.max_tokens, first.temperature) == (30, 0.0)
    assert not hasattr(first, "seed")
    assert (second.temperature, second.seed) == (0.7, int(warm.id[:7], 16))
    assert second.structured_outputs.json == {**SCHEMA, "x-guidance": {
        "whitespace_flexible": False, "item_separator": ", ", "key_separator": ": ",
    }}  # fmt: skip
    assert list(second.structured_outputs.json["properties"]) == ["mood", "reason", "score"]
    [made] = StandIn.made
    assert made["structured_outputs_config"]["backend"] == "guidance"


@pytest.mark.usefixtures("stand_in")
def test_every_kind_of_failure_is_said(folder: Path) -> None:
    long, cut = request("red " * 100), request("red", max_tokens=7)
    wrong, right = request("blue", max_tokens=11), request("green")
    found = came(opened(folder), [long, cut, wrong, right])
    kinds = {done.request: (done.error, done.finish_reason) for done in found.values()}
    assert kinds == {
        long.id: ("too_long", "error"),
        cut.id: ("length", "length"),
        wrong.id: ("schema", "stop"),
        right.id: (None, "stop"),
    }
    assert "60 for the reply do not fit into a context of 128" in found[long.id].detail
    assert found[long.id].usage.completion_tokens == 0
    assert found[right.id].value == json.loads(FITTING)
    assert [len(batch) for batch in batches] == [3]


def test_a_reply_gets_what_its_prompt_leaves_in_steps_that_share_batches() -> None:
    asked = [request("red " * words, max_tokens=5000) for words in (100, 130, 800)]
    encoded = encode(asked, lambda turns: tuple(range(len(turns[-1].content) // 4)), 1000, "m")
    assert [row.max_tokens for row in encoded.fitting] == [768, 768]
    assert all(row.limited for row in encoded.fitting)
    (refused,) = encoded.refused
    assert "and 256 for the reply do not fit into a context of 1,000" in refused.detail


@pytest.mark.usefixtures("stand_in")
def test_a_permit_that_ends_stops_between_two_batches(folder: Path) -> None:
    left = [3]

    def reserve(requests: Sequence[Request]) -> bool:
        left[0] -= len(requests)
        return left[0] >= 0

    model = opened(folder, batch_size=2)
    found = [done for group in model.complete_many(asked(), set(), reserve) for done in group]
    assert [done.request for done in found] == [each.id for each in asked()[:2]]


@pytest.mark.usefixtures("stand_in")
def test_a_refused_request_stops_the_run_and_says_why(folder: Path) -> None:
    with pytest.raises(BackendError, match="refuses a request: the grammar is not supported"):
        came(opened(folder), [request("red", max_tokens=13)])


@pytest.mark.usefixtures("stand_in")
def test_a_model_that_does_not_fit_is_no_traceback(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot load .*: Free memory is less than desired") as no:
        came(opened(folder, gpu_memory_utilization=1.0), asked())
    assert "long explanation" not in str(no.value)
    assert "gpu_memory_utilization" in no.value.hint


def test_without_vllm_the_first_call_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "vllm" else find(name)
    )
    with pytest.raises(BackendError, match="vLLM is not installed") as caught:
        came(opened(tmp_path), asked())
    assert caught.value.hint == "pip install 'pada-engine[vllm]'"


def test_the_share_of_memory_is_no_part_of_what_is_answered() -> None:
    said = {"batch_size": 8, "gpu_memory_utilization": 0.8}
    assert BACKENDS["vllm_offline"].identity_settings(said) == {"batch_size": 8}


# With vLLM and the embedded model, in an environment that has both: pytest -m servers.


@pytest.fixture(scope="module")
def real() -> Generator:
    need_vllm()
    settings = {"context": 1024, "enforce_eager": True, "batch_size": 4}
    return opened(models.fetch(MODEL), gpu_memory_utilization=0.2, **settings)


def mixed() -> list[Request]:
    texts = ["I love this!", "My card was stolen.", "Größe? 日本 “ja” 🙂"]
    return [request(text, temperature=t, max_tokens=120) for text in texts for t in (0.0, 1.0)]


@pytest.mark.servers
def test_replies_fit_and_come_again_whatever_is_answered(real: Generator) -> None:
    whole = came(real, mixed())
    for done in whole.values():
        assert done.error is None, done
        assert json.loads(done.text) == done.value
        assert done.text == json.dumps(done.value, ensure_ascii=False)
        assert list(done.value) == ["mood", "reason", "score"]
        assert (done.method, done.finish_reason) == ("structured_outputs:guidance", "stop")
        assert done.usage.prompt_tokens
        assert done.usage.completion_tokens
    rest = came(real, mixed(), [each.id for each in mixed()[1:3]])
    assert len(rest) == 4
    assert all(rest[each].text == whole[each].text for each in rest)


@pytest.mark.servers
def test_vllm_itself_says_what_does_not_fit_and_what_is_cut(real: Generator) -> None:
    long, cut, fine = request("word " * 1000), request("Fine.", max_tokens=7), request("Fine.")
    found: dict[str, Completion] = came(real, [long, cut, fine])
    assert found[long.id].error == "too_long"
    assert "a context of 1024" in found[long.id].detail
    assert (found[cut.id].error, found[cut.id].usage.completion_tokens) == ("length", 7)
    assert found[fine.id].error is None


@pytest.mark.servers
def test_vllm_itself_refuses_a_schema_that_no_grammar_knows(real: Generator) -> None:
    schema = {"type": "string", "pattern": "^(?=a)b$"}
    bad = Request((Message("user", "x"),), schema, 9, 0.0, "m")
    with pytest.raises(BackendError, match="vLLM refuses a request"):
        came(real, [request("Fine."), bad])
    assert len(came(real, [request("Fine.")])) == 1

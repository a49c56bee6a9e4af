"""The boundary to models, as types: requests and completions, and what each kind of backend can do.

Knows no library: implementations live in the sibling modules, one file each, and are bound by name
in `engine.backends.BACKENDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from engine.errors import ModelError
from engine.fingerprint import canonical, digest_canonical
from engine.turns import SETTING
from engine.turns import Message as Message

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Progress = Callable[[int], None]
"""Called with the number of items just finished."""


def without_system(turns: Sequence[Message]) -> tuple[Message, ...]:
    """Return turns for a model that knows no system turn: its text stands at the beginning of the first user's turn."""
    told = "\n\n".join(turn.content for turn in turns if turn.role == "system")
    tools = [turn for turn in turns if turn.role == "tools"]
    others = [turn for turn in turns if turn.role not in SETTING]
    if not told:
        return (*tools, *others)
    if not others or others[0].role != "user":
        return (*tools, Message("user", told), *others)
    first, *rest = others
    return (*tools, Message("user", f"{told}\n\n{first.content}"), *rest)


@dataclass(frozen=True, slots=True)
class Request:
    """One call; its `id` is the ledger's key: the full request, the model and the attempt."""

    messages: tuple[Message, ...]
    schema: Mapping[str, Any] | None
    """JSON Schema of the reply, every string and array in it bounded; None asks for plain text."""
    max_tokens: int
    temperature: float
    model: str
    """Identity of the model (weights digest, or provider + name + revision)."""
    attempt: int = 0
    """Distinguishes repeated askings of the same thing: sample number and retry number."""
    thinking_tokens: int = field(default=0, compare=False)
    """Those of `max_tokens` that are for thinking."""
    id: str = field(init=False)

    def __post_init__(self) -> None:
        turns = canonical([list(message) for message in self.messages])
        rest = _canonical_rest(self.max_tokens, self.temperature, self.model, self.attempt)
        identity = f"[{turns},{_canonical_schema(self.schema)},{rest}"
        object.__setattr__(self, "id", digest_canonical(identity)[:24])


def request_again(
    identity: str,
    messages: tuple[Message, ...],
    schema: Mapping[str, Any] | None,
    max_tokens: int,
    temperature: float,
    model: str,
    attempt: int,
    thinking_tokens: int,
) -> Request:
    """Return a request that was made before, with the id that it had: a long prompt is not hashed again."""
    request = object.__new__(Request)
    values = (messages, schema, max_tokens, temperature, model, attempt, thinking_tokens, identity)
    for name, value in zip(Request.__slots__, values, strict=True):
        object.__setattr__(request, name, value)
    return request


@lru_cache(maxsize=256, typed=True)
def _canonical_rest(max_tokens: int, temperature: float, model: str, attempt: int) -> str:
    return canonical([max_tokens, temperature, model, attempt])[1:]


_SCHEMAS: dict[int, tuple[Mapping[str, Any], str]] = {}


def _canonical_schema(schema: Mapping[str, Any] | None) -> str:
    """Return a schema as canonical JSON, made once per object: the requests of a node share theirs."""
    if schema is None:
        return "null"
    known = _SCHEMAS.get(id(schema))
    if known is None or known[0] is not schema:
        if len(_SCHEMAS) >= 256:
            _SCHEMAS.clear()
        known = _SCHEMAS[id(schema)] = (schema, canonical(schema))
    return known[1]


class FailedExchange(NamedTuple):
    """One exchange with a server that brought no reply at all: it was tried again, or given up."""

    kind: str
    """`rate_limit`, `server_error`, `connection`, `timeout`, `truncated_body`, `empty`, …"""
    status: int | None
    """HTTP status; None where there was no answer."""
    seconds: float
    detail: str
    """What came instead of a reply, cut."""


class Usage(NamedTuple):
    """What a reply took, as whoever answered counts it; None is not told. Each is a column of `llm_call`."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    """Prompt tokens that the server had cached; counted in `prompt_tokens`."""
    reasoning_tokens: int | None = None
    """Tokens of hidden reasoning; counted in `completion_tokens`."""

    @property
    def total(self) -> int:
        """Prompt and completion tokens, as far as they are told."""
        return (self.prompt_tokens or 0) + (self.completion_tokens or 0)


FinishReason = Literal["stop", "length", "refusal", "error"]


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer to one request: a validated `value`, or an `error` with its kind and the raw text.

    Made by `engine.backends.replies.completion`, or read back from the ledger.
    """

    request: str
    text: str
    value: Any | None
    """The parsed reply, or the text where plain text was asked for; None exactly when `error` is set."""
    finish_reason: FinishReason
    usage: Usage
    seconds: float
    method: str
    """How the structure was obtained: `outlines:llguidance`, `json_schema`, `scripted`, …; `text` where none was."""
    error: str | None = None
    """`invalid_json`, `schema`, `length`, `refusal`, … ; None for a usable reply."""
    detail: str = ""
    final: bool = True
    """False for an unusable reply after which the request is asked again; the last word follows."""
    sent: tuple[Message, ...] | None = None
    """What was sent, where it is not the request's own turns: a schema in words, a correction turn."""
    in_words: bool = False
    """Whether a schema was asked for in words alone, which nothing enforces."""
    adapted: tuple[str, ...] = ()
    """What the server wanted otherwise than usual, each as it is said of it; not kept in the ledger."""
    cost: float | None = None
    """Money, by the recipe's price; None is unknown, not zero."""
    server: str = ""
    """Who answered, as the server names itself: model and system fingerprint."""
    tries: tuple[FailedExchange, ...] = ()
    """Exchanges before this one that brought no reply."""


Reserve = Callable[[Sequence[Request]], bool]
"""Asked before requests are sent; False means: send no more, bring home what is in flight.

Whoever waits asks with no requests, before each repetition and from time to time meanwhile: that reserves nothing
and says whether what was reserved before may still be sent.
"""


def always(requests: Sequence[Request]) -> bool:
    """Permit everything."""
    return True


class Generator(Protocol):
    """A backend that answers requests."""

    def complete_many(
        self, requests: Iterable[Request], answered: Container[str], reserve: Reserve = always
    ) -> Iterator[list[Completion]]:
        """Yield completions in groups that belong together (a local batch), as they finish.

        `requests` is the full ordered list of a node, `answered` the ids that need no call. A
        local backend forms its batches from the full list and skips a batch only when all of it is
        answered, so that a resumed run computes the same batches as an undisturbed one. A backend
        that talks to a server takes requests one by one, so they may come from an iterator of any
        length. Each request gets exactly one final completion, unless `reserve` stopped it.

        Raises:
            BackendError: nothing can be answered: a bad address, key, model or schema, or a server
                that stays away. What was answered before has been yielded.
        """
        ...


class PendingRequest(NamedTuple):
    """A request that somebody answers later, outside the run, and what asked it."""

    node: str
    """Fingerprint of the node."""
    role: str
    request: Request
    failed: tuple[Completion, ...] = ()
    """Unusable replies to earlier askings, oldest first: each asking is a call of its own."""

    @property
    def number(self) -> int:
        """How often it was asked before."""
        return len(self.failed)


class Askings(Protocol):
    """Requests that are answered later, which can be gone through several times; they need not be in memory."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def __iter__(self) -> Iterator[PendingRequest]:
        """Yield them, always in the same order."""
        ...


class Deferred(Protocol):
    """A backend whose replies come after the run has ended: a batch file, a person."""

    @property
    def attempts(self) -> int:
        """How often a request is asked before its failure is final."""
        ...

    def write_batch(self, outstanding: Askings, run: str, file: Path) -> None:
        """Write the requests to `file`, and beside it what taking their replies needs.

        `run` is the run that asks. The folder is new and appears only when it is whole.

        Raises:
            BackendError: the files cannot be written.
        """
        ...


class Embedder(Protocol):
    """A text embedding model."""

    def embed(
        self, texts: Sequence[str], progress: Progress | None = None
    ) -> npt.NDArray[np.float32]:
        """Return unit-length embeddings, shape (len(texts), dimensions)."""
        ...


TEXT = "text"
"""The method of a reply for which no structure was asked."""


class LabelAnswer(NamedTuple):
    """The most likely of the allowed answers and its probability among them."""

    label: str
    probability: float


class Likelihood(NamedTuple):
    """How likely an answer is."""

    nats: float
    """Log-likelihood, at most 0."""
    tokens: int
    """Over how many tokens."""


class Written(NamedTuple):
    """What a student wrote as its whole turn; `failure` says why it could not be asked, else it is empty."""

    text: str
    failure: str = ""


class Sampling(NamedTuple):
    """Turns are drawn, not the likeliest: one answer of several to the same prompts."""

    temperature: float
    attempts: Sequence[int]
    """One per prompt: it tells several askings of one prompt apart, and the same one is answered alike."""


def requests_of(
    prompts: Iterable[tuple[Message, ...]],
    schema: Mapping[str, Any] | None,
    max_tokens: int,
    model: str,
    sampling: Sampling | None,
) -> Iterator[Request]:
    """Yield the requests by which a student is asked for turns; see `Student.write`."""
    if sampling is None:
        for prompt in prompts:
            yield Request(prompt, schema, max_tokens, 0.0, model)
        return
    for prompt, attempt in zip(prompts, sampling.attempts, strict=True):
        yield Request(prompt, schema, max_tokens, sampling.temperature, model, attempt)


def written(done: Completion) -> Written:
    """Return what a completion says of a student's turn; what the model refuses is said as well."""
    if done.error is None or done.error == "refusal":
        return Written(done.text)
    return Written(done.text, done.detail or done.error)


class Student(Protocol):
    """The model being improved, with or without what a fine-tune left behind."""

    @property
    def likelihoods(self) -> bool:
        """Whether it can say how likely given answers are (`choose`); a model behind a server only writes."""
        ...

    def with_adapter(self, adapter: Path) -> Student:
        """Return this student as fine-tuned: with the adapter in a folder, or the whole model there.

        Nothing is loaded before it is asked. Of the students made from one, the last is kept.

        Raises:
            BackendError: this backend's students take none.
        """
        ...

    def write(
        self,
        prompts: Iterable[tuple[Message, ...]],
        max_tokens: int,
        schema: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
        sampling: Sampling | None = None,
    ) -> Iterable[Written]:
        """Return for each prompt the most likely turn, word by word (greedy), of at most `max_tokens` tokens.

        A turn that is not over by then is cut. With a schema the turn is JSON that fits it, as far as the
        backend can make it so. With `sampling` turns are drawn. Batches are formed from the full list, where there
        are any: a student in calls takes prompts, and gives turns, one by one.
        """
        ...

    def compare(
        self,
        prompts: Sequence[tuple[Message, ...]],
        answers: Sequence[Sequence[str]],
        progress: Progress | None = None,
    ) -> list[list[Likelihood]]:
        """Return for each prompt how likely its own `answers` are as whole turns, the turn's end included."""
        ...

    def choose(
        self,
        prompts: Sequence[tuple[Message, ...]],
        labels: Sequence[str],
        progress: Progress | None = None,
    ) -> list[LabelAnswer]:
        """Return for each prompt the most likely label as the assistant's whole turn.

        Label log-likelihoods (summed over the label's tokens and the turn's end token) are
        compared; the answer is therefore always one of `labels`. Batches are formed from the full
        list, longest first.
        """
        ...


class TrainingRow(NamedTuple):
    """One fine-tuning row: the prompt's turns and the assistant's turn, on which alone there is loss."""

    messages: tuple[Message, ...]
    completion: str
    calls: tuple[str, ...] = ()
    """What the assistant calls in its turn, each a JSON object of `name` and `arguments`."""


class AnswerPair(NamedTuple):
    """A prompt's turns with a right and a wrong turn of the assistant."""

    messages: tuple[Message, ...]
    chosen: str
    rejected: str


@dataclass(frozen=True, slots=True)
class PreferenceLoss:
    """How the student is told to prefer right answers to wrong ones."""

    loss: Literal["sigmoid", "ipo"]
    beta: float
    """How far it may go from the reference; small is far."""
    least: int = 1
    """Pairs that must be short enough; with fewer nothing is trained."""


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """Everything that decides a fine-tune's result, plus where to put it."""

    model: Path
    """Folder of the base model (safetensors, tokenizer)."""
    rows: tuple[TrainingRow, ...]
    validation: tuple[TrainingRow, ...]
    """Only for the validation loss (`checkpoint: best`); never trained on."""
    output: Path
    """Folder for the adapter; `output/checkpoints` holds what a killed training goes on from."""
    method: Literal["lora", "qlora", "full"]
    steps: int
    """Optimizer steps."""
    batch_size: int
    learning_rate: float
    warmup: float
    """Share of the steps, 0 to 1."""
    schedule: Literal["linear", "cosine", "constant"]
    weight_decay: float
    r: int
    alpha: int
    dropout: float
    checkpoint: Literal["last", "best"]
    evaluations: int
    """How often the validation loss is taken with `checkpoint: best`."""
    max_length: int
    """Tokens; a longer row is an error, not a silent cut."""
    seed: int
    device: str
    dtype: str
    generated: int = 0
    """How many of the rows, the last ones, were generated."""
    mix: float = 1.0
    """How often a generated row is trained on for each time that another row is."""
    order: Literal["mixed", "generated_first"] = "mixed"
    """Whether all visits of generated rows come before those of the others."""
    adapter: Path | None = None
    """Folder of a LoRA adapter that is trained further, with its own rank and scale; None starts a new one."""
    pairs: tuple[AnswerPair, ...] = ()
    """With `preference`: what is trained on, `batch_size` pairs a step, in place of rows."""
    preference: PreferenceLoss | None = None
    """Preference tuning of `adapter`, which is the reference too; None: supervised, on rows."""
    devices: int = 1
    """Processes that share each step's rows, each on a device of its own."""
    micro_batch: int | None = None
    """Most rows that a process computes at once; None: all of its rows of a step."""
    master: Literal["float32", "bfloat16"] = "float32"
    """Number format in which `method: full` keeps what it steps."""
    attention: Literal["auto", "plain", "flash"] = "auto"
    """How attention is computed on CUDA."""

    @property
    def adapts(self) -> bool:
        """Whether adapters are trained, and the model's own weights stay."""
        return self.method != "full"

    @property
    def shared(self) -> bool:
        """Whether a step's rows are computed in several parts."""
        return self.devices > 1 or self.micro_batch is not None


class TooFewPairs(ModelError):
    """Too few pairs are short enough to tune preferences with."""


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a fine-tune left behind; losses are mean nats per completion token, of preferences the loss of a pair."""

    adapter: Path
    weights: str
    """SHA-256 of the adapter's weights."""
    steps: int
    epochs: float
    train_loss: float | None
    validation_loss: float | None
    chosen_step: int
    seconds: float
    accuracy: float | None = None
    """Of preferences: share of the pairs of the last pass whose right answer had gained on the wrong one, against the
    reference, when they were seen; else None."""
    margin: float | None = None
    """Their mean difference of rewards: nats times beta."""
    left_out: int = 0
    """Pairs of which one answer is longer than `max_length` allows."""

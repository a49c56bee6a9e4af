"""The recipe as frozen, typed objects: what may be written, with units, ranges and defaults.

The source of `schemas/recipe.schema.json`. Knows nothing of operators, metrics, tasks and backends: their own
parameters are checked against the registries when the plan is compiled.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class Spec(BaseModel):
    """Base of every part of a recipe: immutable, unknown keys refused, no silent conversions."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        use_attribute_docstrings=True,
        serialize_by_alias=True,
    )


class Shots(Spec):
    """Few-shot examples, drawn from the training rows, targets in turn."""

    n: int = Field(ge=1, le=64)
    """How many."""
    seed: int = Field(default=0, ge=0)
    """Seed of the draw, so that they do not change with the loop's seed."""


class Task(Spec):
    """What the student does."""

    kind: str = "classification"
    """Task kind (`pada list tasks`)."""
    input: list[str] = Field(min_length=1)
    """Columns the student sees."""
    target: str
    """Column with the right answer."""
    prompt: str | None = None
    """Prompt file; the task kind has a default."""
    params: dict[str, Any] = Field(default_factory=dict)
    """The kind's own parameters."""
    shots: Shots | None = None
    """Training rows that are shown, answered, before each row: in training and in evaluation."""
    labels: list[str] | None = Field(default=None, min_length=2)
    """Allowed answers of a classification; taken from the training rows when left out."""
    description: str = ""
    """One sentence for the teacher and the judge: what the rows are and what the answer means."""


class Sample(Spec):
    """Draw rows at random, by a seed of its own, so that the data does not change with the loop's seed."""

    n: int | None = Field(default=None, ge=1)
    """Rows in all."""
    per: str | None = None
    """With a column name, `n` rows are drawn for each of its values."""
    seed: int = Field(default=0, ge=0)
    """Seed of the draw."""


class SplitFrom(Spec):
    """Rows that are taken out of another split, for data that has no split of its own for this."""

    split: Literal["train", "validation", "test"] = "train"
    """The split that gives the rows and keeps the others."""
    share: float | None = Field(default=None, gt=0, lt=1)
    """Share of its rows."""
    rows: int | None = Field(default=None, ge=1)
    """How many rows, instead of a share."""
    seed: int = Field(default=0, ge=0)
    """Seed of the draw, which depends on the rows' inputs and not on their order."""

    @model_validator(mode="after")
    def _share_or_rows(self) -> SplitFrom:
        if (self.share is None) == (self.rows is None):
            raise ValueError("split_from needs either share or rows")
        return self


class Source(Spec):
    """Where the rows of one split come from: `path`, `sql` or `split_from`."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": [name]} for name in ("path", "sql", "split_from")]
        }
    )

    path: str | None = None
    """JSONL, JSON, CSV, TSV or Parquet (the ending may be left out; `.gz` and `.zst` are read), a pattern such as
    `data/*.jsonl`, a folder of `save_to_disk`, or `hf://owner/name@revision/config/split`."""
    streaming: bool = False
    """Read a Hugging Face data set over the network as far as `limit` goes, and store none of it."""
    sql: str | None = None
    """One SELECT over data files (`SELECT … FROM 'data/x.parquet'`), or over the tables of `database`."""
    database: str | None = None
    """DuckDB or SQLite file that `sql` reads."""
    split_from: SplitFrom | None = None
    rename: dict[str, str] = Field(default_factory=dict)
    """New name of a column: its name in the data."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Derived columns: name: SQL expression over the columns of the row, as renamed."""
    where: str | None = None
    """SQL condition on the columns, derived ones too; other rows are left out."""
    sample: Sample | None = None
    limit: int | None = Field(default=None, ge=1)
    """At most so many rows, the first; without `sample` what stands behind them is not read."""

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        origins = [
            name for name in ("path", "sql", "split_from") if getattr(self, name) is not None
        ]
        if len(origins) != 1:
            found = " and ".join(origins) if origins else "none of them"
            raise ValueError(f"a split has one of path, sql or split_from, here: {found}")
        if self.split_from is not None and (extra := self.model_fields_set - {"split_from"}):
            raise ValueError(
                f"split_from takes rows as the other split has them: {', '.join(sorted(extra))} belongs there"
            )
        if self.database is not None and self.sql is None:
            raise ValueError("a database is read by sql: write the query")
        if self.streaming and not (self.path or "").startswith("hf://"):
            raise ValueError("streaming is for hf:// data sets")
        return self


class Data(Spec):
    """The three splits. Test rows are scored and never seen by a model that diagnoses, generates or judges."""

    train: Source
    validation: Source
    test: Source
    on_bad_row: Literal["stop", "drop"] = "stop"
    """stop: a bad row is an error; drop: it is left out, and recorded with its file, line and fault."""

    @model_validator(mode="after")
    def _rows_come_from_somewhere(self) -> Data:
        for name in ("train", "validation", "test"):
            taken = getattr(self, name).split_from
            if taken is not None and getattr(self, taken.split).split_from is not None:
                raise ValueError(f"{name} takes rows from {taken.split}, which has none of its own")
        return self


class ModelSpec(BaseModel):
    """A model and the backend that runs it; further keys are the backend's own settings."""

    model_config = ConfigDict(
        frozen=True, extra="allow", strict=True, use_attribute_docstrings=True
    )

    backend: str
    """Backend (`pada list backends`)."""
    model: str
    """`embedded/…`, a local folder, or a Hugging Face name; a GGUF file for llamacpp; a server's own name for it."""

    @property
    def settings(self) -> dict[str, Any]:
        """The backend's own settings, as written."""
        return dict(self.__pydantic_extra__ or {})


class Models(Spec):
    """The four roles."""

    student: ModelSpec
    teacher: ModelSpec
    judge: ModelSpec
    embedder: ModelSpec


class Rubric(Spec):
    """How the judge rates one answer."""

    rubric: str = Field(min_length=1, max_length=4000)
    """What a good answer is, in words."""
    scale: list[int] = Field(default=[1, 5], min_length=2, max_length=2)
    """Lowest and highest rating, whole numbers; higher is better."""

    @field_validator("scale")
    @classmethod
    def _ascends(cls, scale: list[int]) -> list[int]:
        if not (0 <= scale[0] < scale[1] <= 100):
            raise ValueError("the lower number comes first, and both are within 0 to 100")
        return scale


class MetricSpec(Spec):
    """A metric of the engine with parameters, or one of the recipe's own: in SQL, or by a rubric for the judge."""

    name: Name
    """One of the engine's metrics (`pada list metrics`); a name of its own with `sql` or `judge`."""
    params: dict[str, Any] = Field(default_factory=dict)
    """The metric's own parameters."""
    sql: str | None = None
    """Aggregate expression over the columns of the rows, `prediction`, `target` and the per-example scores."""

    judge: Rubric | None = None
    """The judge rates every answer of every split, one call each."""

    @model_validator(mode="after")
    def _one_kind(self) -> MetricSpec:
        if (self.sql is not None) + (self.judge is not None) + bool(self.params) > 1:
            raise ValueError("a metric takes one of params, sql and judge")
        return self

    @property
    def own(self) -> bool:
        """Whether the recipe itself says what is measured."""
        return self.sql is not None or self.judge is not None


class Slice(Spec):
    """A way to part the rows, by a SQL expression."""

    name: Name
    sql: str
    """Expression over the columns of the rows and `target`; each of its values is a part."""


class Category(Spec):
    """One category of the taxonomy."""

    id: Name
    description: str = ""
    where: str | None = None
    """SQL condition on a failure's columns: failures for which it holds belong to this category."""

    @model_validator(mode="after")
    def _say_what_it_is(self) -> Category:
        if not self.description and self.where is None:
            raise ValueError("a category needs a description, a where, or both")
        return self


class Taxonomy(Spec):
    """The categories that patterns are sorted into."""

    mode: Literal["open", "closed", "hybrid"] = "open"
    """open: none are used; closed: one of `categories`; hybrid: one of `categories` or `other`."""
    categories: list[Category] = Field(default_factory=list)

    @model_validator(mode="after")
    def _categories_fit_mode(self) -> Taxonomy:
        if self.mode == "open" and self.categories:
            raise ValueError("mode open takes no categories; use hybrid")
        if self.mode != "open" and not self.categories:
            raise ValueError(f"mode {self.mode} needs categories")
        ids = [category.id for category in self.categories]
        if len(ids) != len(set(ids)):
            raise ValueError("two categories have the same id")
        return self


class Cluster(Spec):
    """How diagnoses are grouped into patterns."""

    method: Literal["kmeans"] = "kmeans"
    k: int | Literal["auto"] = "auto"
    """Number of clusters; auto finds the elbow of the within-cluster sum of squares."""
    max_k: int = Field(default=8, ge=1, le=100)
    """Largest number of clusters that auto tries."""

    @field_validator("k")
    @classmethod
    def _at_least_one(cls, k: int | str) -> int | str:
        if isinstance(k, int) and k < 1:
            raise ValueError("k must be at least 1, or auto")
        return k


class Patterns(Spec):
    """How failures become patterns."""

    diagnose: int = Field(default=200, ge=1)
    """Most failures diagnosed in a round; a seeded sample is taken of more."""
    taxonomy: Taxonomy = Taxonomy()
    cluster: Cluster = Cluster()
    same_pattern: float = Field(default=0.8, ge=0, le=1)
    """Cosine similarity of centroids above which a cluster continues a pattern of an earlier round."""


class OperatorSpec(Spec):
    """One way of making rows (`pada list operators`)."""

    name: str
    params: dict[str, Any] = Field(default_factory=dict)
    """The operator's own parameters."""
    patterns: list[str] | None = None
    """Only for patterns of these taxonomy categories; for all when left out."""


class Augment(Spec):
    """What is generated."""

    rows_per_round: int = Field(default=120, ge=1)
    """Most generated rows that join the training set in one round."""
    oversample: float = Field(default=1.5, ge=1, le=10)
    """Candidates asked for per row wanted, in the first attempt."""
    temperature: float = Field(default=0.9, ge=0, le=2)
    """Sampling temperature of the operators; everything else the teacher writes is greedy."""
    operators: list[OperatorSpec] = Field(min_length=1)


class Minimum(Spec):
    """The judge's scores below which a candidate is rejected, each 1 to 5."""

    adherence: int = Field(default=4, ge=1, le=5)
    """Follows the strategy."""
    utility: int = Field(default=3, ge=1, le=5)
    """Useful to train on."""
    relevance: int = Field(default=4, ge=1, le=5)
    """Belongs to the task and carries its label."""


class Similarity(Spec):
    """Cosine similarity to the seed row that a candidate which keeps its label must have."""

    low: float = Field(default=0.55, ge=-1, le=1)
    high: float = Field(default=0.97, ge=-1, le=1)

    @model_validator(mode="after")
    def _low_below_high(self) -> Similarity:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        return self


class Dedup(Spec):
    """Near-duplicates of training rows and of accepted candidates are dropped."""

    threshold: float = Field(default=0.97, ge=0, le=1)
    """Cosine similarity from which two rows count as the same."""


class LeakGuard(Spec):
    """Candidates that resemble an evaluation row are dropped; thresholds are calibrated on the training rows."""

    ngram: int = Field(default=5, ge=2, le=20)
    """Length in words of the n-grams compared."""
    quantile: float = Field(default=0.99, gt=0, le=1)
    """Quantile of what real training rows show against evaluation rows; more than that is a leak."""


class Quality(Spec):
    """What a candidate must pass."""

    judge: Literal["decides", "advises", "off"] = "decides"
    """decides: scores below `minimum` reject; advises: scores are recorded, rules and embedder decide."""
    minimum: Minimum = Minimum()
    attempts: int = Field(default=2, ge=1, le=10)
    """Rounds of generation: rejected candidates go back with feedback until this many attempts are made."""
    similarity: Similarity = Similarity()
    neighbours: int = Field(default=3, ge=0, le=50)
    """Nearest labelled training rows of which most must carry the candidate's target; 0 turns this off."""
    dedup: Dedup = Dedup()
    leak_guard: LeakGuard = LeakGuard()


class Train(Spec):
    """Fine-tuning; always from the base model on the round's whole training set."""

    method: Literal["lora", "full", "none"] = "lora"
    """none: the student is measured as it is, and rows are made for a fine-tune that happens elsewhere."""
    r: int = Field(default=16, ge=1, le=1024)
    """LoRA rank, on all linear layers."""
    alpha: int | None = Field(default=None, ge=1)
    """LoRA scale; twice `r` when left out."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    epochs: float = Field(default=4, gt=0)
    """Passes over the original training rows; decides the optimizer steps of every round."""
    steps: int | None = Field(default=None, ge=1)
    """Optimizer steps of every round; overrides `epochs`."""
    checkpoint: Literal["last", "best"] = "last"
    """last: the same number of steps in every round; best: the step with the lowest loss on validation completions."""
    evaluations: int = Field(default=5, ge=2, le=100)
    """How often `checkpoint: best` takes the validation loss."""
    batch_size: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0, lt=1)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    weight_decay: float = Field(default=0.0, ge=0)
    max_length: int = Field(default=1024, ge=16)
    """Tokens of prompt and completion; a longer row is an error."""
    device: str = "auto"
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"


class Stop(Spec):
    """When the loop ends early, always measured on validation."""

    metric: str = Field(default="", min_length=1)
    """One of the recipe's metrics; accuracy, or else the first, when left out."""
    min_gain: float = 0.0
    """A round must beat the best so far by more than this to count as a gain."""
    patience: int = Field(default=1, ge=1)
    """Rounds without a gain that are borne before stopping."""


class Loop(Spec):
    """How often it goes round: round 0 is the plain fine-tune, then `rounds` augmented ones."""

    rounds: int = Field(default=1, ge=0, le=100)
    """With `train: {method: none}` 0 measures, and 1 makes rows as well."""
    stop: Stop = Stop()


class Budget(Spec):
    """A run stops cleanly before it passes any of these, keeps what is done, and goes on when one is raised."""

    calls: int | None = Field(default=None, ge=1)
    """LLM calls of this recipe, over all its runs."""
    tokens: int | None = Field(default=None, ge=1)
    """Prompt and completion tokens of these calls."""
    money: float | None = Field(default=None, gt=0)
    """What these calls may cost, in the currency of the models' prices."""
    minutes: float | None = Field(default=None, gt=0)
    """Of one run."""


class KeyName(Spec):
    """Where a key is; never the key itself."""

    env: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Name of the environment variable that holds it."""


class Endpoint(Spec):
    """A server that runs already, with an OpenAI-compatible chat endpoint."""

    base_url: str
    """Up to where /chat/completions begins: `http://localhost:8000/v1`."""
    model: str
    """The server's own name for the model."""
    api_key: KeyName | None = None
    """`{env: NAME}`: the environment variable that holds the key."""

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be an address like http://localhost:8000/v1")
        if parts.username or parts.password or parts.query:
            raise ValueError("must hold no key or password: use api_key: {env: NAME}")
        return url


class Benchmark(Spec):
    """How fast the student answers when it is served: before training, and after the last round of each seed."""

    requests: int = Field(default=20, ge=1, le=100_000)
    """Requests at each concurrency."""
    concurrency: list[Annotated[int, Field(ge=1, le=1024)]] = Field(default=[1, 4], min_length=1)
    """Requests under way at once; each is measured by itself."""
    max_tokens: int = Field(default=32, ge=2, le=32_768)
    """Most tokens of an answer; one that ends by itself is shorter, as it is in use."""
    split: Literal["validation", "test"] = "validation"
    """Whose rows are asked about, as the student sees them; over again where there are too few."""
    server: Literal["auto", "transformers", "vllm"] = "auto"
    """What serves a student that lies on this machine; auto is vLLM where it is installed and there is a GPU."""
    endpoint: Endpoint | None = None
    """Measured in place of a server that the engine starts, once; a student behind a server needs none."""

    @field_validator("concurrency")
    @classmethod
    def _levels_differ(cls, levels: list[int]) -> list[int]:
        if len(levels) != len(set(levels)):
            raise ValueError("two of them are the same")
        return levels


class Redaction(Spec):
    """What is replaced in the rows before anything else sees them."""

    pattern: str
    """Regular expression (RE2: no look-around, no back-references); each match is replaced."""
    replacement: str = Field(default="[redacted]", alias="with")
    """The text that stands there instead."""


class Privacy(Spec):
    """What leaves the rows before anything is stored or sent."""

    redact: list[Redaction] = Field(default_factory=list)
    """In order, in the inputs and all other columns of every row; the target, being the answer, stays."""


class Recipe(Spec):
    """A whole recipe, format version 1."""

    recipe: Literal[1]
    """Format version."""
    name: Name
    description: str = ""
    vars: dict[str, str] = Field(default_factory=dict)
    """Values for `${name}` in this file; `--var name=value` overrides them."""
    task: Task
    data: Data
    privacy: Privacy = Privacy()
    models: Models
    metrics: list[str | MetricSpec] = Field(default_factory=list)
    """Scores per example and over a split; those of the task kind when left out."""
    slices: list[str | Slice] = Field(default_factory=list, max_length=20)
    """Columns, or expressions, by whose values every metric is reported once more: at most 20 values each."""
    failure: str = Field(default="", min_length=1)
    """SQL condition on the per-example scores, the columns and `prediction`: where it holds, the student failed.

    That of the task kind when left out.
    """
    patterns: Patterns = Patterns()
    augment: Augment
    quality: Quality = Quality()
    train: Train = Train()
    loop: Loop = Loop()
    budget: Budget = Budget()
    benchmark: Benchmark | None = None
    """Left out, nothing is served and timed."""
    seeds: list[Annotated[int, Field(ge=0)]] = Field(default=[0], min_length=1)
    """The whole loop is run once per seed."""

    @property
    def measured(self) -> list[MetricSpec]:
        """The metrics, those written as a name alone too."""
        # Not validated again: a name that is none is named with its place by `pada validate`.
        return [
            MetricSpec.model_construct(name=m) if isinstance(m, str) else m for m in self.metrics
        ]

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: list[int]) -> list[int]:
        if len(seeds) != len(set(seeds)):
            raise ValueError("two seeds are the same")
        return seeds

"""The recipe as frozen, typed objects: what may be written, with units, ranges and defaults.

The source of `schemas/recipe.schema.json`. Knows nothing of operators, metrics, tasks and backends: their own
parameters are checked against the registries when the plan is compiled.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from engine.spec.parts import GateMode, Name, Size, Spec
from engine.spec.recipe_benchmark import Benchmark
from engine.spec.recipe_data import Data

JudgeMode = Literal["decides", "advises", "off"]


class Shots(Spec):
    """Few-shot examples, drawn from the training rows, targets in turn."""

    n: int = Field(ge=1, le=64)
    """How many."""
    seed: int = Field(default=0, ge=0)
    """Seed of the draw, so that they do not change with the loop's seed."""
    train: bool = True
    """Whether they are shown in training too; false: in evaluation alone."""


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
    """Training rows that are shown, answered, before each row: the same in training and in evaluation."""
    labels: list[str] | dict[str, str] | None = Field(default=None, min_length=2)
    """Allowed answers of a classification; taken from the training rows when left out.

    A mapping gives each label its definition, for the teacher and the judge.
    """
    description: str = ""
    """One sentence for the teacher and the judge: what the rows are and what the answer means."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Column of `input`, or the target -> what it means, for the teacher and the judge."""

    @property
    def label_names(self) -> list[str] | None:
        """The declared labels, with or without definitions."""
        return None if self.labels is None else list(self.labels)

    @property
    def definitions(self) -> dict[str, str]:
        """Label -> its definition, for the labels that have one."""
        return dict(self.labels) if isinstance(self.labels, dict) else {}


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


class WriterSpec(ModelSpec):
    """A teacher or a judge: what decides how it is talked to stands beside the backend's own settings."""

    pack: Name | None = None
    """Prompts and schemas for models of one size (`pada list packs`); by `size` when left out."""
    size: Size | None = None
    """Parameters, such as `8B`, all experts counted; they decide the pack: small under 3B, standard under 100B."""
    thinking_tokens: int | None = Field(default=None, ge=0, le=200_000)
    """Tokens that a reply may spend on thinking, on top of what its schema needs; the pack's when left out."""


class Models(Spec):
    """The four roles."""

    student: ModelSpec
    teacher: WriterSpec
    judge: WriterSpec | None = None
    """The teacher, in calls of its own and only advising, when left out."""
    embedder: ModelSpec

    def of(self, role: str) -> ModelSpec:
        """Return a role's model; that of a judge who is not named is the teacher's."""
        spec: ModelSpec | None = getattr(self, role)
        return self.teacher if spec is None else spec


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


class Cluster(BaseModel):
    """How diagnoses are grouped into patterns; further keys are the algorithm's own settings."""

    model_config = ConfigDict(
        frozen=True, extra="allow", strict=True, use_attribute_docstrings=True
    )

    algorithm: str = "kmeans"
    """Clusterer (`pada list clusterers`)."""

    @property
    def settings(self) -> dict[str, Any]:
        """The algorithm's own settings, as written."""
        return dict(self.__pydantic_extra__ or {})


class Patterns(Spec):
    """How failures become patterns."""

    diagnose: int = Field(default=200, ge=1)
    """Most failures diagnosed in a round; a seeded sample is taken of more."""
    hold_out: float = Field(default=0.3, ge=0, lt=1)
    """Share of a round's validation failures that nobody looks at: what is mended of them is the honest number.

    Nothing is held out where that would be fewer than 20.
    """
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
    share: float | None = Field(default=None, gt=0)
    """Its part of the rows, relative to the others, where a pattern's strategy says nothing; its own when left out."""


class Augment(Spec):
    """What is generated."""

    rows_per_round: int = Field(default=120, ge=1)
    """Most generated rows that join the training set in one round."""
    oversample: float | None = Field(default=None, ge=1, le=10)
    """Candidates asked for per row wanted, in the first attempt; the teacher's pack's when left out.

    Later attempts go by what was accepted, up to as many.
    """
    coverage: float = Field(default=0.2, ge=0, lt=1)
    """Share of the rows for what does not fail: labels with the fewest rows, or else training rows at large."""
    temperature: float = Field(default=0.9, ge=0, le=2)
    """Sampling temperature of the operators; everything else the teacher writes is greedy."""
    operators: list[OperatorSpec] = Field(min_length=1)


class Minimum(Spec):
    """The judge's scores below which a candidate is rejected, each 1 to 5; 1 rejects nothing."""

    adherence: int = Field(default=1, ge=1, le=5)
    """Follows the strategy; a row that rewords another is not judged on it."""
    utility: int = Field(default=2, ge=1, le=5)
    """Useful to train on."""
    relevance: int = Field(default=3, ge=1, le=5)
    """Belongs to the task and carries its label."""
    naturalness: int = Field(default=2, ge=1, le=5)
    """Reads as real rows do."""


class Verify(Spec):
    """Generated rows are answered by somebody who does not see their targets."""

    samples: int | None = Field(default=None, ge=0, le=20)
    """Answers per row, each in a call of its own; 0: none are asked for. The judge's pack says when left out."""
    agreement: float = Field(default=0.5, ge=0, le=1)
    """Share of the answers that must come to the row's target: fewer reject it; 0: they are recorded alone."""
    temperature: float = Field(default=0.7, ge=0, le=2)
    """Sampling temperature of the answers."""


class Calibration(Spec):
    """The judge is shown training rows among the candidates, half of them with a wrong answer, before it decides."""

    anchors: int = Field(default=20, ge=5, le=200)
    """Rows with their own answer, and as many with a wrong one; fewer where there are not enough training rows."""
    balanced_accuracy: float = Field(default=0.7, ge=0.5, lt=1)
    """The judge decides where the lower end of its 95 % interval exceeds this; else it advises."""


class Similarity(Spec):
    """How near a row that keeps its seed row's target is to that row, by what training rows of one target show."""

    low_quantile: float = Field(default=0.002, ge=0, le=1)
    """Quantile of their cosine similarities below which a row is too far from its seed row."""
    high_quantile: float = Field(default=0.99, ge=0, le=1)
    """Quantile above which it is too near."""

    @model_validator(mode="after")
    def _low_below_high(self) -> Similarity:
        if self.low_quantile >= self.high_quantile:
            raise ValueError("low_quantile must be below high_quantile")
        return self


class Neighbours(Spec):
    """How much nearer a row may be to training rows of another label than to those of its own."""

    quantile: float = Field(default=0.01, ge=0, le=1)
    """Share of the training rows that stand out as much or more, each compared with all others."""


class NearDuplicate(Spec):
    """How near a row may be to one that is there already, by what training rows show among themselves."""

    quantile: float = Field(default=0.99, ge=0, le=1)
    """Quantile of the training rows' cosine similarities to their nearest; a nearer row is a duplicate."""


class LeakLimits(Spec):
    """Candidates that resemble an evaluation row are dropped; thresholds are calibrated on the training rows."""

    ngram: int = Field(default=5, ge=2, le=20)
    """Length in words of the n-grams by which rows are compared."""
    quantile: float = Field(default=0.99, gt=0, le=1)
    """Quantile of what real training rows show against evaluation rows; more than that is a leak."""


class Quality(Spec):
    """What a candidate must pass."""

    judge: JudgeMode | None = None
    """decides: wrong labels and scores below `minimum` reject, once it is calibrated; advises: they are recorded.

    Left out: as the judge's pack says, but it only advises where it is the teacher.
    """
    minimum: Minimum = Minimum()
    ambiguous: Literal["verdict", "reject"] = "verdict"
    """What becomes of a row whose label the judge calls ambiguous: as its own verdict on the row says, or rejected."""
    calibration: Calibration = Calibration()
    verify: Verify = Verify()
    attempts: int | None = Field(default=None, ge=1, le=10)
    """Rounds of generation, each of which makes up for the rows rejected before; the teacher's pack's when left out."""
    gates: dict[str, GateMode] = Field(default_factory=dict)
    """Gate (`pada list gates`) -> reject, advise or off; where the teacher's pack has it otherwise."""
    similarity: Similarity = Similarity()
    neighbours: Neighbours = Neighbours()
    near_duplicate: NearDuplicate = NearDuplicate()
    leak_guard: LeakLimits = LeakLimits()


class Train(Spec):
    """Fine-tuning; always from the base model on the round's whole training set."""

    objective: Literal["sft"] = "sft"
    """sft: supervised fine-tuning, with loss on the completions alone."""
    method: Literal["lora", "full", "none"] = "lora"
    """none: the student is measured as it is, and rows are made for a fine-tune that happens elsewhere."""
    prompt: str | None = None
    """Prompt file of training alone; the task's prompt when left out, so that both are the same."""
    r: int = Field(default=16, ge=1, le=1024)
    """LoRA rank, on all linear layers."""
    alpha: int | None = Field(default=None, ge=1)
    """LoRA scale; twice `r` when left out."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    epochs: float = Field(default=4, gt=0)
    """Passes over the original training rows; decides the optimizer steps of every round."""
    steps: Annotated[int, Field(ge=1)] | Literal["per_row"] | None = None
    """A number: the optimizer steps of every round, overrides `epochs`. per_row: steps grow with the rows that
    a round trains on, so that `epochs` passes are made over each original row in every round."""
    mix: float = Field(default=1.0, gt=0, le=10)
    """How often a generated row is trained on for each time that an original row is."""
    order: Literal["mixed", "generated_first"] = "mixed"
    """mixed: original and generated rows shuffled together; generated_first: all passes over generated rows first."""
    checkpoint: Literal["last", "best"] = "last"
    """last: the same number of steps in every round; best: the step with the lowest loss on validation completions,
    of the rows that choose where validation is divided."""
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
    min_gain: float | None = None
    """A round must beat the best so far by more than this; by one standard error of the difference when left out."""
    patience: int = Field(default=1, ge=1)
    """Rounds without a gain that are tolerated before stopping."""


class Loop(Spec):
    """Number of rounds: round 0 is the plain fine-tune, then `rounds` augmented ones."""

    method: Name = "pada"
    """How the loop runs (`pada list methods`): `pada`, `vanilla`, or a file `methods/NAME.yaml` beside the recipe."""
    rounds: int = Field(default=1, ge=0, le=100)
    """With `train: {method: none}` 0 measures, and 1 makes rows as well."""
    stop: Stop = Stop()
    control: bool = True
    """Fine-tune once more per seed on the original rows alone, with another training seed: what is mended there too
    is chance, and no pattern gets credit for it. Without it no pattern gets a number."""
    divide_validation: bool | Literal["auto"] = "auto"
    """Whether one half of validation finds patterns and the other stops and chooses; auto: from 300 rows on."""


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


class Redaction(Spec):
    """What is replaced in the rows before anything else sees them."""

    pattern: str
    """Regular expression (RE2: no look-around, no back-references); each match is replaced."""
    replacement: str = Field(default="[redacted]", alias="with")
    """The replacement text."""


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

"""The train block of a recipe: how the student is fine-tuned."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from engine.bounds import Count
from engine.spec.parts import Spec


class Preference(Spec):
    """Preference tuning behind the supervised part of a round, for `objective: dpo`."""

    loss: Literal["sigmoid", "ipo"] = "sigmoid"
    """sigmoid: DPO; ipo: its squared form, which does not push certain pairs ever further apart."""
    beta: float = Field(default=0.1, gt=0, le=10)
    """How close preference tuning keeps the student to what it was before: the larger, the closer."""
    share: float = Field(default=0.2, gt=0, lt=1)
    """Share of a round's optimizer steps that go on pairs; the supervised part has the others, so that a round has as
    many as without."""
    learning_rate: float | None = Field(default=None, gt=0, lt=1)
    """Learning rate of the steps on pairs; a hundredth of `train.learning_rate` when left out: at a tenth the student
    forgets what it knows."""
    max_pairs: Count | None = Field(default=None, ge=1)
    """At most this many pairs; never more than there is time to look at once."""
    min_pairs: Count = Field(default=8, ge=1)
    """Fewest pairs for preference tuning: with fewer the round is the plain fine-tune, and the report says so."""


class Train(Spec):
    """Fine-tuning on the round's whole training set, always from the base model or from the student's `adapter`."""

    objective: Literal["sft", "dpo"] = "sft"
    """sft: supervised fine-tuning, with loss on the completions alone; dpo: from round 1 on the last steps are on pairs
    of right and wrong answers."""
    preference: Preference = Preference()
    method: Literal["lora", "qlora", "full", "none"] = "lora"
    """How weights are changed. qlora: as lora, with the model's own weights in 4 bits. none: the student is measured as
    it is, and rows are made for a fine-tune that happens elsewhere."""
    prompt: str | None = None
    """Prompt file of training alone; the task's prompt when left out, so that both are the same."""
    r: int = Field(default=16, ge=1, le=1024)
    """LoRA rank, on all linear layers: the larger, the more weights are trained."""
    alpha: Count | None = Field(default=None, ge=1)
    """LoRA scale; twice `r` when left out."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of a LoRA layer's inputs that are dropped at random in each step."""
    epochs: float = Field(default=4, gt=0, le=100_000)
    """Passes over the original training rows; decides the optimizer steps of every round."""
    steps: Annotated[Count, Field(ge=1)] | Literal["per_row"] | None = None
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
    batch_size: Count = Field(default=8, ge=1)
    """Rows per optimizer step, over all devices and micro-batches."""
    devices: int = Field(default=1, ge=1, le=64)
    """Graphics cards that share each step's rows; with `device: cpu` processes on the CPU."""
    micro_batch: Count | None = Field(default=None, ge=1)
    """Most rows that a device computes at once: gradients are added up until a step has its `batch_size` rows. All
    of a device's rows at once when left out."""
    master: Literal["float32", "bfloat16"] = "float32"
    """Number format in which `method: full` keeps weights, gradients and optimizer."""
    attention: Literal["auto", "plain", "flash"] = "auto"
    """How attention is computed on a graphics card."""
    learning_rate: float = Field(default=1e-3, gt=0, lt=1)
    """Size of the optimizer's steps: its highest value, which it has at the end of the warm-up."""
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps over which the learning rate rises from 0."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the learning rate falls after the warm-up."""
    weight_decay: float = Field(default=0.0, ge=0)
    """How strongly AdamW pulls weights towards 0; 0 is not at all."""
    max_length: Count = Field(default=1024, ge=16)
    """Tokens of prompt and completion; a longer row is an error."""
    device: str = "auto"
    """`auto` (the first CUDA device, else the CPU), or a torch device such as `cpu` or `cuda:1`."""
    dtype: Literal["auto", "bfloat16", "float32"] = "auto"
    """Number format of the weights; auto is bfloat16."""

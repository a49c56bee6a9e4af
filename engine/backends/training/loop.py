"""The training itself: the model with its adapter, transformers' `Trainer` with the loss only on completions.

Runs in the child process. A checkpoint holds everything the rest of the training depends on (weights in full
precision, optimizer, schedule, random numbers, best step so far), so a resumed training ends with the same bits.
"""

from __future__ import annotations

import importlib.util
import inspect
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel
from transformers import (
    AutoModelForCausalLM,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from engine.backends.local.prefix import has_plain_attention
from engine.backends.local.weights import loading
from engine.backends.protocol import TrainingJob
from engine.backends.training import devices
from engine.backends.training.batches import PADDING, Encoded, attention_mask, collate
from engine.backends.training.checkpoints import Checkpoints
from engine.backends.training.devices import Share, shares
from engine.backends.training.halves import Halves, halved
from engine.backends.training.resumable import History, Resumable
from engine.backends.training.rounding import RoundedAdamW
from engine.errors import ModelError
from engine.system.files import replacing

MAX_GRAD_NORM = 1.0
EAGER_TOKENS = 1024
"""Longest row for which eager attention is used on the CPU; what it keeps grows with the length's square."""


def resolve_dtype(name: str) -> torch.dtype:
    """Return the torch dtype of a job's `dtype`: `auto` is bfloat16, in which the student also predicts."""
    return torch.float32 if name == "float32" else torch.bfloat16


def load_student(job: TrainingJob, longest: int) -> Any:
    """Load the base model for rows of up to `longest` tokens and make trainable what the job's method trains.

    lora: the base in the job's dtype and frozen, adapters on all linear layers but the head, in float32; or the
    adapter that the job goes on from, as it is but for its dropout.
    qlora: the same on a base in 4 bits (NF4, its scales quantized once more; Dettmers et al. 2023, arXiv 2305.14314).
    full: all weights in float32, because steps this small vanish in bfloat16; they are rounded when saved. Or in
    bfloat16, where steps are rounded at random (`rounding.py`).

    Raises:
        ModelError: what is there cannot be loaded, or not in 4 bits, or flash attention cannot be had.
    """
    torch.manual_seed(job.seed)
    dtype = resolve_dtype(job.dtype) if job.adapts else resolve_dtype(job.master)
    quantized = {} if job.method != "qlora" else {"quantization_config": _four_bits(dtype)}
    # Measured on 2 cores, CPU seconds a step with eager attention and with sdpa, whose backward pass is slow there:
    # 1.2 and 1.3 for 10 rows of 27 tokens, 12.2 and 16.0 for 4 of 590.
    attention = "eager" if job.device == "cpu" and longest <= EAGER_TOKENS else "sdpa"
    if takes_flash(job, dtype):
        attention = "flash_attention_2"
    with loading("model", job.model):
        model = AutoModelForCausalLM.from_pretrained(
            job.model,
            dtype=dtype,
            attn_implementation=attention,
            trust_remote_code=False,
            use_safetensors=True,
            **quantized,
        )
    model.config.use_cache = False
    # The last positions of a batch are a strided view, for which torch multiplies batch by batch with a
    # copy of the head each: 1.92 s a step instead of 1.12 s.
    model.get_output_embeddings().register_forward_pre_hook(
        lambda _head, hidden: (hidden[0].contiguous(), *hidden[1:])
    )
    if not job.adapts:
        return model
    adapted = _with_adapter(model, job)
    for module in adapted.modules():
        if isinstance(module, LoraLayer):
            # peft would widen every input to the adapter's float32, and autocast narrow it again to the same bits:
            # a tenth of a step's time.
            module.cast_input_dtype_enabled = False
    return adapted


def takes_flash(job: TrainingJob, dtype: torch.dtype) -> bool:
    """Tell whether flash attention computes the training: on CUDA, where its package is, in 16 bits."""
    if job.device == "cpu" or job.attention == "plain":
        return False
    there = importlib.util.find_spec("flash_attn") is not None
    # Weights in float32 compute in bfloat16 all the same (autocast), but for what flash attention checks beforehand.
    narrow = dtype == torch.bfloat16
    if job.attention == "flash" and not (there and narrow):
        missing = (
            "the package flash-attn is not installed"
            if not there
            else "it takes weights in bfloat16"
        )
        hint = (
            "pip install flash-attn"
            if not there
            else "write dtype: bfloat16; of method: full also master: bfloat16"
        )
        raise ModelError(
            f"train.attention is flash, and {missing}", f"{hint}; or write attention: auto"
        )
    return there and narrow


def _four_bits(dtype: torch.dtype) -> Any:
    from transformers import BitsAndBytesConfig

    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError(
            "train.method is qlora, and bitsandbytes is not installed",
            "pip install 'pada-engine[qlora]', or write method: lora",
        )
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def _with_adapter(model: Any, job: TrainingJob) -> Any:
    """Return the model with the adapter that is trained: a new one, or the one that the job goes on from."""
    if job.adapter is None:
        config = LoraConfig(
            r=job.r,
            lora_alpha=job.alpha,
            lora_dropout=job.dropout,
            target_modules="all-linear",  # peft leaves the output head out of it
            task_type="CAUSAL_LM",
        )
        return get_peft_model(model, config)
    with loading("adapter", job.adapter):
        given = LoraConfig.from_pretrained(job.adapter)
        given.lora_dropout = job.dropout
        given.inference_mode = False
        return PeftModel.from_pretrained(model, job.adapter, is_trainable=True, config=given)


def completion_loss(model: Any, batch: dict[str, torch.Tensor], reduction: str) -> torch.Tensor:
    """Return the cross entropy over the completions' tokens, in nats; logits exist only where there is loss."""
    kept, place = torch.unique(batch["places"], return_inverse=True)
    parameters = inspect.signature(_base(model).forward).parameters
    optional = {"position_ids": batch["position_ids"], "logits_to_keep": kept}
    logits = model(
        input_ids=batch["input_ids"],
        attention_mask=_mask(model, batch["segments"]),
        use_cache=False,
        **{name: value for name, value in optional.items() if name in parameters},
    ).logits
    if "logits_to_keep" not in parameters:
        logits = logits[:, kept]
    return cross_entropy(
        logits[batch["lines"], place].float(), batch["targets"], reduction=reduction
    )


def _mask(model: Any, segments: torch.Tensor) -> torch.Tensor | None:
    """Return the attention mask of a batch: two dimensions as long as each line is one row.

    None for flash attention over rows in one line (`collate`), whose positions tell them apart.
    """
    if uses_flash(model) and bool((segments > 1).any()):
        return None
    if not bool((segments == 0).any() | (segments > 1).any()):
        return (segments != PADDING).long()
    device = segments.device.type
    own = _base(model).dtype
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else own
    hidden = ~attention_mask(segments)
    return torch.zeros(hidden.shape, dtype=dtype, device=segments.device).masked_fill_(
        hidden, torch.finfo(dtype).min
    )


def uses_flash(model: Any) -> bool:
    """Tell whether flash attention computes a model."""
    return str(_base(model).config._attn_implementation).startswith("flash")


def _base(model: Any) -> Any:
    inner = model.module if isinstance(model, DistributedDataParallel) else model
    return inner.get_base_model() if hasattr(inner, "get_base_model") else inner


def _share_of(share: Share, to_batch: Callable[..., dict[str, torch.Tensor]]) -> dict[str, Any]:
    return {"parts": [to_batch(rows) for rows in share.parts], "tokens": share.tokens}


class CompletionTrainer(Resumable, Trainer):  # type: ignore[misc, unused-ignore]
    """`Trainer` over batches made beforehand, with our loss, our validation and our checkpoint contents."""

    diverged = "lower train.learning_rate, or raise train.warmup"
    optimizer: Any

    def __init__(
        self,
        model: Any,
        job: TrainingJob,
        order: Sequence[Sequence[Encoded]],
        validation: Sequence[Sequence[Encoded]],
        checkpoints: Checkpoints,
    ) -> None:
        """Take one batch of rows per optimizer step (`order`) and the validation batches."""
        plain = has_plain_attention(_base(model))
        to_batch = partial(
            collate, pack=plain, share=not job.dropout, flat=plain and uses_flash(model)
        )
        several = torch.get_num_threads() > 1
        # All of a model's weights would have their gradients twice; dropout's random numbers would go to whichever
        # thread comes first.
        halves = job.device == "cpu" and several and job.adapts and not (job.dropout or job.shared)
        super().__init__(
            model=model,
            # One ready-made batch.
            args=TrainingArguments(
                **arguments(job, checkpoints.folder), per_device_train_batch_size=1
            ),
            data_collator=(
                (lambda batch: _share_of(batch[0], to_batch))
                if job.shared
                else lambda batch: {
                    "parts": [to_batch(rows) for rows in (halved(batch[0]) if halves else batch)]
                }
            ),
            # Of several processes each takes its own out of the items of a step, which follow each other.
            train_dataset=(  # type: ignore[arg-type, unused-ignore]
                [one for rows in order for one in shares(rows, job.devices, job.micro_batch)]
                if job.shared
                else list(order)
            ),
        )
        self.order = order
        self._job = job
        self._rounds = not job.adapts and job.master == "bfloat16"
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        self._halves = Halves(weights)
        self.history = History()
        self._autocast = resolve_dtype(job.dtype) == torch.bfloat16
        self._collate = to_batch
        self._validation = validation
        self._checkpoints = checkpoints

    def create_optimizer(self, model: Any = None) -> Any:
        """Return the optimizer: `Trainer`'s own, or the one for weights that are kept in bfloat16."""
        if self._rounds and self.optimizer is None:
            self.optimizer = RoundedAdamW(
                [weight for weight in self.model.parameters() if weight.requires_grad],
                lr=self._job.learning_rate,
                weight_decay=self._job.weight_decay,
                seed=self._job.seed,
            )
            return self.optimizer
        return super().create_optimizer(model)

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        """Take the gradients of a batch; raises ModelError when its loss is not finite."""
        prepared = self._prepare_inputs(inputs)
        parts = prepared["parts"]
        if self._job.shared:
            return self._shared_step(model, parts, prepared["tokens"])
        if len(parts) == 1:
            return super().training_step(model, parts[0])
        model.train()
        loss = self._halves.step(parts, lambda part: self._loss(model, dict(part), "sum"))
        self.record(loss.item())
        return loss

    def _shared_step(
        self, model: Any, parts: Sequence[dict[str, torch.Tensor]], tokens: int
    ) -> torch.Tensor:
        """Take the gradients of this process's part of a step, piece by piece; they are those of the whole step."""
        model.train()
        summed = 0.0
        for place, part in enumerate(parts):
            last = place == len(parts) - 1
            # Gradients of several processes are averaged, once a step.
            alone = nullcontext() if last or self._job.devices == 1 else model.no_sync()
            with alone:
                loss = self._loss(model, part, "sum") / tokens
                self.accelerator.backward(loss * self._job.devices)
            summed += loss.item()
        (whole,) = devices.total([summed], self.args.device)
        self.record(whole)
        return torch.tensor(whole, device=self.args.device)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the mean loss of the batch's completion tokens; raises ModelError when it is not finite."""
        loss = self._loss(model, inputs, "mean")
        self.record(loss.item())
        return (loss, None) if return_outputs else loss

    def _loss(self, model: Any, batch: dict[str, torch.Tensor], reduction: str) -> torch.Tensor:
        # In bfloat16 the adapters compute as they will in prediction; their weights stay in float32.
        with torch.autocast(self.args.device.type, torch.bfloat16, enabled=self._autocast):
            return completion_loss(model, batch, reduction)

    @property
    def at_once(self) -> Sequence[Sequence[Encoded]]:
        """The rows that are computed together, in every step."""
        if not self._job.shared:
            return self.order
        return [rows for one in self.train_dataset for rows in one.parts]

    def loss_of(self, rows: Sequence[Encoded], reduction: str = "mean") -> torch.Tensor:
        """Return the loss of some rows, in nats."""
        batch = {name: value.to(self.args.device) for name, value in self._collate(rows).items()}
        return self._loss(self.model, batch, reduction)

    def evaluate(self, *_args: Any, **_kwargs: Any) -> dict[str, float]:
        """Take the validation loss (nats per completion token) and keep the weights when it is the lowest."""
        model = self.model
        model.eval()
        total, tokens = 0.0, 0.0
        with torch.inference_mode():
            for rows in self._validation[devices.rank() :: devices.world()]:
                batch = {
                    name: value.to(self.args.device) for name, value in self._collate(rows).items()
                }
                with torch.autocast(self.args.device.type, torch.bfloat16, enabled=self._autocast):
                    total += completion_loss(model, batch, "sum").item()
                tokens += len(batch["targets"])
        model.train()
        step = self.state.global_step
        total, tokens = devices.total([total, tokens], self.args.device)
        self.history.evaluations.append((step, total / tokens))
        if self.history.best == self.history.evaluations[-1] and devices.is_first():
            self._checkpoints.keep_best(step, self.snapshot)
        return {"eval_loss": total / tokens}


class FlowCallback(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Decides after each step whether to evaluate, to save a checkpoint, to stop; reports each step."""

    def __init__(
        self,
        trainer: Resumable,
        checkpoints: Checkpoints,
        evaluate_at: frozenset[int],
        report: Callable[[int, float], None],
        stopping: Callable[[], bool],
        checkpoint_seconds: float,
    ) -> None:
        """Take what is trained and when it is evaluated and saved.

        Args:
            trainer: The training.
            checkpoints: Where its checkpoints are.
            evaluate_at: Steps after which the validation loss is taken.
            report: Called with each step and its loss.
            stopping: Whether somebody wishes the training to stop.
            checkpoint_seconds: Time between two checkpoints.
        """
        self._trainer = trainer
        self._checkpoints = checkpoints
        self._evaluate_at = evaluate_at
        self._report = report
        self._stopping = stopping
        self._seconds = checkpoint_seconds
        self._saved = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_kwargs: Any) -> Any:
        """Called by the Trainer after an optimizer step."""
        step = int(state.global_step)
        self._report(step, self._trainer.history.losses[-1])
        last = step >= state.max_steps
        control.should_evaluate = step in self._evaluate_at
        due, stop = devices.any_of(
            [time.monotonic() - self._saved >= self._seconds, self._stopping()], args.device
        )
        # After the last step the result itself is written at once.
        control.should_save = not last and (due or stop)
        control.should_training_stop = last or stop
        return control

    def on_save(self, args: Any, state: Any, control: Any, **_kwargs: Any) -> None:
        """Called by the Trainer when a checkpoint's files are written: only now does it count."""
        best = self._trainer.history.best
        devices.meet()  # each process has written its random numbers
        if devices.is_first():
            self._checkpoints.complete(int(state.global_step), best[0] if best else None)
        devices.meet()
        self._saved = time.monotonic()


def save_result(model: Any, tokenizer: Any, job: TrainingJob, folder: Path) -> Path:
    """Write the adapter (or the full weights) as a folder of its own and return its weights' file.

    A folder of this name is always whole.
    """
    with replacing(folder) as part:
        part.mkdir()
        if not job.adapts:
            model.to(resolve_dtype(job.dtype))
            model.config.use_cache = True
            tokenizer.save_pretrained(part)
        # Beside the adapter that was trained there may be another, the reference.
        chosen = {"selected_adapters": ["default"]} if job.adapts else {}
        model.save_pretrained(part, **chosen)
        (part / "README.md").unlink(missing_ok=True)  # peft's model card has nothing filled in
    return folder / ("adapter_model.safetensors" if job.adapts else "model.safetensors")


def arguments(job: TrainingJob, folder: Path) -> dict[str, Any]:
    """Return what every training of a job tells `Trainer`."""
    names = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}
    return dict(
        output_dir=str(folder),
        max_steps=job.steps,
        learning_rate=job.learning_rate,
        lr_scheduler_type=names[job.schedule],
        warmup_steps=round(job.warmup * job.steps),
        weight_decay=job.weight_decay,
        max_grad_norm=MAX_GRAD_NORM,
        optim="adamw_torch_fused",  # 11 ms a step on the CPU, 29 ms unfused
        seed=job.seed,
        data_seed=job.seed,
        use_cpu=job.device == "cpu",
        save_strategy="no",  # `FlowCallback` decides, by the clock
        eval_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        save_total_limit=2,
        remove_unused_columns=False,
        dataloader_num_workers=0,
        dataloader_pin_memory=False,
        logging_nan_inf_filter=False,
        ddp_find_unused_parameters=False,
        ddp_broadcast_buffers=False,
    )

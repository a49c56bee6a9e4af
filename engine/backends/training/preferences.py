"""Preference tuning: trl's `DPOTrainer` over pairs of a right and a wrong answer, as supervised rows are trained on.

Runs in the child process; nothing else imports trl. The model comes with the adapter that is trained further; a frozen
copy of it is the reference (Rafailov et al. 2023, arXiv 2305.18290; `ipo`: Azar et al. 2023, arXiv 2310.12036).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from engine.backends.protocol import PreferenceLoss, TrainingJob
from engine.backends.training.batches import Encoded, EncodedPair, collate
from engine.backends.training.checkpoints import Checkpoints
from engine.backends.training.loop import arguments, completion_loss, resolve_dtype
from engine.backends.training.memory import checkpoint_if_needed
from engine.backends.training.resumable import History, Resumable


class PairTrainer(Resumable, DPOTrainer):  # type: ignore[misc, unused-ignore]
    """`DPOTrainer` over batches made beforehand, that neither tokenises nor tells anybody of itself."""

    diverged = "lower train.preference.learning_rate, or raise train.preference.beta"

    def __init__(
        self,
        model: Any,
        job: TrainingJob,
        order: Sequence[Sequence[EncodedPair]],
        tokenizer: Any,
        checkpoints: Checkpoints,
    ) -> None:
        """Take a model with its adapter, and one batch of pairs per optimizer step (`order`)."""
        loss = job.preference
        if loss is None:
            raise ValueError("the job tunes no preferences")
        # `Trainer` cuts its batches from one list.
        pairs = [pair for batch in order for pair in batch]
        super().__init__(
            model=model,
            args=_config(job, loss, checkpoints),
            processing_class=tokenizer,
            train_dataset=Dataset.from_dict(
                {
                    "prompt_ids": [list(pair.chosen.prompt) for pair in pairs],
                    "chosen_ids": [list(pair.chosen.completion) for pair in pairs],
                    "rejected_ids": [list(pair.rejected.completion) for pair in pairs],
                }
            ),
        )
        # The copy that is the reference was made trainable like any new adapter.
        model.set_adapter("default")
        self.history = History()
        self._autocast = resolve_dtype(job.dtype) == torch.bfloat16
        self._order = order

    def _prepare_dataset(self, dataset: Dataset, *_args: Any, **_kwargs: Any) -> Dataset:
        return dataset

    def _send_telemetry(self) -> None:
        """Send nothing: trl would tell its makers which kind of model is tuned, and on what."""

    def create_model_card(self, *_args: Any, **_kwargs: Any) -> None:
        """Write none: checkpoints are nobody's model."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the mean loss of the batch's pairs; raises ModelError when it is not finite."""
        # As in supervised training: in bfloat16 the adapters compute as they will in prediction.
        with torch.autocast(self.args.device.type, torch.bfloat16, enabled=self._autocast):
            loss = super().compute_loss(model, inputs)
        self.record(loss.item())
        seen = self._metrics["train"]
        self.history.rewards.append((seen["rewards/accuracies"][-1], seen["rewards/margins"][-1]))
        seen.clear()
        return loss

    def checkpoint_if_needed(self) -> bool:
        """Switch gradient checkpointing on if the largest batch would not fit; return whether that was done."""
        batches = [[one for pair in batch for one in pair] for batch in self._order]
        return checkpoint_if_needed(self.model, batches, self._probe, self.args.device, pack=False)

    def _probe(self, rows: Sequence[Encoded]) -> torch.Tensor:
        batch = {
            name: value.to(self.args.device) for name, value in collate(rows, pack=False).items()
        }
        with torch.autocast(self.args.device.type, torch.bfloat16, enabled=self._autocast):
            return completion_loss(self.model, batch, "mean")


def _config(job: TrainingJob, loss: PreferenceLoss, checkpoints: Checkpoints) -> DPOConfig:
    return DPOConfig(
        **arguments(job, checkpoints.folder),
        per_device_train_batch_size=job.batch_size,
        loss_type=[loss.loss],
        beta=loss.beta,
        max_length=None,  # too long pairs are left out, nothing is cut
        # `compute_loss` and `checkpoint_if_needed` see to both, as in supervised training.
        bf16=False,
        gradient_checkpointing=False,
    )

"""Outlines' llguidance processor, its masks applied by plain operations.

llguidance applies them by a function that torch compiles at its first call: that takes longer than a batch of a small
model, and two threads that meet in it do not always get the same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from outlines.backends.llguidance import LLGuidanceLogitsProcessor

if TYPE_CHECKING:
    import torch


class PlainMasks(LLGuidanceLogitsProcessor):  # type: ignore[misc, unused-ignore]
    """Allows each row the tokens that its grammar knows next."""

    def _bias_logits_torch(self, input_ids: Any, logits: torch.Tensor) -> torch.Tensor:
        import llguidance.torch
        import torch

        for row in range(len(logits)):
            llguidance.torch.fill_next_token_bitmask(self.ll_matchers[row], self.bitmask, row)
        # A bit for each token, 32 in a number, the first one lowest.
        words = self.bitmask.numpy().astype("<i4", copy=False).view(np.uint8)
        width = logits.shape[-1]
        bits = np.zeros((len(words), width), dtype=np.uint8)
        known = np.unpackbits(words, axis=1, bitorder="little")[:, :width]
        bits[:, : known.shape[1]] = known
        forbidden = torch.from_numpy(bits == 0).to(logits.device)
        return logits.masked_fill(forbidden, -torch.inf)

"""A small model's forward pass on a CPU, written out: the same arithmetic in a third of the operations.

A step that writes one token a row of a model with 135 million weights is 30 layers of operations so short that what
surrounds them (modules, wrappers, copies of keys, weights that are laid out anew at each product) takes most of the
time. Here a step's projections of one input are one product over weights that are laid out once, keys and values are
written into room that is there, and nothing else is called. Numbers are rounded where transformers' own modules round
them: in bfloat16 logits were theirs bit for bit. A pass of more than `FEW` tokens uses the modules' own products: one
over all projections would be added up in another order there, and gains little.

Known are the models whose modules are listed in `_KNOWN`, untuned, fully fine-tuned or with a plain LoRA adapter beside
their weights. For all others, for a graphics card and for weights of more than `LARGEST` bytes, where what surrounds
the products matters little and a second copy much, `of` has nothing to offer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from engine.backends.local.prefix import SharedPrefix, has_plain_attention

if TYPE_CHECKING:
    import torch

LARGEST = 1 << 30
"""Bytes of a model's weights of which a second copy, laid out for products, is kept beside them."""
FEW = 32
"""Most tokens of a pass that multiplies laid out weights."""
ROWS = 16
"""Rows of a product for which weights are laid out; any number can be multiplied."""

_KNOWN = ("LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM")
"""Classes of transformers whose layers are those of `_Layer`, where all their attention is plain."""


class _Adapter(NamedTuple):
    """LoRA beside some projections of one input: down for all at once, then up, each to its own outputs."""

    down: torch.Tensor
    up: torch.Tensor
    """Blocks on a diagonal: what is zero adds nothing."""
    scale: torch.Tensor


class _Product(NamedTuple):
    """Projections of one input; few tokens are multiplied with all of them at once."""

    modules: tuple[Any, ...]
    weight: torch.Tensor
    bias: torch.Tensor | None
    packed: bool
    adapter: _Adapter | None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs side by side."""
        import torch
        from torch.nn.functional import linear

        if x.numel() > FEW * x.shape[-1]:
            apart: list[torch.Tensor] = [module(x) for module in self.modules]
            return apart[0] if len(apart) == 1 else torch.cat(apart, dim=-1)
        y: torch.Tensor
        if self.packed:
            y = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")
        else:
            y = linear(x, self.weight, self.bias)
        if self.adapter is not None:
            down, up, scale = self.adapter
            y = y + linear(linear(x, down), up) * scale
        return y


class _Layer(NamedTuple):
    before_attention: Any
    attention: _Product
    """Queries, keys, values."""
    out: _Product
    before_mlp: Any
    gate_up: _Product
    activation: Any
    down: _Product


class Fused:
    """A model's layers and output matrix as few large products."""

    def __init__(self, model: Any) -> None:
        """Lay the weights out; `model` is one for which `_fits` is true."""
        decoder, config = model.get_decoder(), model.config
        self.device, self.dtype = model.device, model.dtype
        attention = decoder.layers[0].self_attn
        self.head_dim, self.scaling = attention.head_dim, attention.scaling
        self.heads = config.num_attention_heads
        self.key_heads = config.num_key_value_heads
        self._embed, self._rotary, self._norm = (
            decoder.embed_tokens,
            decoder.rotary_emb,
            decoder.norm,
        )
        self.layers = []
        for layer in decoder.layers:
            at, mlp = layer.self_attn, layer.mlp
            self.layers.append(
                _Layer(
                    layer.input_layernorm,
                    _product(at.q_proj, at.k_proj, at.v_proj),
                    _product(at.o_proj),
                    layer.post_attention_layernorm,
                    _product(mlp.gate_proj, mlp.up_proj),
                    mlp.act_fn,
                    _product(mlp.down_proj),
                )
            )
        self.head = _product(model.get_output_embeddings())

    def run(self, memory: torch.Tensor, start: int, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the last layer's output for tokens behind what is in `memory`, and write theirs into it.

        Args:
            memory: Keys and values, shape (layers, 2, rows, key heads, room, width of a head).
            start: Positions of `memory` that are taken.
            batch: `input_ids` and `position_ids`, shape (rows, tokens), and `attention_mask`, shape (rows, start +
                tokens).

        Returns:
            Shape (rows, tokens, width).
        """
        import torch
        from torch.nn.functional import scaled_dot_product_attention

        ids = batch["input_ids"]
        rows, count = ids.shape
        end, half = start + count, self.head_dim // 2
        x = self._embed(ids)
        cos, sin = self._rotary(x, position_ids=batch["position_ids"])
        cos, sin = cos[:, :, None], sin[:, :, None]
        sin = torch.cat([-sin[..., :half], sin[..., half:]], dim=-1)
        mask = _sees(batch["attention_mask"].bool(), start, count)
        # As attention itself would write it, once for all layers.
        mask = torch.zeros(mask.shape, dtype=x.dtype).masked_fill_(~mask, -torch.inf)
        turned = self.heads + self.key_heads
        for layer, kept in zip(self.layers, memory, strict=True):
            at = layer.attention(_normed(layer.before_attention, x))
            at = at.view(rows, count, -1, self.head_dim)
            both = at[:, :, :turned]
            swapped = torch.cat([both[..., half:], both[..., :half]], dim=-1)
            both = both * cos + swapped * sin
            kept[0, :, :, start:end] = both[:, :, self.heads :].transpose(1, 2)
            kept[1, :, :, start:end] = at[:, :, turned:].transpose(1, 2)
            query = both[:, :, : self.heads].transpose(1, 2)
            if count == 1:
                # The heads that share keys are as many questions to them.
                query = query.reshape(rows, self.key_heads, -1, self.head_dim)
            seen = scaled_dot_product_attention(
                query,
                kept[0, :, :, :end],
                kept[1, :, :, :end],
                attn_mask=mask,
                scale=self.scaling,
                enable_gqa=count > 1,
            )
            # One token's heads lie in order already.
            seen = seen if count == 1 else seen.transpose(1, 2)
            x = x + layer.out(seen.reshape(rows, count, -1))
            gate, up = layer.gate_up(_normed(layer.before_mlp, x)).chunk(2, dim=-1)
            x = x + layer.down(layer.activation(gate) * up)
        return _normed(self._norm, x)

    def prefix(self, ids: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Return the keys and values, a pair a layer, of tokens at the beginning, shape (1, tokens)."""
        import torch

        memory = self.room(1, ids.shape[1])
        mask = torch.ones_like(ids)
        batch = {"input_ids": ids, "attention_mask": mask, "position_ids": mask.cumsum(1) - 1}
        self.run(memory, 0, batch)
        return [(kept[0], kept[1]) for kept in memory]

    def room(self, rows: int, tokens: int) -> torch.Tensor:
        """Return room for keys and values of so many tokens a row."""
        import torch

        shape = (len(self.layers), 2, rows, self.key_heads, tokens, self.head_dim)
        return torch.empty(shape, dtype=self.dtype, device=self.device)


class FusedMemory:
    """What the rows of a batch have read, and the way to read on: `Memory` of `engine.backends.local.greedy`."""

    def __init__(self, fused: Fused, shared: SharedPrefix, rows: int, most: int) -> None:
        """Take the prefix of `rows` prompts, and room for the `most` tokens that any of them can have."""
        self._fused, self._taken = fused, shared.length
        self._memory = fused.room(rows, most)
        for kept, pair in zip(self._memory, shared.pairs, strict=False):
            for part, values in zip(kept, pair, strict=True):
                part[:, :, : shared.length] = values

    def read(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Read tokens of each row; return the logits behind the last, shape (rows, vocabulary)."""
        hidden = self._fused.run(self._memory, self._taken, batch)
        self._taken += batch["input_ids"].shape[1]
        return self._fused.head(hidden[:, -1].contiguous())

    def keep(self, rows: torch.Tensor) -> None:
        """Let the other rows go."""
        before = self._memory
        self._memory = self._fused.room(len(rows), before.shape[-2])
        taken = before[..., : self._taken, :]
        self._memory[..., : self._taken, :] = taken.index_select(2, rows)


_made: WeakKeyDictionary[Any, Fused] = WeakKeyDictionary()


def of(model: Any) -> Fused | None:
    """Return a model's layers as few large products, made at the first call; None where they are not known."""
    if not _fits(model):
        return None
    if model not in _made:
        _made[model] = Fused(model)
    return _made[model]


def _fits(model: Any) -> bool:
    import torch

    tensors = {id(weight): weight for weight in model.parameters()}.values()
    layers = getattr(model.get_decoder(), "layers", ())
    return (
        type(model).__name__ in _KNOWN
        and type(model).__module__.startswith("transformers.")
        and model.device.type == "cpu"
        and model.config._attn_implementation == "sdpa"
        and has_plain_attention(model)
        and len({weight.dtype for weight in tensors}) == 1
        and model.dtype in (torch.bfloat16, torch.float32)
        and sum(weight.numel() * weight.element_size() for weight in tensors) <= LARGEST
        and all(
            _is_plain(module)
            for layer in layers
            for part in (layer.self_attn, layer.mlp)
            for module in part.children()
            if module is not getattr(part, "act_fn", None)
        )
    )


def _is_plain(module: Any) -> bool:
    """Tell whether a projection is one matrix, or one with a plain LoRA adapter beside it."""
    import torch
    from peft.tuners.lora import Linear

    if type(module) is torch.nn.Linear:
        return True
    return (
        type(module) is Linear
        and type(module.base_layer) is torch.nn.Linear
        and not module.merged
        and not module.disable_adapters
        and not module.lora_variant
        and len(_active(module)) == 1
        and all(part.bias is None for name in _active(module) for part in _pair(module, name))
    )


def _active(module: Any) -> list[str]:
    return [name for name in module.active_adapters if name in module.lora_A]


def _pair(module: Any, name: str) -> tuple[Any, Any]:
    return module.lora_A[name], module.lora_B[name]


def _product(*modules: Any) -> _Product:
    """Return projections of one input as one product."""
    import torch

    plain = [getattr(module, "base_layer", module) for module in modules]
    weight = torch.cat([module.weight.detach() for module in plain])
    bias = None
    if any(module.bias is not None for module in plain):
        biases = [
            module.weight.new_zeros(module.out_features) if module.bias is None else module.bias
            for module in plain
        ]
        bias = torch.cat(biases).detach()
    packed: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if packed:
        weight = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)
    return _Product(modules, weight, bias, packed, _adapter(modules))


def _adapter(modules: Sequence[Any]) -> _Adapter | None:
    import torch

    downs: list[torch.Tensor] = []
    ups: list[torch.Tensor] = []
    scales: list[torch.Tensor] = []
    for module in modules:
        weight = getattr(module, "base_layer", module).weight
        size = len(weight)
        if not hasattr(module, "lora_A"):
            ups.append(weight.new_zeros((size, 0)))
            scales.append(weight.new_ones(size))
            continue
        (name,) = _active(module)
        down, up = _pair(module, name)
        downs.append(down.weight.detach())
        ups.append(up.weight.detach())
        scales.append(weight.new_full((size,), module.scaling[name]))
    if not downs:
        return None
    blocks: torch.Tensor = torch.block_diag(*ups)  # type: ignore[no-untyped-call]
    return _Adapter(torch.cat(downs), blocks, torch.cat(scales))


def _normed(norm: Any, x: torch.Tensor) -> torch.Tensor:
    import torch

    wide = x.float()
    wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + norm.variance_epsilon)
    scaled: torch.Tensor = norm.weight * wide.to(x.dtype)
    return scaled


def _sees(mask: torch.Tensor, start: int, count: int) -> torch.Tensor:
    """Return which positions each new token sees, shape (rows, 1, tokens, positions)."""
    import torch

    if count == 1:
        return mask[:, None, None]
    own = torch.arange(start, start + count, device=mask.device)[:, None]
    other = torch.arange(start + count, device=mask.device)[None]
    # What fills a row sees itself: of nothing at all there is no mean.
    return ((other <= own) & mask[:, None] | (other == own))[:, None]

"""As vLLM has it: an adapter by name, number and folder."""

from typing import NamedTuple


class LoRARequest(NamedTuple):
    name: str
    number: int
    path: str

"""The models block of a recipe: student, teacher, judge and embedder."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.spec.parts import Name, Size, Spec


class ModelSpec(BaseModel):
    """A model and the backend that runs it; further keys are the backend's own settings."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    backend: str
    """What runs the model, or speaks to its server (`pada list backends`)."""
    model: str
    """Which model: `embedded/…`, a local folder, or a Hugging Face name; a GGUF file for llamacpp; a server's own name
    for it."""

    @property
    def settings(self) -> dict[str, Any]:
        """The backend's own settings, as written."""
        return dict(self.__pydantic_extra__ or {})


class StudentSpec(ModelSpec):
    """The student: a base model, or what a LoRA fine-tune made of it already."""

    adapter: str | None = None
    """Folder of a LoRA adapter: round 0 is the model with it, as it is, and later rounds train it further."""
    serve: Literal["auto", "transformers", "vllm"] = "auto"
    """What computes its answers: transformers in the run's own process, or a vLLM process that the run starts and ends.
    auto: vLLM writes on a graphics card where it is installed, and transformers compares labels."""
    serve_memory: float = Field(default=0.4, gt=0, le=0.95)
    """Share of the free memory that vLLM takes at once and keeps; training needs some of the rest."""


class WriterSpec(ModelSpec):
    """A teacher or a judge: what decides how it is talked to stands beside the backend's own settings."""

    pack: Name | None = None
    """Prompts and schemas for models of one size (`pada list packs`); by `size` when left out."""
    size: Size | None = None
    """Number of parameters, such as `8B`, all experts counted; they decide the pack: small under 3B, standard under
    100B."""
    thinking_tokens: int | None = Field(default=None, ge=0, le=200_000)
    """Tokens that a reply may spend on thinking, on top of what its schema needs; the pack's when left out."""


class Models(Spec):
    """The models, by what they do: student, teacher, judge and embedder."""

    student: StudentSpec
    teacher: WriterSpec
    judge: WriterSpec | None = None
    """The model that scores generated rows; the teacher, in calls of its own and only advising, when left out."""
    embedder: ModelSpec

    def of(self, role: str) -> ModelSpec:
        """Return a role's model; that of a judge who is not named is the teacher's."""
        spec: ModelSpec | None = getattr(self, role)
        return self.teacher if spec is None else spec

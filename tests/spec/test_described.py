"""What fields mean is read below them: by the class that declares them last, with pydantic's own as the measure."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict

from engine.backends import BACKENDS
from engine.spec.recipe import Recipe
from engine.spec.reference.described import descriptions, meaning


class Base(BaseModel):
    """Has two fields."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    first: int = 1
    """The first, said
    in two lines.
    """
    second: int = 2
    """The second."""


class Derived(Base):
    """Declares one of them anew, and two of its own."""

    second: int = 3
    third: int = 4
    """The third."""
    bare: int = 5

    class Inner(BaseModel):
        """A class within."""

        deep: int = 6
        """Deep down."""


@pytest.mark.parametrize("model", [Base, Derived])
def test_it_is_what_pydantic_finds(model: type[BaseModel]) -> None:
    pydantics = {name: field.description for name, field in model.model_fields.items()}
    assert descriptions(model) == {name: said for name, said in pydantics.items() if said}


def test_classes_within_and_models_without_source_have_theirs_or_none() -> None:
    assert descriptions(Derived.Inner) == {"deep": "Deep down."}
    made = type("Made", (Base,), {"__annotations__": {"fourth": int}, "fourth": 1})
    assert set(descriptions(made)) == {"first", "second"}
    assert meaning(made, "fourth") == ""


def test_keys_of_recipes_and_settings_are_described() -> None:
    assert meaning(Recipe, "seeds")
    assert meaning(BACKENDS["openai"].settings, "concurrency")

import subprocess
import sys
from pathlib import Path

import pytest

from engine.backends import BACKENDS, Backend
from engine.backends.entry import Kind
from engine.errors import BackendError
from engine.spec.reference.described import meaning
from tests.test_catalogue import required_settings

ENTRIES = list(BACKENDS.values())
KINDS: dict[str, Kind] = {
    "student": "student",
    "teacher": "generator",
    "judge": "generator",
    "embedder": "embedder",
}


@pytest.mark.parametrize("backend", ENTRIES, ids=lambda backend: backend.name)
def test_each_backend_opens_for_its_roles_and_no_others(backend: Backend) -> None:
    for role, kind in KINDS.items():
        if role == "student" and role in backend.roles and backend.student is None:
            kind = "generator"  # it answers in calls
        if role in backend.roles:
            settings = required_settings(backend)
            assert backend.open(kind, Path("nowhere"), "some model", settings) is not None
        else:
            with pytest.raises(BackendError, match=f"cannot be a {kind}"):
                backend.open(kind, None, "some model", {})


@pytest.mark.parametrize("backend", ENTRIES, ids=lambda backend: backend.name)
def test_each_setting_is_described(backend: Backend) -> None:
    assert backend.settings.__doc__
    for name in backend.settings.model_fields:
        assert meaning(backend.settings, name), name


def test_an_unknown_setting_gets_the_nearest() -> None:
    with pytest.raises(
        BackendError, match="backend transformers: batchsize: Extra inputs"
    ) as caught:
        BACKENDS["transformers"].parse({"batchsize": 3})
    assert caught.value.hint == "did you mean 'batch_size'?"


def test_a_wrong_setting_is_named() -> None:
    with pytest.raises(BackendError, match="backend transformers: batch_size: Input should be"):
        BACKENDS["transformers"].parse({"batch_size": "3"})


@pytest.mark.runs
def test_the_registry_loads_no_library_of_models() -> None:
    heavy = {"torch", "transformers", "outlines", "sentence_transformers", "numpy", "jsonschema"}
    code = (
        "import sys; from engine.backends import BACKENDS; opened = list(BACKENDS.values());"
        f" print(sorted({heavy!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

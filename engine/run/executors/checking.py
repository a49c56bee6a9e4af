"""Whether work can be done where a recipe says, asked before a run begins: each thing that is wrong in words."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.errors import RunError, reason_of
from engine.run.executors.tasks import looker
from engine.spec.recipe import Executor as Spec
from engine.system.files import write_private
from engine.system.platforms import usable_cpus
from engine.version import versions

DECIDING = ("pada-engine", "python", "torch", "transformers", "peft")
"""What must be the same on all machines: rows, or the last digits of weights, depend on them."""
ANSWER = 5.0
"""Seconds that an address has to answer in."""
LOOK = 240.0
"""Seconds that a cluster's machines have to look around: a worker process is started first."""
_HINT = "set executor.address to the head's HOST:PORT, or start one there: `ray start --head`"


def check(spec: Spec, state: Path) -> None:
    """Raise EngineError where work cannot be done as a recipe says; begins nothing."""
    if spec.kind == "ray":
        check_cluster(spec, state)
        return
    slots, cpus = spec.slots or spec.gpus or 1, usable_cpus()
    if spec.threads is not None and slots * spec.threads > cpus:
        raise RunError(
            f"executor: {slots} slots of {spec.threads} threads are {slots * spec.threads} CPUs, and this machine has "
            f"{cpus}",
            "lower executor.slots or executor.threads",
        )
    if spec.gpus is not None and spec.gpus > (cards := _cards()):
        raise RunError(
            f"executor.gpus asks for {spec.gpus} graphics cards, and torch sees {cards} here",
            "lower executor.gpus, or leave it out to compute on the CPU; `nvidia-smi` lists cards that have a driver",
        )


def _cards() -> int:
    import torch

    return torch.cuda.device_count()


def check_cluster(spec: Spec, state: Path) -> None:
    """Look around on every machine of a Ray cluster.

    Raises:
        RunError: Ray is not installed, nobody answers at the address, the cluster has not what is asked for, a machine
            has other versions of what decides rows, or does not see the project's state folder.
    """
    ray = connected(spec)
    try:
        places(ray, spec)
        _look_around(ray, state)
    except BaseException:
        ray.shutdown()
        raise


def _look_around(ray: Any, state: Path) -> None:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    look = ray.remote(looker())
    environment = {"env_vars": {"PYTHONPATH": package_paths()}}
    with _mark(state) as (file, content):
        asked = {
            node: look.options(
                num_cpus=0,
                max_retries=0,
                runtime_env=environment,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
            ).remote(str(file), content)
            for node in (one["NodeID"] for one in ray.nodes() if one["Alive"])
        }
        for node, reference in asked.items():
            try:
                found = ray.get(reference, timeout=LOOK)
            except ray.exceptions.RayError as error:
                raise RunError(
                    f"the machine {node[:6]} of the Ray cluster does not work: {reason_of(error)}",
                    "`ray status` and the logs under /tmp/ray on that machine say more",
                ) from None
            _check_machine(node, *found, state=state)


def _check_machine(
    node: str, host: str, found: Mapping[str, str], unseen: str, *, state: Path
) -> None:
    ours = {**versions(), "python": ".".join(map(str, sys.version_info[:2]))}
    for name in DECIDING:
        theirs = found.get(name)
        if theirs != ours.get(name):
            have = "is not installed" if theirs is None else f"is {theirs}"
            raise RunError(
                f"{name} {have} on {host} ({node[:6]}), a machine of the Ray cluster, and {ours.get(name)} here",
                "install the same versions on all of them: results depend on them (pip install 'pada-engine[ray]')",
            )
    if unseen:
        raise RunError(
            f"{host} ({node[:6]}), a machine of the Ray cluster, does not see the state folder {state.absolute()}: "
            f"{unseen}",
            "put the project on a disk that all machines share, at the same path: trained students are written there",
        )


@contextlib.contextmanager
def _mark(state: Path) -> Iterator[tuple[Path, str]]:
    """Put a file into the state folder for a block; gives it and what stands in it."""
    file, content = (
        state.absolute() / "running" / f"seen-{secrets.token_hex(4)}",
        secrets.token_hex(16),
    )
    write_private(file, content)
    try:
        yield file, content
    finally:
        file.unlink(missing_ok=True)


def connected(spec: Spec) -> Any:
    """Return Ray, connected to the cluster that a recipe names; raises RunError."""
    if importlib.util.find_spec("ray") is None:
        raise RunError(
            "executor.kind is ray, and Ray is not installed", "pip install 'pada-engine[ray]'"
        )
    import ray

    if ray.is_initialized():
        return ray
    address = spec.address or "auto"
    if address.startswith("ray://"):
        raise RunError(
            f"executor.address {address}: the driver of a run must be a machine of the cluster",
            "join it (`ray start --address=HOST:PORT`), and leave executor.address out",
        )
    if address != "auto":
        _require_answer(address)
    # Its own reports of use, and its workers' output, are nothing for this terminal.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        ray.init(
            address=address,
            namespace="pada",
            log_to_driver=False,
            logging_level="ERROR",
            configure_logging=True,
        )
    except Exception as error:
        raise RunError(
            f"no Ray cluster can be used at '{address}': {reason_of(error)}", _HINT
        ) from None
    return ray


def _require_answer(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise RunError(f"executor.address '{address}' is no HOST:PORT", _HINT)
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER).close()
    except (OSError, OverflowError) as error:
        raise RunError(
            f"nobody answers at executor.address {address}: {reason_of(error)}", _HINT
        ) from None


def places(ray: Any, spec: Spec) -> int:
    """Return how many tasks may be under way; raises RunError where the cluster has not what is asked for."""
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus, cards = spec.threads or 1, 1 if spec.gpus else 0
    fitting = [one for one in alive if one.get("CPU", 0) >= cpus and one.get("GPU", 0) >= cards]
    slots = spec.slots or spec.gpus or len(fitting)
    for what, key, each in (("CPUs", "CPU", cpus), ("graphics cards", "GPU", cards)):
        there = sum(one.get(key, 0) for one in alive)
        if slots * each > there:
            raise RunError(
                f"executor: {slots} slots with {each} of {what} each need {slots * each}, and the Ray cluster of "
                f"{len(alive)} machines has {there:g}",
                "lower executor.slots, threads or gpus, or add machines (`ray status` lists them)",
            )
    room = sum(
        int(min(one.get("CPU", 0) // cpus, one.get("GPU", 0) // cards if cards else slots))
        for one in fitting
    )
    if room < slots or not slots:
        raise RunError(
            f"executor: no more than {room} slots with {cpus} CPUs and {cards} graphics cards each fit on the machines "
            f"of the Ray cluster, and {slots or 1} are asked for",
            "lower executor.slots or threads, or add machines (`ray status` lists them)",
        )
    return slots


def package_paths() -> str:
    """Return PYTHONPATH for workers: the engine that runs here comes first where they see its folder."""
    package = str(Path(__file__).resolve().parents[3])
    return os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH", "")]))

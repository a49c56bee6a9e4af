"""A Ray cluster of several machines on this one, for tests: `with machines(3) as address:`."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

MEMORY = 80_000_000
"""Bytes of shared memory of each machine: Ray's least."""
_PORTS = ("dashboard_agent_listen_port", "metrics_agent_port", "metrics_export_port")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def machines(count: int, cpus: int = 1) -> Iterator[str]:
    """Start machines of so many CPUs each, and give the head's address; all of it ends with the block."""
    import ray
    from ray._private import services
    from ray.cluster_utils import Cluster

    start = services.start_raylet

    def started(
        redis: str, gcs: str, node: str, host: str, port: int, raylet: str, plasma: str, cluster: str, worker: str,
        setup: str, folder: str, session: str, *more: Any, **named: Any,
    ) -> Any:  # fmt: skip
        # A machine waits 30 s for what tells its figures, which takes longer on a busy machine, and which nobody asks
        # here. This is what that writes itself where Ray is installed without its extras: there are none.
        for name in _PORTS:
            Path(session, f"{name}_{node}").write_text("-1")
        # And as long for what prepares its workers: it is told a port, at which it may come later.
        named["runtime_env_agent_port"] = _free_port()
        Path(session, f"runtime_env_agent_port_{node}").write_text(
            str(named["runtime_env_agent_port"])
        )
        return start(
            redis, gcs, node, host, port, raylet, plasma, cluster, worker, setup, folder, session, *more, **named
        )  # fmt: skip

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(services, "start_raylet", started)
        patch.setenv("RAY_raylet_start_wait_time_s", "240")
        patch.setenv("RAY_agent_register_timeout_ms", "240000")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Ray lets its workers wait for whatever else a machine does.
        patch.setenv("RAY_worker_niceness", "0")
        each = {"num_cpus": cpus, "object_store_memory": MEMORY}
        cluster = Cluster(initialize_head=True, head_node_args={**each, "include_dashboard": False})
        try:
            for _ in range(count - 1):
                cluster.add_node(**each)
            yield str(cluster.address)
        finally:
            ray.shutdown()
            cluster.shutdown()

"""Runs on a Ray cluster: one that is there already, by its address, or one of this machine alone."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import ray
from ray._private import ray_constants
from ray.exceptions import RayError, RayTaskError

from ecg_tl.errors import SettingError
from ecg_tl.study.run.job import Job, JobReport

LOOPBACK = "127.0.0.1"


class RayExecutor:
    """Gives each job to a Ray task, with its cores and its share of a GPU.

    The study's folder and the datasets must have the same paths on all machines, and `ecg_tl` must be
    installed there. Ray itself repeats nothing: a job whose process or machine is gone is reported as lost,
    so that its repetitions are counted in one place, and goes on from its last checkpoint.

    Args:
        address: Of a running cluster, `auto` for the one of this machine; None starts one that ends with the
            study.
        concurrent: Jobs at a time; by default as many as the cluster has room for.
        runs_per_gpu: Jobs that share a GPU; 0 uses none.
        threads: Of each job on the CPU: the cores that Ray reserves for it.

    Raises:
        SettingError: If there is no cluster at that address.
    """

    def __init__(
        self, address: str | None, concurrent: int | None, runs_per_gpu: int, *, threads: int = 1
    ) -> None:
        self._owned = not ray.is_initialized()
        if self._owned:
            _connect(address)
        total = _resources()
        gpus = int(total.get("GPU", 0))
        self._gpu_share = 1 / runs_per_gpu if gpus and runs_per_gpu else 0.0
        self._concurrent = concurrent
        self._cpus = threads
        self._task = ray.remote(
            num_cpus=self._cpus,
            num_gpus=self._gpu_share,
            max_retries=0,
            runtime_env={"env_vars": {"OMP_NUM_THREADS": str(self._cpus)}},
        )(_execute)
        self._jobs: dict[Any, Job] = {}

    @property
    def slots(self) -> int:
        """As many jobs as the cluster, as large as it is now, has room for."""
        if self._concurrent is not None:
            return self._concurrent
        total = _resources()
        by_cpu = int(total.get("CPU", 0)) // self._cpus
        by_gpu = int(total.get("GPU", 0) / self._gpu_share + 1e-6) if self._gpu_share else by_cpu
        # One at least, that a cluster which grows on demand sees the demand.
        return max(1, min(by_cpu, by_gpu))

    def submit(self, job: Job) -> None:
        """Hand a job to Ray."""
        sent = replace(job, device_share=self._gpu_share)
        self._jobs[self._task.remote(sent)] = job

    def wait(self, seconds: float) -> list[JobReport]:
        """Collect reports."""
        ready, _ = ray.wait(list(self._jobs), num_returns=1, timeout=seconds)
        return [self._report(reference) for reference in ready]

    def _report(self, reference: Any) -> JobReport:
        run_id = self._jobs.pop(reference).run.id
        try:
            report: JobReport = ray.get(reference)
        except RayTaskError as error:  # raised by our own code, outside of a run
            return JobReport(run_id, "failed", _first_line(error))
        except RayError as error:  # the process, its node, or memory
            return JobReport(run_id, "lost", f"its worker is gone ({type(error).__name__})")
        return report

    def close(self) -> None:
        """End what is in work, and the cluster if it was started here."""
        for reference in self._jobs:
            ray.cancel(reference, force=True)
        self._jobs.clear()
        if self._owned:
            ray.shutdown()


def _resources() -> dict[str, float]:
    total: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray's own
    return total


def _connect(address: str | None) -> None:
    # A cluster of this study alone has no password, and who reaches its ports can run commands: it listens
    # on the loopback address, and not on every interface as Ray's own default is.
    alone: dict[str, Any] = {
        "address": "local",
        "include_dashboard": False,
        "dashboard_host": LOOPBACK,
        "_node_ip_address": LOOPBACK,
    }
    several_machines = ray_constants.ENABLE_RAY_CLUSTER
    if address is None:
        # Ray puts the machine's own address in the place of a loopback one, unless it takes this machine for
        # the only one, as it does on macOS. It has no public name for that.
        ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        ray.init(
            **(alone if address is None else {"address": address}),
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        said = " ".join(str(error).split())
        raise SettingError(
            "address",
            f"{address} ({said[:200]})",
            "the address of a running Ray cluster",
            "Start one with `ray start --head`, or leave the address out.",
        ) from error
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = several_machines


def _execute(job: Job) -> JobReport:
    from ecg_tl.study.run.execute import execute  # imports PyTorch, in the worker only

    return execute(job)


def _first_line(error: RayTaskError) -> str:
    cause = error.cause or error
    return f"{type(cause).__name__}: {cause}".splitlines()[0]

"""What the scheduler asks of an executor."""

from __future__ import annotations

from typing import Protocol

from ecg_tl.study.run.job import Job, JobReport


class Executor(Protocol):
    """Does jobs, several at a time."""

    @property
    def slots(self) -> int:
        """How many jobs it does at a time; more than that are not to be submitted."""

    def submit(self, job: Job) -> None:
        """Begin a job."""

    def wait(self, seconds: float) -> list[JobReport]:
        """Wait until a job is over, but no longer than that, and return what became of those that are."""

    def close(self) -> None:
        """End at once what is not over: every run can be gone on with."""

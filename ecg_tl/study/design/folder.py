"""Where a study keeps what, and how far a run has come by what lies there.

FOLDER/
  plan.json         what its runs are called: see `ecg_tl.study.design.kept_plan`
  forecast.json     what was measured for it: see `ecg_tl.study.run.kept_forecast`
  looks.json        how often it is looked at, if it goes on until it is sure: see `ecg_tl.study.design.looks`
  runs/ID/          a run: see `RunFolder`
  locks/ID.lock     held by the process that does the run
  stores/           prepared stores, unless the study names another place
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ecg_tl.checkpoints.names import best_of, last_of
from ecg_tl.errors import StoreError
from ecg_tl.paths import require_file_name
from ecg_tl.validation_predictions import VALIDATION_FILE

PLAN_FILE = "plan.json"
CONFIG_FILE = "config.yaml"
METRICS_FILE = "metrics.csv"
TEST_BY_EPOCH_FILE = "test_by_epoch.csv"
TRANSFER_REPORT_FILE = "transfer_report.json"
TEST_FOLDER = "test"
FIT_FILE = "fit.json"
"""What the training came to; with it the training is over, but not yet the run."""
RESULT_FILE = "result.json"
"""Written last, and at once: where it is, the run is finished."""
ERROR_FILE = "error.txt"
ATTEMPTS_FILE = "attempts.json"
LOG_FILE = "log.txt"

NOT_ITS_OWN = "Restore it from a copy, or remove the run's folder: the study, run again, does that run alone."
"""What to do about a file of a finished run that is gone, or is not the one that the run left."""


def unreadable(path: Path, error: OSError) -> StoreError:
    """Return what to say of a file of a run that is there, or should be, and cannot be read."""
    if isinstance(error, FileNotFoundError):
        return StoreError(
            path,
            "no such file",
            "a file that the run has left",
            NOT_ITS_OWN,
        )
    return StoreError(
        path,
        (error.strerror or str(error)).lower(),
        "a file that can be read",
        "Correct its permissions, or look after the disk; the run need not be done again.",
    )


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run.

    Attributes:
        path: The run's folder.
        lock: Its lock file, which outlives it.
    """

    path: Path
    lock: Path

    @property
    def config(self) -> Path:
        """What was given to `ecg-tl fit`."""
        return self.path / CONFIG_FILE

    @property
    def best(self) -> Path:
        """The checkpoint that was chosen."""
        return best_of(self.path)

    @property
    def last(self) -> Path:
        """The checkpoint of the last epoch, from which a run that was cut off goes on."""
        return last_of(self.path)

    @property
    def metrics(self) -> Path:
        """Validation scores by epoch."""
        return self.path / METRICS_FILE

    @property
    def validation(self) -> Path:
        """Predictions of the validation records by epoch."""
        return self.path / VALIDATION_FILE

    @property
    def test_by_epoch(self) -> Path:
        """Test scores by epoch, which nothing chooses by."""
        return self.path / TEST_BY_EPOCH_FILE

    @property
    def transfer_report(self) -> Path:
        """What became of the upstream's tensors."""
        return self.path / TRANSFER_REPORT_FILE

    @property
    def fit(self) -> Path:
        """What the training came to."""
        return self.path / FIT_FILE

    @property
    def test(self) -> Path:
        """Folder of predictions and scores."""
        return self.path / TEST_FOLDER

    @property
    def result(self) -> Path:
        """What the run came to."""
        return self.path / RESULT_FILE

    @property
    def error(self) -> Path:
        """Why it failed: a line, an empty line, the traceback."""
        return self.path / ERROR_FILE

    @property
    def attempts(self) -> Path:
        """When it was worked on, and how far that went."""
        return self.path / ATTEMPTS_FILE

    @property
    def log(self) -> Path:
        """What it wrote to the terminal."""
        return self.path / LOG_FILE

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return self.result.is_file()

    def failure(self) -> str | None:
        """Return the last failure's line; None if it did not fail, or was begun anew since."""
        try:
            return self.error.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
        except OSError:
            return None


@dataclass(frozen=True)
class StudyFolder:
    """Paths of a study.

    Attributes:
        path: The study's folder.
    """

    path: Path

    @property
    def plan(self) -> Path:
        """What its runs are called."""
        return self.path / PLAN_FILE

    def run(self, run_id: str) -> RunFolder:
        """Return the paths of a run.

        Raises:
            StoreError: If the id, which may be out of a file, is none of a folder.
        """
        require_file_name(run_id, f"the run's id in {self.path}", StoreError)
        return RunFolder(self.path / "runs" / run_id, self.path / "locks" / f"{run_id}.lock")

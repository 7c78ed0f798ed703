"""The script `run_tiny_study.py FOLDER ROOTS STORES METHOD`: does the tiny study as `ecg-tl study run` would.

METHOD is `spawn`, as there, or `fork`, which spares the workers the seconds of importing PyTorch.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from tiny_study import tiny_study

from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.run.job import make_jobs
from ecg_tl.study.run.launch import run_study, schedule

if __name__ == "__main__":
    # As from a terminal: what a shell runs in the background ignores it, and so would this.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder, roots, stores = map(Path, sys.argv[1:4])
    settings = tiny_study(folder, roots, store_dir=str(stores))
    plan = make_plan(settings)
    if sys.argv[4] == "fork":
        import ecg_tl.study.run.execute  # noqa: F401  (for the workers)
        from ecg_tl.study.run.executors.local import LocalExecutor

        executor = LocalExecutor([{}, {}], start_method="fork")
        outcome = schedule(make_jobs(settings, plan), executor, progress=True, estimates={})
    else:
        outcome = run_study(settings, plan, concurrent=2)
    print(f"{len(outcome.finished)} finished, {len(outcome.failed)} failed")
    sys.exit(130 if outcome.interrupted else len(outcome.failed))

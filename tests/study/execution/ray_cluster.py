"""The script `ray_cluster.py FOLDER ROOTS STORES`: does a study on two Ray nodes, and kills one of them."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster
from tiny_study import study_on_two_nodes

from ecg_tl.study.design.plan import make_plan
from ecg_tl.study.run.executors.ray import RayExecutor
from ecg_tl.study.run.job import make_jobs
from ecg_tl.study.run.launch import schedule

NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}


def main(folder: Path, roots: Path, stores: Path) -> None:
    settings = study_on_two_nodes(folder, roots, stores)
    jobs = make_jobs(settings, make_plan(settings))
    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    second = cluster.add_node(**NODE)
    cluster.wait_for_nodes()
    executor = RayExecutor(cluster.address, None, 0)
    assert executor.slots == 2
    first_two = list(jobs.values())[:2]

    def kill_when_both_work() -> None:
        while not all(job.run_folder.metrics.is_file() for job in first_two):
            time.sleep(0.02)
        print("killed with", sum(job.run_folder.finished for job in first_two), "finished")
        cluster.remove_node(second, allow_graceful=False)

    thread = threading.Thread(target=kill_when_both_work, daemon=True)
    thread.start()
    outcome = schedule(jobs, executor, progress=True, estimates={})
    thread.join(10)
    print(f"{len(outcome.finished)} finished, {len(outcome.failed)} failed")
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))

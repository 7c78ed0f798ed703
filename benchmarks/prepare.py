"""Records a second and peak memory of `prepare` against a serial `wfdb.rdsamp` loop.

    python benchmarks/prepare.py [--quick]

Simulated records in PTB-XL's layout, 12 leads of 10 s at 500 Hz. The loop only reads; `prepare` reads,
checks, resamples to 100 Hz, fingerprints and writes the store. Both run in a process of their own, whose
start counts, and take turns. Peak memory is that of the largest process.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from timing import Paired, print_machine, print_table

from ecg_tl.synthesis import synthesize

SERIAL = """
import sys, wfdb
for path in sys.stdin.read().split():
    wfdb.rdsamp(path)
"""
PREPARE = """
import sys
from ecg_tl.cli import main
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""
# Runs the script that its argument names, and says how long that took and how much memory it needed.
MEASURE = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
seconds = time.perf_counter() - start
scale = 1 if sys.platform == "darwin" else 1024
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * scale]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, nargs="+", default=[500, 1000, 2000])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="few records: does it run?")
    arguments = parser.parse_args()
    counts, rounds = ([20], 1) if arguments.quick else (arguments.records, arguments.rounds)
    print_machine("prepare: records a second, against a serial loop over `wfdb.rdsamp`")
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        script = folder / "prepare.py"
        script.write_text(PREPARE)
        for count in counts:
            root = folder / f"ptbxl-{count}"
            synthesize("ptbxl", root, count, seed=count, progress=False)
            paths = [str(path.with_suffix("")) for path in sorted((root / "records500").rglob("*.hea"))]
            taken: dict[str, list[tuple[float, float]]] = {"serial": [], "prepare": []}
            for turn in range(rounds):
                stores = str(folder / f"stores-{count}-{turn}")
                words = ["data", "prepare", "ptbxl", "--root", str(root), "--store_dir", stores]
                # The one is first as often as the other: machines slow down under work.
                for name in ("serial", "prepare") if turn % 2 else ("prepare", "serial"):
                    given = (
                        ([str(script), *words], "")
                        if name == "prepare"
                        else (["-c", SERIAL], "\n".join(paths))
                    )
                    taken[name].append(measure(*given))
            timed = Paired({name: [seconds for seconds, _ in each] for name, each in taken.items()})
            serial, ours = timed.median("serial"), timed.median("prepare")
            ratios = timed.ratio("serial", "prepare"), timed.spread("serial", "prepare")
            memory = [max(peak for _, peak in each) / 1e6 for each in taken.values()]
            rows.append([count, count / serial, count / ours, *ratios, *memory])
    columns = ["records", "serial, records/s", "prepare, records/s", "x serial", "rounds' range"]
    print_table([*columns, "serial, peak MB", "prepare, peak MB"], rows)
    if arguments.quick:
        print("fewer than 500 records are read without worker processes")


def measure(command: list[str], text: str = "") -> tuple[float, float]:
    """Return the seconds that Python took with these arguments, and the bytes of its largest process."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, sys.executable, *command],
        input=text,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    seconds, peak = json.loads(done.stdout)
    return seconds, peak


if __name__ == "__main__":
    main()

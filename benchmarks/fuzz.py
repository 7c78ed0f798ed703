"""Damaged and hostile files of every kind that the program opens: each is a line of error, or does no harm.

    python benchmarks/fuzz.py                          3,000 mutants, the same ones for the same seed
    python benchmarks/fuzz.py --mutants 150 --seed 3
    python benchmarks/fuzz.py --kind "store table"     of one kind alone
    python benchmarks/fuzz.py --only "store table:17"  one mutant, with all that it printed

Intact files are made by the program itself, small. A mutant is one of them with one thing changed; a command
meets it in a process of its own, with 8 GB and 20 seconds. `fuzzing.verdict` says what is clean.
The exit status is 1 if anything was not.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from fuzzing.inputs import make_inputs
from fuzzing.kinds import KINDS, Command, Kind
from fuzzing.process import Ended, Running, import_all, run, start
from fuzzing.verdict import VERDICTS, Verdict, judge, read_answer

MUTANTS = 3000


@dataclass(frozen=True)
class Mutant:
    """One damaged file and the command that meets it.

    Attributes:
        kind: Of the file.
        index: Among the mutants of this kind.
        command: Its number among the kind's.
        folder: The process's working folder; what lies beside it is no business of the process.
        target: The file, relative to the folder.
        damage: What was done.
    """

    kind: Kind
    index: int
    command: int
    folder: Path
    target: Path
    damage: str

    @property
    def name(self) -> str:
        """For `--only`."""
        return f"{self.kind.name}:{self.index}"


class Fuzzer:
    """Makes mutants and judges what becomes of them.

    Args:
        work: Folder of the intact inputs.
        scratch: Folder of working folders.
        seed: Of all that is drawn.
    """

    def __init__(self, work: Path, scratch: Path, seed: int) -> None:
        self.work, self.scratch, self.seed = work, scratch, seed
        self.intact: dict[tuple[str, int], str | None] = {}

    def make(self, kind: Kind, index: int) -> Mutant:
        """Make a mutant; the same for the same seed, kind and index."""
        random = Random(f"{self.seed}:{kind.name}:{index}")
        name = hashlib.sha256(f"{kind.name}:{index}".encode()).hexdigest()[:10]
        folder = self.scratch / name / "deep" / "down" / "work"
        command = random.randrange(len(kind.commands))
        shutil.copytree(self.work / kind.folder, folder)
        target = random.choice([path for path in sorted(folder.glob(kind.target)) if path.is_file()])
        damage = random.choice(kind.mutators)(random, target)
        return Mutant(kind, index, command, folder, target.relative_to(folder), damage)

    def answer_of_intact(self, kind: Kind, number: int) -> str | None:
        """Run a command on the intact file, once.

        Raises:
            RuntimeError: If that does not succeed.
        """
        key = (kind.name, number)
        if key not in self.intact:
            folder = self.scratch / "intact" / "work"
            shutil.copytree(self.work / kind.folder, folder)
            command = kind.commands[number]
            ended = run(command.words(self.work), folder)
            self.intact[key] = _answer(command, ended, folder)
            shutil.rmtree(folder.parent)
            if ended.status != 0 and not (command.says_by_status and ended.status == 1):
                words = " ".join(command.words(self.work))
                raise RuntimeError(f"{kind.name}: ecg-tl {words}\n{ended.error.decode(errors='replace')}")
        return self.intact[key]

    def judge(self, mutant: Mutant, ended: Ended) -> Verdict:
        """Judge the end of a process."""
        top = mutant.folder.parents[2]
        ours = {mutant.folder, mutant.folder.with_suffix(".out"), mutant.folder.with_suffix(".err")}
        new = [
            str(path.relative_to(top))
            for path in top.rglob("*")
            if path.name == "owned"
            or not (path in ours or path in mutant.folder.parents or mutant.folder in path.parents)
        ]
        command = mutant.kind.commands[mutant.command]
        if command.says_by_status and ended.status == 1 and b"Traceback" not in ended.error:
            return Verdict("clean", "said by its status")
        return judge(
            ended,
            (mutant.target.name, *mutant.kind.names),
            _answer(command, ended, mutant.folder) if ended.status == 0 else None,
            self.answer_of_intact(mutant.kind, mutant.command),
            covered=mutant.kind.covered,
            new=new,
        )


def _answer(command: Command, ended: Ended, folder: Path) -> str | None:
    if command.answers:
        return read_answer(folder, command.answers)
    return ended.out.decode(errors="replace").replace(str(folder), "")


def _mutants(kinds: Sequence[Kind], count: int) -> list[tuple[Kind, int]]:
    """Share `count` mutants out among kinds, in turns."""
    turns = [kind for kind in kinds for _ in range(kind.share)]
    done = Counter[str]()
    wanted = []
    for number in range(count):
        kind = turns[number % len(turns)]
        wanted.append((kind, done[kind.name]))
        done[kind.name] += 1
    return wanted


def _ends(fuzzer: Fuzzer, wanted: Sequence[tuple[Kind, int]], workers: int) -> Iterator[tuple[Mutant, Ended]]:
    """Run mutants, `workers` at a time, and yield each with its end."""
    waiting = list(reversed(wanted))
    running: list[tuple[Mutant, Running]] = []
    while waiting or running:
        while waiting and len(running) < workers:
            kind, index = waiting.pop()
            mutant = fuzzer.make(kind, index)
            words = kind.commands[mutant.command].words(fuzzer.work)
            running.append((mutant, start(words, mutant.folder)))
        for pair in list(running):
            ended = pair[1].poll()
            if ended is not None:
                running.remove(pair)
                yield pair[0], ended
        time.sleep(0.005)


def fuzz(
    work: Path, kinds: Sequence[Kind], count: int, seed: int, *, workers: int = 2, keep: Path | None = None
) -> dict[str, Counter[str]]:
    """Run mutants and print the faults; return how many of each kind had which verdict.

    Args:
        work: Folder of the intact inputs, as `make_inputs` makes them.
        kinds: What is damaged.
        count: How many mutants.
        seed: Of all that is drawn.
        workers: Processes at a time.
        keep: Folder for the working folders of those that are not clean.
    """
    counts = {kind.name: Counter[str]() for kind in kinds}
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        fuzzer = Fuzzer(work, Path(scratch), seed)
        for mutant, ended in _ends(fuzzer, _mutants(kinds, count), workers):
            verdict = fuzzer.judge(mutant, ended)
            counts[mutant.kind.name][verdict.kind] += 1
            top = mutant.folder.parents[2]
            if verdict.kind != "clean":
                words = " ".join(mutant.kind.commands[mutant.command].words(work))
                print(f"{verdict.kind}: {mutant.target}: {_printable(mutant.damage)}; ecg-tl {words}")
                print(f"    {_printable(verdict.detail)}")
                print(f"    python benchmarks/fuzz.py --seed {seed} --only '{mutant.name}'", flush=True)
                if keep is not None:
                    _keep(top, keep / mutant.name.replace(" ", "_"))
            shutil.rmtree(top, ignore_errors=True)
    return counts


def _keep(folder: Path, target: Path) -> None:
    """Copy a folder with its pipes and links, for which `shutil` has no option."""
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", "--", str(folder), str(target)], check=True)


def show_one(work: Path, name: str, seed: int, keep: Path | None) -> bool:
    """Run one mutant, print all that it printed, and return whether it is clean."""
    kind_name, _, index = name.rpartition(":")
    (kind,) = [kind for kind in KINDS if kind.name == kind_name]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        fuzzer = Fuzzer(work, Path(scratch), seed)
        ((mutant, ended),) = _ends(fuzzer, [(kind, int(index))], 1)
        verdict = fuzzer.judge(mutant, ended)
        print(f"{mutant.target}: {_printable(mutant.damage)}")
        print("ecg-tl " + " ".join(kind.commands[mutant.command].words(work)))
        print(_printable(ended.out.decode(errors="replace"))[-3000:])
        print(_printable(ended.error.decode(errors="replace"))[-6000:])
        print(f"status {ended.status}, signal {ended.signal}, {ended.seconds:.1f} s")
        print(f"{verdict.kind}: {_printable(verdict.detail)}")
        if keep is not None:
            _keep(mutant.folder.parents[2], keep)
    return verdict.kind == "clean"


def table(counts: dict[str, Counter[str]]) -> str:
    """Lay the counts out: a row a kind, a column a verdict that occurred."""
    seen = [verdict for verdict in VERDICTS if verdict == "clean" or any(c[verdict] for c in counts.values())]
    rows = [["kind of file", "mutants", *seen]]
    rows += [[name, str(c.total()), *(str(c[verdict]) for verdict in seen)] for name, c in counts.items()]
    total = sum(counts.values(), Counter[str]())
    rows.append(["all", str(total.total()), *(str(total[verdict]) for verdict in seen)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    share = 100 * total["clean"] / max(1, total.total())
    return "\n".join([*lines, f"clean {share:.4g} %"])


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def main(args: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--mutants", type=int, default=MUTANTS, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=[kind.name for kind in KINDS], help="of files; all if not given")
    parser.add_argument("--only", metavar="KIND:INDEX", help="one mutant, with all that it printed")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the folders of what is not clean")
    parser.add_argument(
        "--inputs", type=Path, metavar="FOLDER", help="keep intact inputs here, and use them again"
    )
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes at a time (2)")
    given = parser.parse_args(args)
    import_all()
    with tempfile.TemporaryDirectory(prefix="fuzz-inputs-") as temporary:
        work = Path(temporary, "inputs") if given.inputs is None else given.inputs.resolve()
        if not work.exists():
            make_inputs(work)
        if given.only is not None:
            return 0 if show_one(work, given.only, given.seed, given.keep) else 1
        kinds = [kind for kind in KINDS if given.kind in (None, kind.name)]
        counts = fuzz(work, kinds, given.mutants, given.seed, workers=given.workers, keep=given.keep)
    print(table(counts))
    return 0 if all(set(c) <= {"clean"} for c in counts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())

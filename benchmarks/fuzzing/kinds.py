"""What is damaged, how, and which commands meet it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fuzzing import formats, raw, trees
from fuzzing.inputs import CARTS, PUBLISHED, QUIET, SIX_LEADS, data_words
from fuzzing.raw import BYTES, PLACE, TEXT, Mutator

Words = list[str]


@dataclass(frozen=True)
class Command:
    """A command and where its answer is.

    Attributes:
        words: Of the command line, given the folder of the intact inputs.
        answers: Patterns of the files that hold its answer; standard output if there is none.
        says_by_status: Whether status 1 is an answer, as of `data check`.
    """

    words: Callable[[Path], Words]
    answers: tuple[str, ...] = ()
    says_by_status: bool = False


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: In the table.
        folder: Of the inputs; a copy of it is the working folder.
        target: Pattern of the file in it that is damaged; one of those that match, drawn at random.
        commands: One of them is drawn for each mutant; a command twice has twice the chance.
        mutators: The same.
        covered: Whether a digest covers the content, so that another answer is a fault.
        names: What an error may name beside the file.
        share: Of the mutants, relative to other kinds; those whose commands take seconds have less.
    """

    name: str
    folder: str
    target: str
    commands: tuple[Command, ...]
    mutators: tuple[Mutator, ...]
    covered: bool = False
    names: tuple[str, ...] = ()
    share: int = 3


def _store(work: Path) -> str:
    (store,) = (work / "kept" / "stores").glob("custom-*/")
    return f"stores/{store.name}"


def _infer(record: str, *more: str, model: str = "run/checkpoints/best.ckpt") -> Command:
    return Command(lambda w: ["infer", str(w / model), record, "--csv", "out.csv", *more], ("out.csv",))


def _asked(model: str) -> Command:
    """Ask a damaged network."""
    return Command(lambda w: ["infer", model, str(w / "record/csv/r.csv"), "--csv", "out.csv"], ("out.csv",))


def _cart(name: str) -> Kind:
    """Return the kind of a recording as carts write it."""
    file = CARTS[name][0]
    whole = {".xml": (trees.bomb_xml, *_TABLE), ".json": _JSON}.get(Path(file).suffix, _DATA)
    if name in SIX_LEADS:  # which the network does not take
        command = Command(lambda w: ["data", "check", "custom", "--root", "."], says_by_status=True)
    else:
        command = _infer(file)
    return Kind(name, f"record/{file}", file, (command,), whole, names=("labels.csv",), share=1)


def _prepared(dataset: str, options: str = "null") -> tuple[Command, ...]:
    settings = ["--sampling_rate", "50", "--num_samples", "200", "--store_dir", "stores"]
    where = [dataset, "--root", ".", "--workers", "1", "--options", options]
    prepare = Command(
        lambda w: ["data", "prepare", *where, *settings], ("stores/*/signals.i16", "stores/*/records.npz")
    )
    return (prepare, prepare, Command(lambda w: ["data", "check", *where], says_by_status=True))


def _described(checkpoint: str) -> tuple[Command, ...]:
    return (
        Command(lambda w: ["transfer", "inspect", checkpoint]),
        Command(lambda w: ["card", checkpoint]),
    )


def _scored(checkpoint: str) -> tuple[Command, ...]:
    """Return the commands that score a checkpoint on the intact records, or start from it."""
    transfer = ["--trainer.callbacks", "TransferLearning", "--trainer.callbacks.upstream", checkpoint]
    gru = ["--model", "RnnClassifier", "--model.network", "gru", "--model.hidden_size", "4", *QUIET]
    one = ["--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1", "--runs_dir", "new"]
    again = ["--trainer.callbacks.allow_overlap", "true"]
    robust = ["--kinds", "muscle", "--resamples", "0", "--csv", "out.csv"]
    return (
        Command(
            lambda w: ["test", "-c", str(w / "run/config.yaml"), "--ckpt_path", checkpoint],
            ("test*/predictions.csv", "run/test_2/predictions.csv"),
        ),
        Command(lambda w: ["fit", *data_words(w), *gru, *one, *transfer, *again], ("new/*/*/metrics.csv",)),
        Command(lambda w: ["robustness", checkpoint, *data_words(w), *robust], ("out.csv",)),
        Command(
            lambda w: ["transfer", "rank", "--checkpoints", checkpoint, *data_words(w), "--csv", "out.csv"],
            ("out.csv",),
        ),
        Command(lambda w: ["export", checkpoint, "--format", "onnx", "--output", "out.onnx"]),
    )


_BEST = "run/checkpoints/best.ckpt"
_LIMITED = [*QUIET, "--trainer.max_epochs", "1", "--trainer.limit_train_batches", "1", "--runs_dir", "runs"]
_FIT = Command(lambda w: ["fit", "-c", "config.yaml", *_LIMITED], ("runs/*/*/metrics.csv",))
_SAID = ("--leads", "I,II,III,aVR,aVL,aVF,V1,V2,V3,V4,V5,V6", "--sampling_rate", "50", "--units", "mV")
_DESCRIBED = Command(
    lambda w: ["fit", "-c", "dataset.yaml", "--model", "RnnClassifier", "--model.network", "gru", *_LIMITED],
    ("runs/*/*/metrics.csv",),
)
_TEST = Command(
    lambda w: ["test", "-c", "config.yaml", "--ckpt_path", str(w / _BEST), "--trainer.logger", "false"]
)
_STORE = (
    Command(
        lambda w: [
            *("robustness", _BEST, *data_words(w, "stores")),
            *("--kinds", "gain", "--resamples", "0", "--csv", "out.csv"),
        ],
        ("out.csv",),
    ),
    Command(
        lambda w: [
            *("transfer", "rank", "--checkpoints", _BEST, *data_words(w, "stores")),
            *("--csv", "out.csv"),
        ],
        ("out.csv",),
    ),
    Command(lambda w: ["data", "overlap", _store(w), _store(w)]),
)
_REPORT = Command(lambda w: ["study", "report", "study.yaml", "--resamples", "20"], ("study/report/*.csv",))
_STATUS = Command(lambda w: ["study", "status", "study.yaml", "--every"])
_PLAN = Command(lambda w: ["study", "plan", "study.yaml", "--every"])
_RUN = Command(lambda w: ["study", "run", "study.yaml", "--progress", "false", "--concurrent", "1"])

_DATA = (*BYTES, *PLACE)
_TABLE = (*TEXT, *TEXT, *BYTES, *PLACE)
_JSON = (*(trees.change_json,) * 6, trees.bomb_json, *TEXT, *BYTES, *PLACE)
_RESULT = tuple(one for one in _JSON if one is not raw.put_another_thing)  # without it, a run is not finished
_YAML = (*(trees.change_yaml,) * 8, *(trees.bomb_yaml,) * 3, *TEXT, *PLACE)
_ARCHIVE = (formats.bomb_zip, *(formats.change_zip,) * 4, *BYTES, *PLACE)
_TENSORS = (*(formats.change_tensors,) * 4, formats.share_one_value)
_FLIPS = (*BYTES, raw.flip_bit, raw.flip_bit, raw.flip_bit)

KINDS: tuple[Kind, ...] = (
    Kind("WFDB header", "record/wfdb", "*.hea", (_infer("00001_hr"),), _TABLE, names=("00001_hr",)),
    Kind("WFDB signals", "record/wfdb", "*.dat", (_infer("00001_hr"),), _DATA, names=("00001_hr",)),
    Kind("MAT recording", "record/mat", "*", (_infer("E00001"),), _DATA, names=("E00001",)),
    Kind("CSV recording", "record/csv", "*.csv", (_infer("r.csv"),), _TABLE),
    Kind(
        "NPY recording",
        "record/npy",
        "*.npy",
        (_infer("r.npy", *_SAID),),
        (*(formats.change_npy,) * 8, *_DATA),
    ),
    Kind(
        "NPZ recording",
        "record/npz",
        "*.npz",
        (_infer("r.npz"),),
        _ARCHIVE,
    ),
    Kind(
        "HDF5 recording",
        "record/hdf5",
        "*.h5",
        (_infer("r.h5", *_SAID),),
        _DATA,
        share=1,
    ),
    *map(_cart, CARTS),
    Kind("Excel table", "excel", "labels.xlsx", _prepared("custom"), _ARCHIVE, share=1),
    Kind("dataset.yaml", "described", "dataset.yaml", (_DESCRIBED,), _YAML, names=("",), share=1),
    Kind(
        "published weights",
        "published",
        "w.pth",
        (Command(lambda w: ["upstream", "check", "w.pth", "--as", PUBLISHED]),),
        (*_FLIPS, *PLACE, formats.bomb_zip, formats.change_zip, *_TENSORS),
        share=1,
    ),
    Kind("headers of a dataset", "few/custom", "**/*.hea", _prepared("custom"), _TABLE),
    Kind(
        "HDF5",
        "few/code_test",
        "**/*.hdf5",
        _prepared("code_test", '{"expected_records": null}'),
        (*(formats.change_hdf5,) * 8, *_DATA),
        names=("gold_standard.csv",),
    ),
    Kind("labels.csv", "few/custom", "labels.csv", _prepared("custom"), _TABLE),
    Kind("ptbxl_database.csv", "few/ptbxl", "ptbxl_database.csv", _prepared("ptbxl"), _TABLE),
    Kind("ludb.csv", "few/ludb", "ludb.csv", _prepared("ludb", '{"min_records": 0}'), _TABLE),
    Kind("config.yaml", "run", "config.yaml", (_FIT, _TEST), _YAML, names=("",), share=1),
    Kind("study.yaml", "study", "study.yaml", (_PLAN, _PLAN, _STATUS, _REPORT), _YAML, names=("",), share=1),
    Kind(
        "checkpoint, bytes",
        "run",
        "checkpoints/best.ckpt",
        (
            *(_asked("checkpoints/best.ckpt"),) * 4,
            _described("checkpoints/best.ckpt")[0],  # a card has the file's own digest
            _scored("checkpoints/best.ckpt")[0],
        ),
        (*_FLIPS, *PLACE, formats.bomb_zip, formats.change_zip, formats.change_zip),
        covered=True,
    ),
    Kind(
        "checkpoint, settings",
        "run",
        "checkpoints/best.ckpt",
        (
            *(_asked("checkpoints/best.ckpt"),) * 4,
            *_described("checkpoints/best.ckpt"),
            *_scored("checkpoints/best.ckpt"),
        ),
        (formats.change_checkpoint,),
    ),
    Kind(
        "checkpoint, tensors",
        "run",
        "checkpoints/best.ckpt",
        (*(_asked("checkpoints/best.ckpt"),) * 3, *_scored("checkpoints/best.ckpt")[:3]),
        _TENSORS,
    ),
    Kind(
        "safetensors",
        "weights",
        "w.safetensors",
        (_scored("w.safetensors")[1],),
        (*(formats.change_safetensors,) * 8, *_DATA),
        share=1,
    ),
    Kind("ONNX, bytes", "export", "network.onnx", (_asked("network.onnx"),), (*_FLIPS, *PLACE), covered=True),
    Kind("ONNX, content", "export", "network.onnx", (_asked("network.onnx"),), (formats.change_onnx,)),
    Kind("store manifest", "kept", "stores/*/store.json", _STORE, _JSON, covered=True, names=("stores/",)),
    Kind("store table", "kept", "stores/*/records.npz", _STORE, _ARCHIVE, covered=True, names=("stores/",)),
    Kind(
        "store signals",
        "kept",
        "stores/*/signals.i16",
        _STORE[:1],
        (*_FLIPS, *PLACE),
        covered=True,
        names=("stores/",),
    ),
    Kind(
        "store fingerprints",
        "kept",
        "stores/*/fingerprints.i8",
        _STORE,
        (*_FLIPS, *PLACE),
        covered=True,
        names=("stores/",),
    ),
    Kind(
        "result.json of a study",
        "study",
        "study/runs/*/result.json",
        (_REPORT, _REPORT, _STATUS),
        _RESULT,
        covered=True,
        share=1,
    ),
    Kind(
        "predictions.csv of a study",
        "study",
        "study/runs/*/test/predictions.csv",
        (_REPORT,),
        _TABLE,
        covered=True,
        share=1,
    ),
    Kind(
        "metrics.csv of a study",
        "study",
        "study/runs/*/metrics.csv",
        (_REPORT,),
        _TABLE,
        covered=True,
        share=1,
    ),
    Kind(
        "other files of a study",
        "study",
        "study/runs/*/*.[jy]*",
        (_STATUS, _REPORT, _RUN),
        (*BYTES, *TEXT, *PLACE),
        share=1,
    ),
    Kind("files of a run", "run", "*.*", _described(_BEST.removeprefix("run/"))[1:], (*BYTES, *TEXT, *PLACE)),
    Kind(
        "test files of a run",
        "run",
        "test/*",
        _described(_BEST.removeprefix("run/"))[1:],
        (*BYTES, *TEXT, *PLACE),
    ),
)

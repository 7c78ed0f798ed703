"""What a pickle asks for, read from its opcodes: nothing of it is executed.

A pickle is a program for a machine with a stack. The names of classes and functions that it will look up are
in it as text, and are found by following the stack, without calling anything.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from ecg_tl.errors import CheckpointError
from ecg_tl.limits import ARCHIVE_FAULTS

Kind = Literal["tensors", "objects", "code"]
"""What a name is: of tensors and plain values; of some other class; known to run what it is given."""

COMPUTED = "a name that it computes"
"""In place of one that is not in the file as text: nobody can say what it is."""

MOST_PICKLE_BYTES = 2**28
"""Of one pickle, without the tensors that lie beside it. Optimizers and settings take some megabytes."""

_ZIP = b"PK\x03\x04"
_UNKNOWN, _MARK = object(), object()
_STRINGS = frozenset(
    {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING"}
)
_PLAIN_TYPES = frozenset(
    {"set", "frozenset", "dict", "list", "tuple", "int", "float", "bool", "str", "complex"}
)
_REBUILDERS = frozenset(
    {
        "_rebuild_tensor",
        "_rebuild_tensor_v2",
        "_rebuild_tensor_v3",
        "_rebuild_parameter",
        "_rebuild_parameter_with_state",
    }
)
_TORCH = frozenset({"Size", "device", "Tensor"})
# What is called with whatever the pickle gives it, or reaches everything else.
_CODE_MODULES = (
    "os posix nt subprocess sys importlib runpy pty shutil socket ctypes multiprocessing threading "
    "signal code codeop commands webbrowser operator functools types inspect pickle cPickle _pickle "
    "dill cloudpickle joblib marshal tempfile urllib requests http ftplib smtplib asyncio "
    "timeit pdb bdb cProfile profile trace site venv pip setuptools distutils platform gc atexit "
    "logging imp zipimport pkgutil"
)
_REACHED = "os posix subprocess sys builtins importlib shutil socket ctypes runpy pty"
_BUILTINS = (
    "eval exec execfile compile open getattr setattr delattr __import__ globals locals vars input breakpoint "
    "apply map filter"
)
_CODE_NAMES = frozenset(
    {
        *(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in _BUILTINS.split()),
        "torch.load",
        "torch.jit.load",
        "torch.hub.load",
        "torch.serialization.load",
        "numpy.load",
        "numpy.f2py.crackfortran.myeval",
    }
)


@dataclass(frozen=True)
class Asked:
    """What a file asks for.

    Attributes:
        container: What kind of file it is, in words.
        names: How often each name is asked for, dotted.
    """

    container: str
    names: Mapping[str, int]

    def of_kind(self, kind: Kind) -> dict[str, int]:
        """Return the names of a kind, sorted."""
        return {name: count for name, count in sorted(self.names.items()) if name_kind(name) == kind}


def name_kind(name: str) -> Kind:
    """Say what a dotted name is. One that nobody knows is an object, which may run code as well."""
    module, _, last = name.rpartition(".")
    parts = module.split(".")
    # A module that others import is reached through them: `torch.os.system`.
    if parts[0] in _CODE_MODULES.split() or set(_REACHED.split()) & set(parts[1:]):
        return "code"
    if name == COMPUTED or name in _CODE_NAMES:
        return "code"
    return "tensors" if is_plain(module, last) else "objects"


def is_plain(module: str, name: str) -> bool:
    """Whether a name is of tensors or plain values, so that looking it up and calling it harms nobody."""
    if module in ("builtins", "__builtin__"):
        return name in _PLAIN_TYPES
    if module == "torch._utils":
        return name in _REBUILDERS
    if module == "torch":
        storage = name.endswith("Storage") and "." not in name
        return name in _TORCH or storage or name in _dtypes()
    return (module, name) in {
        ("collections", "OrderedDict"),
        ("torch.nn.parameter", "Parameter"),
        ("torch.storage", "TypedStorage"),
        ("torch.storage", "UntypedStorage"),
        ("torch.serialization", "_get_layout"),
    }


def _dtypes() -> frozenset[str]:
    kinds = ("float16", "bfloat16", "float32", "float64", "complex64", "complex128", "bool")
    return frozenset({*kinds, *(f"{sign}int{bits}" for sign in ("u", "") for bits in (8, 16, 32, 64))})


def read_asked(path: Path) -> Asked:
    """Say what a file of weights asks for when it is opened.

    Raises:
        CheckpointError: If the file is missing, or is no pickle and no archive of one.
    """
    names: Counter[str] = Counter()
    try:
        with path.open("rb") as file:
            if file.read(4) == _ZIP:
                container, streams = "PyTorch's zip archive", _archived(path)
            else:
                container, streams = "a pickle, or several one after another", _one_by_one(file, path)
            for stream in streams:
                names.update(_names(stream, path))
    except OSError as error:
        raise CheckpointError(
            path, error.strerror or str(error), "a file of weights", "Check the path."
        ) from None
    return Asked(container, names)


def _archived(path: Path) -> Iterator[IO[bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            pickles = [one for one in archive.infolist() if one.filename.endswith(".pkl")]
            if not pickles:
                raise _no_pickle(path, "an archive without a pickle")
            for member in pickles:
                if member.file_size > MOST_PICKLE_BYTES:
                    raise _no_pickle(path, f"a pickle of {member.file_size:,} bytes")
                yield io.BytesIO(archive.read(member))
    except ARCHIVE_FAULTS as error:
        raise _no_pickle(path, f"a damaged archive ({error})") from None


def _one_by_one(file: IO[bytes], path: Path) -> Iterator[IO[bytes]]:
    """Give the pickles at the start of a file; PyTorch's older files have five, and tensors behind them."""
    if path.stat().st_size >= 8 and _is_safetensors(file, path.stat().st_size):
        raise CheckpointError(
            path,
            "a safetensors file",
            "a pickle",
            "There is nothing to convert: such a file holds tensors alone.",
        )
    file.seek(0)
    # In memory: a length in a damaged file is of what is there, and nothing of its size is made.
    stream = io.BytesIO(file.read(MOST_PICKLE_BYTES))
    yield stream
    while True:
        start = stream.tell()
        first = stream.read(1)
        stream.seek(start)
        # Pickles of protocol 2 and later begin so; behind the last one are the tensors' bytes.
        if first != b"\x80":
            return
        yield stream


def _is_safetensors(file: IO[bytes], size: int) -> bool:
    file.seek(0)
    header = int.from_bytes(file.read(8), "little")
    begins = file.read(1)
    return begins == b"{" and header < size


def _names(stream: IO[bytes], path: Path) -> Iterator[str]:
    """Follow the stack of one pickle, and give each name that it looks up."""
    stack: list[object] = []
    memo: dict[int, object] = {}
    try:
        for operation, argument, _ in pickletools.genops(stream):
            name = operation.name
            if name in ("GLOBAL", "INST"):
                yield str(argument).replace(" ", ".", 1)
            elif name == "STACK_GLOBAL":
                module, last = ([_UNKNOWN, _UNKNOWN, *stack])[-2:]
                known = isinstance(module, str) and isinstance(last, str)
                yield f"{module}.{last}" if known else COMPUTED
            elif name in ("EXT1", "EXT2", "EXT4"):
                yield COMPUTED
            _step(operation, argument, stack, memo)
    except (ValueError, MemoryError, OverflowError) as error:
        raise _no_pickle(path, f"no pickle, or a damaged one ({error})") from None


def _step(
    operation: pickletools.OpcodeInfo, argument: object, stack: list[object], memo: dict[int, object]
) -> None:
    """Do to the stack what an operation does, without knowing more of values than texts."""
    name = operation.name
    if name in ("PUT", "BINPUT", "LONG_BINPUT"):
        memo[int(str(argument))] = stack[-1] if stack else _UNKNOWN
        return
    if name == "MEMOIZE":
        memo[len(memo)] = stack[-1] if stack else _UNKNOWN
        return
    before, after = operation.stack_before, operation.stack_after
    if pickletools.markobject in before or (name == "POP" and stack and stack[-1] is _MARK):
        while stack and stack.pop() is not _MARK:
            pass
        # What lies below the mark is taken as well: the list that is appended to.
        beneath = before.index(pickletools.markobject) if pickletools.markobject in before else 0
        del stack[len(stack) - min(beneath, len(stack)) :]
    else:
        del stack[len(stack) - min(len(before), len(stack)) :]
    if name in _STRINGS:
        stack.append(argument)
    elif name in ("GET", "BINGET", "LONG_BINGET"):
        stack.append(memo.get(int(str(argument)), _UNKNOWN))
    elif name == "DUP":
        stack.extend([_UNKNOWN] * 2)
    else:
        stack.extend(_MARK if one is pickletools.markobject else _UNKNOWN for one in after)


def _no_pickle(path: Path, found: str) -> CheckpointError:
    return CheckpointError(
        path, found, "a pickle of weights, or PyTorch's archive of one", "Get the file again."
    )

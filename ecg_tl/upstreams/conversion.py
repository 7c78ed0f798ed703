"""The tensors of a pickle, saved again as safetensors, in a process of its own.

The process reads with stand-ins (`stand_ins.py`), so that nothing that the file names is imported or called;
should something be all the same, it may start no program and open no connection.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ecg_tl import printing
from ecg_tl.errors import CheckpointError
from ecg_tl.files import json_text, written_whole
from ecg_tl.upstreams import stand_ins
from ecg_tl.upstreams.loading import CONTAINERS

SECONDS = 1800
"""The longest that a conversion may take: 1.2 GB are read and written within a minute on a slow disk."""
MOST_TENSORS = 100_000
_DEEPEST = 100
_FORBIDDEN = (
    "os.system",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "subprocess.Popen",
    "pty.spawn",
    "socket.connect",
    "socket.bind",
    "socket.getaddrinfo",
    "ctypes.dlopen",
)


@dataclass(frozen=True)
class Converted:
    """What was saved again.

    Attributes:
        path: The new file.
        saved: Number of tensors in it.
        containers: Keys of the original under which they were; empty at the top.
        left_out: Number of tensors elsewhere, such as an optimizer's.
    """

    path: Path
    saved: int
    containers: tuple[str, ...]
    left_out: int


def convert(path: Path, to: Path) -> Converted:
    """Save the tensors of a pickle as safetensors, in another process.

    Args:
        path: The pickle.
        to: The new file.

    Raises:
        CheckpointError: If the file cannot be read, or holds no tensors.
        StoreError: If the new file cannot be written.
    """
    with written_whole(to, suffix=".safetensors") as temporary:
        command = [sys.executable, "-m", __name__, str(path.absolute()), str(temporary.absolute())]
        try:
            done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise _unreadable(path, f"a file that takes more than {SECONDS} s to read") from None
        answer = _answer(done.stdout)
        if answer is None:
            lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"status {done.returncode}"]
            raise _unreadable(path, f"a file that ends the process that reads it ({lines[-1][:200]})")
        if "error" in answer:
            raise _unreadable(path, str(answer["error"]))
        return Converted(to, answer["saved"], tuple(answer["containers"]), answer["left_out"])


def _answer(output: bytes) -> dict[str, Any] | None:
    """Read the last line: whatever else the process printed is not ours."""
    lines = output.decode(errors="replace").strip().splitlines()
    try:
        answer = json.loads(lines[-1]) if lines else None
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _unreadable(path: Path, found: str) -> CheckpointError:
    return CheckpointError(
        path, found, "a pickle with tensors in it", "Get the file again, or ask its authors."
    )


def find_tensors(content: Any) -> tuple[dict[str, Tensor], tuple[str, ...], int]:
    """Find the weights in what was read.

    Returns:
        The tensors by name; the containers under which they were; the number of tensors elsewhere.
    """
    whole = dict(_walk(content, "", 0))
    inside: dict[str, dict[str, Tensor]] = {}
    if isinstance(content, Mapping):
        for key in CONTAINERS:
            held = dict(_walk(content.get(key), "", 0))
            if held:
                inside[key] = held
    if not inside:
        return whole, ("",), 0
    # Two containers keep their keys in front of the names, which the loader takes for prefixes.
    named = len(inside) > 1
    tensors = {
        f"{key}.{name}" if named else name: tensor
        for key, held in inside.items()
        for name, tensor in held.items()
    }
    return tensors, tuple(inside), len(whole) - len(tensors)


def _walk(node: Any, name: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    """Give all tensors below a node, by the names that a `state_dict` would have for them."""
    if isinstance(node, Tensor):
        yield name, node
        return
    if depth > _DEEPEST:
        return
    if isinstance(node, stand_ins.StandIn):
        # A module that was pickled whole keeps its parts so.
        state = node.state if isinstance(node.state, Mapping) else {}
        parts = [state.get(key) for key in ("_parameters", "_buffers", "_modules")]
        for part in parts if any(isinstance(one, Mapping) for one in parts) else [state]:
            yield from _walk(part, name, depth + 1)
    elif isinstance(node, Mapping):
        for key, value in node.items():
            if isinstance(key, str | int):
                yield from _walk(value, f"{name}.{key}" if name else str(key), depth + 1)
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            yield from _walk(value, f"{name}.{index}" if name else str(index), depth + 1)


def _read(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=False, pickle_module=stand_ins)
    except (pickle.UnpicklingError, RuntimeError) as error:
        if "magic number" not in str(error):
            raise
        with path.open("rb") as file:  # of `pickle.dump`, without PyTorch
            return stand_ins.load(file)


def _read_and_save(path: Path, to: Path) -> dict[str, object]:
    content = _read(path)
    tensors, containers, left_out = find_tensors(content)
    if not tensors:
        raise ValueError("no tensors")
    if len(tensors) > MOST_TENSORS:
        raise ValueError(f"{len(tensors):,} tensors, more than the {MOST_TENSORS:,} that a network may have")
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.nbytes > tensor.untyped_storage().nbytes():
            raise ValueError(f"a tensor ({name[:60]}) that is larger than what is stored of it")
    # A file of safetensors shares no memory between two names.
    save_file({name: x.detach().clone().contiguous() for name, x in tensors.items()}, to)
    return {"saved": len(tensors), "containers": containers, "left_out": left_out}


def _forbid(event: str, arguments: tuple[object, ...]) -> None:
    if event.startswith(_FORBIDDEN):
        raise PermissionError(f"{event} while a file of weights is read")


def work_apart(path: str, to: str) -> None:
    """Do the work of the other process, and print one line of JSON."""
    torch.zeros(1)  # whatever PyTorch loads late is loaded before anything is forbidden
    sys.addaudithook(_forbid)
    answer: dict[str, object]
    try:
        answer = _read_and_save(Path(path), Path(to))
    except Exception as error:  # a damaged or hostile pickle fails in any way
        line = (str(error).strip().split("\n", 1)[0] or type(error).__name__)[:200]
        answer = {"error": f"a file that cannot be read ({line})"}
    printing.say(f"\n{json_text(answer, indent=None)}")


if __name__ == "__main__":
    work_apart(*sys.argv[1:])

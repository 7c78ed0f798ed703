"""Damage that knows a format: NumPy, HDF5, checkpoints, safetensors, ONNX; archives that grow without end."""

from __future__ import annotations

import json
import struct
import warnings
import zipfile
import zlib
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from fuzzing.trees import change_tree, deep_recursion

BOMB_BYTES = 12 * 2**30
_BLOCK = 2**20


def zeros_deflated(size: int) -> bytes:
    """Return a deflate stream of `size` zeros, a thousandth as long, without the time to compress them."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = compressor.compress(bytes(_BLOCK)) + compressor.flush(zlib.Z_FULL_FLUSH)
    again = compressor.compress(bytes(_BLOCK)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return first + again * (size // _BLOCK - 1) + compressor.flush(zlib.Z_FINISH)


def bomb_zip(random: Random, path: Path) -> str:
    """Put 12 GB of zeros in the place of one of an archive's entries."""
    with zipfile.ZipFile(path) as archive:
        entries = {info.filename: archive.read(info) for info in archive.infolist()}
    chosen = random.choice(sorted(entries))
    head = np_header((BOMB_BYTES // 8,)) if path.suffix == ".npz" else b""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            if name != chosen:
                archive.writestr(name, content)
    _append_deflated(path, chosen, head, random.random() < 0.3)
    return f"{chosen} of 12 GB of zeros"


def _append_deflated(path: Path, name: str, head: bytes, lies: bool) -> None:
    """Append an entry of zeros; one that lies says in the directory that it has a thousand bytes."""
    with zipfile.ZipFile(path, "a") as archive:
        start = archive.start_dir
        old = {info.filename: info for info in archive.infolist()}
        written = [(info, path.read_bytes()[:start]) for info in old.values()][:1]
        content = written[0][1] if written else b""
        directory = path.read_bytes()[start:]
    end = directory.rfind(b"PK\x05\x06")
    entries, at = directory[:end], len(content)
    packed = zeros_deflated(BOMB_BYTES)
    if head:
        raw = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = raw.compress(head) + raw.flush(zlib.Z_FULL_FLUSH) + packed
    size = 1000 if lies else min(BOMB_BYTES + len(head), 2**32 - 2)
    encoded = name.encode()
    common = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, 0, len(packed), size, len(encoded), 0)
    local = b"PK\x03\x04" + common + encoded + packed
    central = b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, at) + encoded
    count = len(old) + 1
    tail = struct.pack(
        "<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(entries + central), at + len(local), 0
    )
    path.write_bytes(content + local + entries + central + tail)


def change_zip(random: Random, path: Path) -> str:
    """Drop, double, rename or swap entries of an archive."""
    with zipfile.ZipFile(path) as archive:
        entries = [(info.filename, archive.read(info)) for info in archive.infolist()]
    number, other = random.randrange(len(entries)), random.randrange(len(entries))
    name, content = entries[number]
    how = random.choice(("dropped", "doubled", "renamed", "given another's content", "emptied", "lengthened"))
    if how == "dropped":
        del entries[number]
    elif how == "doubled":
        entries.append((name, random.randbytes(len(content))))
    elif how == "renamed":
        new = random.choice(("../../outside", "/tmp/outside", "x" * 70_000, "a\\b", name + "x"))
        entries[number] = (new[:65_000], content)
    elif how == "given another's content":
        entries[number] = (name, entries[other][1])
    else:
        entries[number] = (name, b"" if how == "emptied" else content + bytes(4096))
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.filterwarnings("ignore", message="Duplicate name")
        for entry, data in entries:
            archive.writestr(entry, data)
    return f"entry {name} {how}"


def np_header(shape: tuple[int, ...], kind: str = "<f8", extra: str = "") -> bytes:
    """Return the head of a `.npy` file of any shape, true or not."""
    text = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}{extra}, }}"
    padded = text + " " * (64 - (len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded.encode("latin-1")


def change_npy(random: Random, path: Path) -> str:
    """Declare another shape or type than the file holds, or hold other values than an ECG's."""
    content = path.read_bytes()
    data = content[128:]
    shapes = (
        (10**10, 12),
        (12, 10**10),
        (2**40,),
        (0, 12),
        (12, 0),
        (),
        (1, 1, 1, 5000),
        (-1, 12),
        (12, 5001),
    )
    kinds = ("|O", "<f2", "<c16", "<U100", "<M8[ns]", "|V8", "|b1", ">f8", "<u8", "<f16", "|S1")
    how = random.choice(("shape", "type", "values", "header"))
    if how == "shape":
        shape = random.choice(shapes)
        path.write_bytes(np_header(shape) + data)
        return f"shape {shape}"
    if how == "type":
        kind = random.choice(kinds)
        path.write_bytes(np_header((12, len(data) // 96), kind) + data)
        return f"type {kind}"
    if how == "header":
        extra = random.choice(
            (", 'x': " + "[" * 300 + "]" * 300, ", 'y': 9**9**9", ", 'descr': None", ", " * 9)
        )
        path.write_bytes(np_header((12, len(data) // 96), extra=extra) + data)
        return f"a header with {extra[:30]}"
    value = random.choice((np.nan, np.inf, -np.inf, 1e308, 1e-308, 0.0, 1e30))
    signal = np.load(path)
    signal = signal.astype(float)
    signal[random.randrange(len(signal)) :] = value
    np.save(path, signal)
    return f"values {value}"


def change_hdf5(random: Random, path: Path) -> str:
    """Declare absurd shapes and types, link out of the folder, or nest."""
    import h5py

    how = random.choice(("huge", "huge chunks", "link", "link to itself", "type", "values", "group", "empty"))
    with h5py.File(path, "a") as file:
        signals = file["tracings"][:]
        del file["tracings"]
        if how == "huge":
            file.create_dataset("tracings", (len(signals), 10**8, 12), "f4", chunks=(1, 4096, 12))
        elif how == "huge chunks":
            file.create_dataset(
                "tracings", (10**10, 4096, 12), "f4", chunks=(1, 4096, 12), compression="gzip"
            )
        elif how == "link":
            file["tracings"] = h5py.ExternalLink(random.choice(("/etc/passwd", "../other.hdf5")), "/tracings")
        elif how == "link to itself":
            file["tracings"] = h5py.SoftLink("/tracings")
        elif how == "type":
            file["tracings"] = signals.astype(random.choice(("i8", "f8", "S4", "c16", "?")))
        elif how == "values":
            signals[random.randrange(len(signals))] = random.choice((np.nan, np.inf, 1e38, -1e38))
            file["tracings"] = signals
        elif how == "group":
            file.create_group("tracings")
        else:
            file["tracings"] = h5py.Empty("f4")
    return f"tracings: {how}"


def change_checkpoint(random: Random, path: Path) -> str:
    """Change settings, description or loop states of a checkpoint; what is written is no object's pickle."""
    import torch

    content = torch.load(path, weights_only=True)
    part = random.choice(("hyper_parameters", "hyper_parameters", "ecg_tl", "ecg_tl", "all but weights"))
    if part == "all but weights":
        tree: Any = {name: value for name, value in content.items() if name != "state_dict"}
        described = change_tree(random, tree)
        content = tree | {"state_dict": content["state_dict"]}
    else:
        described = change_tree(random, content[part])
    _save(content, path)
    return f"{part}: {described}"


def change_tensors(random: Random, path: Path) -> str:
    """Change a tensor's values, shape, type or name."""
    import torch

    content = torch.load(path, weights_only=True)
    state = content["state_dict"]
    name = random.choice(sorted(state))
    tensor = state[name]
    how = random.choice(
        ("nan", "inf", "1e38", "zeros", "shape", "double", "int", "complex", "sparse", "gone")
    )
    others = {
        "nan": torch.full_like(tensor, float("nan"), dtype=torch.float32),
        "inf": torch.full_like(tensor, float("inf"), dtype=torch.float32),
        "1e38": torch.full_like(tensor, 1e38, dtype=torch.float32),
        "zeros": torch.zeros_like(tensor),
        "shape": torch.zeros(3, 1, 7),
        "double": tensor.double(),
        "int": tensor.long(),
        "complex": tensor.to(torch.complex64),
        "sparse": tensor.float().reshape(-1).to_sparse(),
    }
    if how == "gone":
        del state[name]
    else:
        state[name] = others[how]
    if random.random() < 0.2:
        state["network.extra\x1b[31m"] = tensor
    _save(content, path)
    return f"{name}: {how}"


def share_one_value(random: Random, path: Path) -> str:
    """Make tensors of billions of values that are one value in the file, as a stride of 0 allows."""
    import torch

    content = torch.load(path, weights_only=True)
    name = random.choice(sorted(content["state_dict"]))
    shape = random.choice(((10**9, 4), (2**40,), (10**5, 10**5)))
    content["state_dict"][name] = torch.zeros(1).expand(*shape)
    _save(content, path)
    return f"{name}: shape {shape} of one value"


def _save(content: dict[str, Any], path: Path) -> None:
    import torch

    content.pop("ecg_tl_digest", None)  # who writes a hostile file writes its digest as well
    with deep_recursion():
        torch.save(content, path)


def change_safetensors(random: Random, path: Path) -> str:
    """Change the JSON head of a safetensors file, or how long it says it is."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    if random.random() < 0.2:
        length = random.choice((0, 1, 2**31, 2**63, length + 1, length - 1))
        path.write_bytes(struct.pack("<Q", length) + content[8:])
        return f"a head of {length} bytes"
    head = json.loads(content[8 : 8 + length])
    described = change_tree(random, head)
    with deep_recursion():
        text = json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    return described


def change_onnx(random: Random, path: Path) -> str:
    """Change the metadata of an ONNX file, or its graph."""
    import onnx

    model = onnx.load(path)
    how = random.choice(("metadata", "metadata", "metadata", "external data", "input", "initializer", "node"))
    described = how
    if how == "metadata":
        entry = random.choice(list(model.metadata_props))
        try:
            tree: Any = {"entry": json.loads(entry.value)}
            tree["entry"].pop("digest", None)  # who writes a hostile file writes its digest as well
            described = change_tree(random, tree)
            with deep_recursion():
                entry.value = json.dumps(tree["entry"])
        except (ValueError, KeyError):
            entry.value = random.choice(("", "{", "nan", "\x1b[2J", "9" * 5000))
    elif how == "external data":
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=random.choice(("/etc/passwd", "../../x", "/dev/zero")))
    elif how == "input":
        dimension = model.graph.input[0].type.tensor_type.shape.dim[-1]
        dimension.dim_value = random.choice((0, 1, 10**9, 2**40, -1))
        described = f"an input of length {dimension.dim_value}"
    elif how == "initializer":
        tensor = random.choice(list(model.graph.initializer))
        tensor.dims[:] = [random.choice((0, 10**9, 2**40, 3))]
        described = f"{tensor.name} of {tensor.dims[0]} values"
    else:
        node = random.choice(list(model.graph.node))
        node.op_type = random.choice(("Loop", "NoSuchOperator", "Identity", "Relu", ""))
        described = f"a node made {node.op_type!r}"
    path.write_bytes(model.SerializeToString())
    return described

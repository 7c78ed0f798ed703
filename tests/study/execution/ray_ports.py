"""The script `ray_ports.py`: starts a Ray cluster as a study does, and prints where its processes listen."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

from ecg_tl.study.run.executors.ray import RayExecutor

LISTENING = "0A"


def descendants(pid: int) -> list[int]:
    """The process and all that it started."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def sockets(pid: int) -> set[str]:
    """Inodes of the sockets that a process has open."""
    names = set()
    for path in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            names.add(str(path.readlink()))
        except OSError:
            continue
    return {name[len("socket:[") : -1] for name in names if name.startswith("socket:[")}


def listening() -> dict[str, str]:
    """For each listening TCP socket of this machine, by inode, its address."""
    found = {}
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] != LISTENING:
                continue
            written = bytes.fromhex(words[1].partition(":")[0])
            packed = b"".join(
                struct.pack(">I", *struct.unpack("=I", written[i : i + 4])) for i in range(0, len(written), 4)
            )
            found[words[9]] = socket.inet_ntop(family, packed)
    return found


if __name__ == "__main__":
    executor = RayExecutor(None, 1, 0)
    try:
        own = set().union(*(sockets(pid) for pid in descendants(os.getpid())))
        print(*sorted({address for inode, address in listening().items() if inode in own}))
    finally:
        executor.close()

"""A local server of files that fails as real ones do: it cuts, refuses, changes a byte, wants a log-in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one answer.

    Attributes:
        status: Sent in place of the file; 0 to send the file.
        headers: Sent besides, or in place of the usual ones; None leaves one out.
        cut_after: The connection is closed after so many bytes of this answer.
        changed: Position in the file of a byte that is changed on the way.
        ranges: Whether a range that was asked for is given.
        body: In place of the file.
    """

    status: int = 0
    headers: Mapping[str, str | None] = field(default_factory=dict)
    cut_after: int | None = None
    changed: int | None = None
    ranges: bool = True
    body: bytes | None = None


@dataclass
class FileServer:
    """A server that runs.

    Attributes:
        url: Without a slash at the end.
        files: Content by path; may be changed while it runs.
        faults: Taken one by one, an answer each; without one the answer is right.
        always: A fault of every answer that `faults` has none for.
        asked: Each request: path and headers.
    """

    url: str
    files: dict[str, bytes]
    faults: list[Fault] = field(default_factory=list)
    always: Fault = field(default_factory=Fault)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    before_answer: Callable[[], object] = lambda: None


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[FileServer]:
    """Serve files by their path (`/folder/name`) on this machine until the block ends."""
    http = _Server(("127.0.0.1", 0), _Handler)
    server = FileServer(f"http://127.0.0.1:{http.server_address[1]}", dict(files))
    http.state = server  # type: ignore[attr-defined]
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of who hangs up: it would be said in the middle of some later test."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer(head=True)

    def do_GET(self) -> None:
        self._answer(head=False)

    def _answer(self, *, head: bool) -> None:
        server: FileServer = self.server.state  # type: ignore[attr-defined]
        server.before_answer()
        path = self.path.partition("?")[0]
        server.asked.append((path, dict(self.headers.items())))
        fault = server.faults.pop(0) if server.faults else server.always
        content = server.files.get(path)
        tag = '"' + sha256(content or b"").hexdigest() + '"'
        headers: dict[str, str | None] = {"Content-Type": "application/octet-stream", "ETag": tag}
        if fault.status or content is None:
            body, status = fault.body or b"", fault.status or 404
        else:
            body, status = content, 200
            start = self._start(tag)
            if start is not None and fault.ranges and start >= len(content):
                body, status = b"", 416
            elif start is not None and fault.ranges:
                status = 206
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
                body = content[start:]
            if fault.changed is not None:
                at = fault.changed - (len(content) - len(body))
                body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :] if at >= 0 else body
            body = body if fault.body is None else fault.body
        headers["Content-Length"] = str(len(body))
        headers |= fault.headers
        self.send_response(status)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        if fault.cut_after is not None or headers["Content-Length"] is None:
            self.close_connection = True
        self.end_headers()
        if not head:
            self.wfile.write(body[: fault.cut_after])

    def _start(self, tag: str) -> int | None:
        """Return where a range begins that was asked for, if the file is still the one that was begun."""
        asked = self.headers.get("Range")
        if asked is None or self.headers.get("If-Range", tag) != tag:
            return None
        return int(asked.removeprefix("bytes=").partition("-")[0])

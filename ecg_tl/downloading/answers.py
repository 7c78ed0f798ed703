"""What a server's answer says: the file or a part of it, later, or that a person has to come."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from ecg_tl.downloading.remote import RemoteFile, require_safe
from ecg_tl.errors import DownloadError

if TYPE_CHECKING:
    from requests import Response

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_CLOSED = frozenset({401, 402, 403, 407, 451})
RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
"""Of `Content-Range`: first and last byte, and those of the whole file."""


class PassingFaultError(Exception):
    """What may be over at the next try."""

    def __init__(self, fault: str, seconds: float | None = None) -> None:
        super().__init__(fault)
        self.seconds = seconds


def require_safe_redirect(response: Response, *_: Any, **__: Any) -> None:
    """Look at where an answer sends us before anybody is asked there."""
    if response.is_redirect:
        require_safe(urljoin(response.url, response.headers["Location"]))


def require_file(remote: RemoteFile, response: Response) -> None:
    """Refuse an answer that is not the file, nor a part of it.

    Raises:
        PassingFaultError: If it may be at the next try.
        DownloadError: If it will not.
    """
    status = response.status_code
    page = f"Open {remote.page} in a browser" if remote.page else "Open the site in a browser"
    if status in _PASSING:
        raise PassingFaultError(f"a server that is busy or at fault (status {status})", _asked_wait(response))
    if status in _CLOSED:
        raise DownloadError(
            remote.url,
            f"a server that wants a log-in or an agreement (status {status})",
            "a file that anybody may fetch",
            f"{page}, log in or agree there, and save the file by hand.",
        )
    if status not in (200, 206):
        missing = "no such file" if status in (404, 410) else ""
        raise DownloadError(
            remote.url,
            f"{missing or 'an answer'} (status {status})".strip(),
            "the file",
            f"{page}: it may have moved.",
        )
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        raise DownloadError(
            remote.url,
            "a web page in the file's place",
            "the file",
            f"{page}: it may want a log-in or a click. Save the file by hand.",
        )
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding != "identity":
        raise DownloadError(
            remote.url,
            f"content that is encoded ({encoding})",
            "the bytes of the file",
            f"{page}, and save the file by hand.",
        )


def is_chunked(response: Response) -> bool:
    """Whether the end of the content is marked."""
    return "chunked" in response.headers.get("Transfer-Encoding", "").lower()


def validator_of(response: Response) -> str:
    """Return what tells this version of the file from others; empty if nothing does."""
    tag: str = response.headers.get("ETag", "")
    # A weak tag is of an equivalent content, not of the same bytes; see RFC 9110, 13.1.5.
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _asked_wait(response: Response) -> float | None:
    """Return the seconds that a server asks to wait, if it does: a number, or a date."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal() and len(text) < 10:
        return float(text)
    with suppress(ValueError, TypeError):
        date = parsedate_to_datetime(text)
        return max((date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0)
    return None


def number_in(text: str | None) -> int | None:
    """Return the number that a header's value is; None if it is none."""
    return int(text) if text is not None and text.isdecimal() and len(text) < 19 else None


def short_reason(error: BaseException) -> str:
    """Return the innermost reason of an error of the library, in a line."""
    reason: Any = error
    while (inner := next((x for x in reason.args if isinstance(x, BaseException)), None)) is not None:
        reason = inner
    line = str(getattr(reason, "reason", None) or reason).strip().split("\n", 1)[0][:120]
    return line or type(error).__name__

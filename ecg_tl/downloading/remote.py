"""A file on somebody's server, and what is known of it before it is fetched."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from ecg_tl.errors import DownloadError, SettingError

_CHECKSUM = re.compile(r"(?P<algorithm>md5|sha1|sha256|sha512):(?P<digits>[0-9a-f]{32,128})")


@dataclass(frozen=True)
class RemoteFile:
    """A file on somebody's server.

    Attributes:
        url: Where it is.
        checksum: As it is published, `sha256:...` (md5, sha1 and sha512 as well); empty if none is.
        size: In bytes, as it is published.
        page: That a person opens to learn more, or to log in; empty if there is none.
        headers: Sent with the request, such as a token.
    """

    url: str
    checksum: str = ""
    size: int | None = None
    page: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def __post_init__(self) -> None:
        if self.checksum and not _CHECKSUM.fullmatch(self.checksum):
            raise SettingError(
                f"checksum of {self.url}",
                repr(self.checksum),
                "md5, sha1, sha256 or sha512, a colon and hex digits",
                "Correct it.",
            )


def require_safe(url: str) -> None:
    """Refuse an address whose answer anybody on the way could change.

    Raises:
        DownloadError: If it is not https, but for servers on this machine.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(parts.hostname or "")):
        return
    raise DownloadError(
        url, "an address that is not https", "an https address", "Use the site's https address."
    )


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def checksum_of(path: Path, algorithm: str = "sha256") -> str:
    """Return a file's checksum as `RemoteFile` writes it."""
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def algorithm_of(checksum: str) -> str:
    """Return the name before the colon."""
    return checksum.partition(":")[0]

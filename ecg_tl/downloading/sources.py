"""Where published files are, and how a site is asked for the address and the checksum of one."""

from __future__ import annotations

import shutil
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, TypeAlias

from ecg_tl.downloading.fetching import INSTALL, Fetched, kept_checksum_file
from ecg_tl.downloading.remote import RemoteFile, checksum_of
from ecg_tl.errors import DownloadError, SettingError
from ecg_tl.files import write_text, written_whole

_ARCHIVES = {"10.5281": "Zenodo", "10.6084": "figshare"}


@dataclass(frozen=True)
class HuggingFace:
    """A file of a repository on Hugging Face.

    Attributes:
        repository: `owner/name`.
        file: Its path there.
    """

    repository: str
    file: str

    @property
    def page(self) -> str:
        """What a person opens."""
        return f"https://huggingface.co/{self.repository}"

    def __str__(self) -> str:
        return f"Hugging Face {self.repository}: {self.file}"


@dataclass(frozen=True)
class Archived:
    """A file of a deposit on Zenodo or figshare.

    Attributes:
        doi: Of the deposit.
        file: Its name there; empty if the deposit has one file.
    """

    doi: str
    file: str = ""

    @property
    def page(self) -> str:
        """What a person opens."""
        return f"https://doi.org/{self.doi}"

    def __str__(self) -> str:
        archive = _ARCHIVES.get(self.doi.partition("/")[0], "archive")
        return f"{archive} {self.doi}: {self.file or 'its one file'}"


@dataclass(frozen=True)
class Direct:
    """A file with an address that anybody may fetch.

    Attributes:
        url: The address.
        page: What a person opens.
        checksum: As it is published; see `RemoteFile`.
    """

    url: str
    page: str
    checksum: str = ""

    @property
    def file(self) -> str:
        """The name at the end of the address."""
        return self.url.rpartition("/")[2]

    def __str__(self) -> str:
        return f"{self.page}: {self.file}"


@dataclass(frozen=True)
class ByHand:
    """A file that a person must get: a site wants a log-in or a click, or there is no public file.

    Attributes:
        page: What a person opens.
        file: How the file is called.
        why: What stands in the way.
    """

    page: str
    file: str
    why: str

    def __str__(self) -> str:
        return f"{self.page}: {self.file or 'no public file'} ({self.why})"


@dataclass(frozen=True)
class Packaged:
    """A file inside of a Python package, which is installed and never imported.

    Attributes:
        package: Its name, which is that of the extra of this project as well.
        path: Of the file, below the folder that packages are in.
        page: What a person opens.
    """

    package: str
    path: str
    page: str

    @property
    def file(self) -> str:
        """The file's name."""
        return self.path.rpartition("/")[2]

    def __str__(self) -> str:
        return f"package {self.package}: {self.path}"

    def find(self) -> Fetched:
        """Find the file, compared with the checksum that the package gives of it.

        Raises:
            DownloadError: If the package is not installed, lacks the file, or it was changed.
        """
        install = f"Install it: pip install 'ecg-tl[{self.package}]'."
        try:
            listed = distribution(self.package).files or []
        except PackageNotFoundError:
            raise DownloadError(
                f"package {self.package}", "no such package", "one that is installed", install
            ) from None
        found = next((one for one in listed if one.as_posix() == self.path), None)
        path = None if found is None else Path(str(found.locate()))
        if found is None or path is None or not path.is_file():
            raise DownloadError(f"package {self.package}", f"no {self.path}", "the file", install)
        digits = checksum_of(path).partition(":")[2]
        if found.hash is None or found.hash.mode != "sha256":
            return Fetched(path, digits, already=True, compared="")
        padded = found.hash.value + "=" * (-len(found.hash.value) % 4)
        if urlsafe_b64decode(padded).hex() != digits:
            raise DownloadError(
                path, f"sha256:{digits}", "the checksum that the package gives", "Install the package again."
            )
        return Fetched(path, digits, already=True, compared="the package's sha256")


def copy_packaged(source: Packaged, path: Path) -> Fetched:
    """Copy a package's file to where files of other sources come to, with its checksum beside it.

    Raises:
        DownloadError: If there is no such file, or another one at `path`.
        StoreError: If it cannot be written.
    """
    found = source.find()
    if path.exists():
        if not path.is_file() or checksum_of(path) != f"sha256:{found.sha256}":
            raise DownloadError(path, "another file", f"that of {source}, or nothing", f"Remove {path}.")
        return replace(found, path=path)
    with written_whole(path) as temporary:
        shutil.copyfile(found.path, temporary)
    write_text(kept_checksum_file(path), f"{found.sha256}  {path.name}\n")
    return replace(found, path=path, already=False)


Source: TypeAlias = HuggingFace | Archived | Direct | ByHand | Packaged


def locate(source: Source, file: str | None = None) -> tuple[RemoteFile, str]:
    """Ask a site for a file's address, size and checksum.

    Args:
        source: Where it is published.
        file: Another file of the same repository or deposit.

    Returns:
        The file, and its name.

    Raises:
        DownloadError: If the site does not answer, wants a log-in, or has no such file.
        SettingError: If a library is missing.
    """
    if isinstance(source, Packaged):
        raise SettingError(str(source), "a file that is not fetched", "a source on a server", "Use `find`.")
    if isinstance(source, ByHand):
        raise DownloadError(
            source.page,
            source.why,
            "a file that anybody may fetch",
            f"Open the page in a browser and save {source.file or 'the file'} by hand.",
        )
    if isinstance(source, Direct):
        if file is not None:
            raise SettingError("file", repr(file), "nothing: this source is one file", "Leave it out.")
        return RemoteFile(source.url, source.checksum, page=source.page), source.file
    wanted = replace(source, file=file) if file is not None else source
    remote, name = _of_hugging_face(wanted) if isinstance(wanted, HuggingFace) else _of_archive(wanted)
    return remote, name.rpartition("/")[2]


def _of_hugging_face(source: HuggingFace) -> tuple[RemoteFile, str]:
    try:
        from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_url
        from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RepositoryNotFoundError
    except ImportError as error:
        raise _missing(error) from None
    url = hf_hub_url(source.repository, source.file)
    try:
        facts = get_hf_file_metadata(url)
    except EntryNotFoundError:
        raise _no_such_file(source.page, source.file) from None
    except (GatedRepoError, RepositoryNotFoundError):
        raise DownloadError(
            source.page,
            "a repository that is closed, renamed or wants an agreement",
            "one that anybody may read",
            "Open the page; if it asks for an agreement, give it, and set HF_TOKEN to a token of yours.",
        ) from None
    except Exception as error:  # of the library's HTTP client, which is not the same in all its versions
        raise _no_answer(source.page, error) from None
    # The tag is the SHA-256 of a large file, and git's own sum of a small one.
    tag = facts.etag or ""
    checksum = f"sha256:{tag}" if len(tag) == 64 else ""
    token = get_token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return RemoteFile(url, checksum, facts.size, source.page, headers), source.file


def _of_archive(source: Archived) -> tuple[RemoteFile, str]:
    try:
        import pooch
        from pooch.downloaders import doi_to_repository
    except ImportError as error:
        raise _missing(error) from None

    def ask(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:  # what pooch makes of an answer that it does not understand is not said
            raise _no_answer(source.page, error) from None

    repository = ask(lambda: doi_to_repository(source.doi, timeout=60))
    files = pooch.create(path=".", base_url=f"doi:{source.doi}/")
    ask(lambda: repository.populate_registry(files))
    names = sorted(files.registry)
    if not source.file and len(names) != 1:
        raise DownloadError(
            source.page, f"{len(names)} files ({', '.join(names[:10])})", "one", "Name one with --file."
        )
    name = source.file or names[0]
    if name not in names:
        raise _no_such_file(source.page, name, names)
    checksum = str(files.registry[name])
    url = str(ask(lambda: repository.download_url(name)))
    return RemoteFile(url, checksum if ":" in checksum else f"sha256:{checksum}", page=source.page), name


def _missing(error: ImportError) -> SettingError:
    return SettingError("download", f"no package {error.name}", "the packages that fetch files", INSTALL)


def _no_such_file(page: str, name: str, names: list[str] | None = None) -> DownloadError:
    there = f" among {', '.join(names[:10])}" if names else ""
    return DownloadError(
        page, f"no file {name}{there}", "the file as it was published", "Open the page: it may be renamed."
    )


def _no_answer(page: str, error: Exception) -> DownloadError:
    line = str(error).strip().split("\n", 1)[0][:160] or type(error).__name__
    return DownloadError(
        page, f"no usable answer ({line})", "the site's list of files", "Try again later, or open the page."
    )

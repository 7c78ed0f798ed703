"""Asking sites where a file is, with the libraries that know them, against a local server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import pytest
from file_server import Fault, FileServer, serving

from ecg_tl.downloading.sources import Archived, ByHand, Direct, HuggingFace, locate
from ecg_tl.errors import DownloadError, SettingError

CONTENT = b"weights" * 1000
SHA = hashlib.sha256(CONTENT).hexdigest()
FACE = HuggingFace("lab/ecg", "folder/weights.pth")
ZENODO = Archived("10.5281/zenodo.77", "weights.ckpt")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Hugging Face's hub, as far as it is asked."""
    from huggingface_hub import constants

    with serving({"/lab/ecg/resolve/main/folder/weights.pth": CONTENT}) as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            server.url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        yield server


@pytest.fixture
def zenodo(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Zenodo's interface for programs, as far as it is asked."""
    from pooch import downloaders

    with serving({"/files/weights.ckpt": CONTENT}) as server:
        md5 = hashlib.md5(CONTENT).hexdigest()
        links = {"self": f"{server.url}/files/weights.ckpt"}
        files = [{"key": "weights.ckpt", "checksum": f"md5:{md5}", "links": links}]
        server.files["/records/77"] = json.dumps({"id": 77, "files": files}).encode()
        monkeypatch.setattr(
            downloaders, "doi_to_url", lambda doi, **settings: "https://zenodo.org/records/77"
        )
        monkeypatch.setattr(downloaders.ZenodoRepository, "base_api_url", f"{server.url}/records")
        yield server


def test_hugging_face_gives_address_checksum_size_and_takes_a_token(hub: FileServer) -> None:
    remote, name = locate(FACE)
    assert name == "weights.pth"
    assert remote.url == f"{hub.url}/lab/ecg/resolve/main/folder/weights.pth"
    assert (remote.checksum, remote.size) == (f"sha256:{SHA}", len(CONTENT))
    assert remote.headers == {"Authorization": "Bearer hf_secret"}
    assert "hf_secret" not in repr(remote)
    assert remote.page == "https://huggingface.co/lab/ecg"


def test_a_tag_that_is_no_sha256_is_not_taken_for_one(hub: FileServer) -> None:
    hub.always = Fault(headers={"ETag": '"' + "a" * 40 + '"'})
    assert locate(FACE)[0].checksum == ""


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(status=404, headers={"X-Error-Code": "EntryNotFound"}), r"no file folder/weights\.pth"),
        (
            Fault(status=404, headers={"X-Error-Code": "RepoNotFound"}),
            "closed, renamed or wants an agreement",
        ),
        (Fault(status=403, headers={"X-Error-Code": "GatedRepo"}), r"agreement.*set HF_TOKEN"),
        (Fault(status=418), "no usable answer"),
    ],
)
def test_what_hugging_face_refuses_is_a_line(hub: FileServer, fault: Fault, words: str) -> None:
    hub.always = fault
    with pytest.raises(DownloadError, match=words):
        locate(FACE)


def test_zenodo_gives_address_and_checksum(zenodo: FileServer) -> None:
    remote, name = locate(ZENODO)
    assert name == "weights.ckpt"
    assert remote.url == f"{zenodo.url}/files/weights.ckpt"
    assert remote.checksum == f"md5:{hashlib.md5(CONTENT).hexdigest()}"
    assert locate(Archived("10.5281/zenodo.77")) == (remote, name)


def test_a_file_that_zenodo_lacks_is_named_with_those_that_it_has(zenodo: FileServer) -> None:
    with pytest.raises(DownloadError, match=r"no file other\.pt among weights\.ckpt"):
        locate(ZENODO, "other.pt")


@pytest.mark.parametrize("answer", [b"<html>busy</html>", b"{}", b'{"files": [{}]}', b'{"files": []}'])
def test_an_answer_of_zenodo_that_is_none_is_a_line(zenodo: FileServer, answer: bytes) -> None:
    zenodo.files["/records/77"] = answer
    with pytest.raises(DownloadError, match=r"doi\.org/10\.5281/zenodo\.77"):
        locate(ZENODO)


def test_a_deposit_of_several_files_asks_for_one(zenodo: FileServer) -> None:
    content = json.loads(zenodo.files["/records/77"])
    content["files"].append({**content["files"][0], "key": "config.json"})
    zenodo.files["/records/77"] = json.dumps(content).encode()
    with pytest.raises(DownloadError, match=r"2 files \(config\.json, weights\.ckpt\).*--file"):
        locate(Archived("10.5281/zenodo.77"))
    assert locate(Archived("10.5281/zenodo.77"), "config.json")[1] == "config.json"


def test_a_file_that_a_person_must_get_says_where() -> None:
    with pytest.raises(DownloadError, match=r"drive\.example: found a click.*save x\.pth by hand"):
        locate(ByHand("https://drive.example", "x.pth", "a click"))


def test_a_direct_address_is_taken_as_it_is() -> None:
    source = Direct("https://example.org/a/x.pth", "https://example.org", "md5:" + "0" * 32)
    remote, name = locate(source)
    assert (remote.url, remote.checksum, name) == (source.url, source.checksum, "x.pth")
    with pytest.raises(SettingError, match="this source is one file"):
        locate(source, "y.pth")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (FACE, "Hugging Face lab/ecg: folder/weights.pth"),
        (ZENODO, "Zenodo 10.5281/zenodo.77: weights.ckpt"),
        (Archived("10.6084/m9.figshare.3"), "figshare 10.6084/m9.figshare.3: its one file"),
        (ByHand("https://x", "", "no public file"), "https://x: no public file (no public file)"),
    ],
)
def test_a_source_in_words(source: object, words: str) -> None:
    assert str(source) == words

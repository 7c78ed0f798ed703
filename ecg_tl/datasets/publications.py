"""Where the datasets are published, and which files of a publication a reader needs."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ecg_tl.datasets.chapman import CHAPMAN_NAMES
from ecg_tl.datasets.ningbo import NINGBO_NAMES
from ecg_tl.errors import SettingError

SUMS = "SHA256SUMS.txt"
PHYSIONET = "https://physionet.org"
_EXAMS_PER_PART = 20_000


@dataclass(frozen=True)
class PhysioNetProject:
    """A project of PhysioNet that anybody may fetch.

    Attributes:
        project: Its name there.
        version: Of the publication.
        records: Folder or beginning of the paths of its records.
        tables: Files that are fetched besides.
        names: What the records are called, a regular expression for the file's name without its suffix.
    """

    project: str
    version: str
    records: str
    tables: tuple[str, ...] = ()
    names: str = r"[^.].*"

    @property
    def page(self) -> str:
        """What a person opens."""
        return f"{PHYSIONET}/content/{self.project}/{self.version}/"

    def url(self, name: str, mirror: str | None = None) -> str:
        """Return a file's address, on PhysioNet or below a mirror of its `files`."""
        base = (mirror or f"{PHYSIONET}/files").rstrip("/")
        return f"{base}/{self.project}/{self.version}/{name}"

    def files(
        self, listed: Mapping[str, str], records: int | None, chosen: Collection[str] | None = None
    ) -> list[str]:
        """Choose from the published list of files.

        Args:
            listed: Of `SHA256SUMS.txt`.
            records: How many of the records, the first by their paths; all if None.
            chosen: Paths of records without suffix; all if None.

        Raises:
            SettingError: If none is left.
        """
        wanted = re.compile(self.names)
        of_record: dict[str, list[str]] = {}
        for name in listed:
            stem = name.rpartition(".")[0]
            own = name.startswith(self.records) and wanted.fullmatch(stem.rpartition("/")[2])
            if own and not name.endswith((".html", ".txt")) and "/" in name:
                of_record.setdefault(stem, []).append(name)
        stems = [s for s in sorted(of_record) if f"{s}.hea" in listed and (chosen is None or s in chosen)]
        if not stems:
            raise SettingError(
                "files",
                f"no record of {self.project} in its list",
                "some",
                "Leave --records and --folds out.",
            )
        tables = [name for name in self.tables if name in listed]
        return tables + [name for stem in stems[:records] for name in sorted(of_record[stem])]


@dataclass(frozen=True)
class Deposit:
    """A deposit on Zenodo or figshare that anybody may fetch.

    Attributes:
        doi: Of the deposit.
        names: Of its files that are needed; `{}` stands for the number of a part.
        parts: How many parts there are.
        remark: What is left to do by hand; empty if nothing.
    """

    doi: str
    names: tuple[str, ...]
    parts: int = 0
    remark: str = ""

    @property
    def page(self) -> str:
        """What a person opens."""
        return f"https://doi.org/{self.doi}"

    def files(self, records: int | None) -> list[str]:
        """Name the files: those of so many records, rounded up to whole parts."""
        parts = self.parts if records is None else min(self.parts, -(-records // _EXAMS_PER_PART))
        return [
            name.format(number)
            for name in self.names
            for number in (range(parts) if "{}" in name else range(1))
        ]


@dataclass(frozen=True)
class ByLogIn:
    """A publication that a person must get: it wants a log-in and an agreement, or has no one list of files.

    Attributes:
        page: What a person opens.
        steps: What to do there.
        files: Which must lie in the root afterwards, besides those that `SHA256SUMS.txt` lists.
    """

    page: str
    steps: str
    files: tuple[str, ...]


_CHALLENGE = ("challenge-2021", "1.0.3")
_ARRHYTHMIA = ("ecg-arrhythmia", "1.0.0")
_MIRROR_FOLDER = (
    "wget -r -N -c -np -nH --cut-dirs=3 --user USER --ask-password {}, with your account, fetches all into "
    "the folder that it is run in"
)

PUBLICATIONS: dict[str, PhysioNetProject | Deposit | ByLogIn] = {
    "ptbxl": PhysioNetProject(
        "ptb-xl", "1.0.3", "records500/", ("ptbxl_database.csv", "scp_statements.csv", "LICENSE.txt")
    ),
    "cpsc2018": PhysioNetProject(*_CHALLENGE, "training/cpsc_2018/", names=r"A\d{4}"),
    "georgia": PhysioNetProject(*_CHALLENGE, "training/georgia/", names=r"E\d{5}"),
    "ptb": PhysioNetProject("ptbdb", "1.0.0", "patient"),
    "code_test": Deposit("10.5281/zenodo.3765780", ("data.zip",)),
    "ludb": PhysioNetProject("ludb", "1.0.1", "data/", ("ludb.csv", "LICENSE.txt")),
    "chapman": PhysioNetProject(*_ARRHYTHMIA, "WFDBRecords/", names=CHAPMAN_NAMES),
    "ningbo": PhysioNetProject(*_ARRHYTHMIA, "WFDBRecords/", names=NINGBO_NAMES),
    "cpsc_extra": PhysioNetProject(*_CHALLENGE, "training/cpsc_2018_extra/", names=r"Q\d{4}"),
    "incart": PhysioNetProject(*_CHALLENGE, "training/st_petersburg_incart/", names=r"I\d{4}"),
    "cinc2021": PhysioNetProject(*_CHALLENGE, "training/"),
    "code15": Deposit("10.5281/zenodo.4916206", ("exams.csv", "exams_part{}.zip"), parts=18),
    "sph": ByLogIn(
        "https://doi.org/10.6084/m9.figshare.c.5779802.v1",
        "it has no one list of files: save metadata.csv, code.csv and records.tar.gz, and unpack the last "
        "with `tar -xf`, as it is not compressed",
        ("metadata.csv", "records"),
    ),
    "zzu_pecg": Deposit(
        "10.6084/m9.figshare.27078763",
        ("AttributesDictionary.csv", "ECGCode.csv", "DiseaseCode.csv", "Child_ecg.z01", "Child_ecg.zip"),
        remark="The archive is in two parts: `zip -s 0 Child_ecg.zip --out all.zip`, then `unzip all.zip`.",
    ),
    "brugada_huca": PhysioNetProject("brugada-huca", "1.0.0", "files/", ("metadata.csv", "LICENSE.txt")),
    "mimic_iv_ecg": ByLogIn(
        f"{PHYSIONET}/content/mimic-iv-ecg/1.0/",
        "it is open to credentialed users who signed its agreement: "
        + _MIRROR_FOLDER.format(f"{PHYSIONET}/files/mimic-iv-ecg/1.0/")
        + "; put records_w_diag_icd10.csv of mimic-iv-ecg-ext-icd-labels/1.0.1 beside record_list.csv. "
        "The demo is open: `ecg-tl data download mimic_iv_ecg_demo`",
        ("record_list.csv", "files"),
    ),
    "mimic_iv_ecg_demo": PhysioNetProject(
        "mimic-iv-ecg-demo", "0.1", "files/", ("record_list.csv", "LICENSE.txt")
    ),
    "echonext": ByLogIn(
        f"{PHYSIONET}/content/echonext/1.1.0/",
        "it is open to users who signed its agreement: "
        + _MIRROR_FOLDER.format(f"{PHYSIONET}/files/echonext/1.1.0/"),
        ("echonext_metadata_100k.csv",),
    ),
}
"""By the datasets' names; the open demo of MIMIC-IV-ECG, which its reader reads, has one of its own."""

"""What a user says of files that do not say it themselves."""

from __future__ import annotations

from dataclasses import dataclass

from ecg_tl.errors import RecordError, SettingError
from ecg_tl.limits import SAMPLING_RATE, shown
from ecg_tl.recordings.first_line import FirstLine
from ecg_tl.recordings.wfdb_recording import Amplitude
from ecg_tl.signals import LEADS, millivolts_per, standard_lead

NO_LEAD = "-"
"""In a list of leads: a column that is none of the twelve."""


@dataclass(frozen=True)
class ReadSettings:
    """What the user says of files that do not say it themselves.

    Attributes:
        leads: Names of the columns or rows; `-` for one that is no standard lead.
        sampling_rate: In Hz.
        units: Of the values: `mV`, `uV`, `V` or `nV`.
        amplitude: Of WFDB records: `header` converts as the header says; `steps` takes a stored step as 1 µV,
            whatever the header says, as LUDB's records must be read.
        first_line: Of CSV files: whether it is the columns' `names` or `values`, where that is not clear.

    Raises:
        SettingError: If a lead or the unit is unknown, or no ECG has the rate.
    """

    leads: tuple[str, ...] | None = None
    sampling_rate: float | None = None
    units: str | None = None
    amplitude: Amplitude = "header"
    first_line: FirstLine | None = None

    def __post_init__(self) -> None:
        if self.leads is not None:
            names = tuple(lead if lead == NO_LEAD else standard_lead(lead) for lead in self.leads)
            object.__setattr__(self, "leads", names)
            unknown = [lead for lead in names if lead not in LEADS and lead != NO_LEAD]
            repeated = {lead for lead in names if lead != NO_LEAD and names.count(lead) > 1}
            if unknown or repeated or not set(names) - {NO_LEAD}:
                found = f"the unknown lead {', '.join(unknown)}" if unknown else "a lead twice, or none"
                raise SettingError(
                    "--leads",
                    f"{found} in {' '.join(self.leads)}",
                    f"names out of {' '.join(LEADS)}, each once, and `{NO_LEAD}` for what is none of them",
                    "Name the columns in the file's order.",
                )
        if self.sampling_rate is not None and not SAMPLING_RATE.holds(self.sampling_rate):
            raise SettingError(
                "--sampling_rate", shown(self.sampling_rate), str(SAMPLING_RATE), "Correct it."
            )
        if self.units is not None:
            try:
                millivolts_per(self.units, "--units")
            except RecordError as error:
                raise SettingError("--units", error.found, error.expected, "Correct the unit.") from None


_RECORDED = {"--leads": "recorded_leads", "--sampling_rate": "recorded_rate", "--units": "recorded_units"}


def recorded(leads: tuple[str, ...] | None, rate: float | None, units: str | None) -> ReadSettings:
    """Make settings of those that a dataset has, whose names an error then gives.

    Raises:
        SettingError: As `ReadSettings`.
    """
    try:
        return ReadSettings(leads, rate, units)
    except SettingError as error:
        name = _RECORDED.get(error.where, error.where)
        raise SettingError(name, error.found, error.expected, error.remedy) from None

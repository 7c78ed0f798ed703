"""Files of carts: the millivolts that were written, those of an independent reader, or one clear error."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import cart_files
import numpy as np
import pytest
from cart_files import ecg_steps

from ecg_tl.errors import RecordError
from ecg_tl.recordings import ReadSettings, find_records, read_record
from ecg_tl.recordings.finding import find_format
from ecg_tl.recordings.formats.sierra import unpacked_bytes
from ecg_tl.signals import LEADS

STEPS = ecg_steps()
MICROVOLTS = 5
EIGHT = ("I", "II", *LEADS[6:])
OF_EIGHT = [LEADS.index(lead) for lead in EIGHT]

Write = Callable[[Path], Any]


def content(make: Callable[..., bytes], *args: Any, **options: Any) -> Write:
    return lambda path: path.write_bytes(make(*args, **options))


FORMATS: dict[str, tuple[str, Write]] = {
    "edf": ("a.edf", lambda path: cart_files.write_edf(path, STEPS * MICROVOLTS / 1000)),
    "dicom": ("1.2.840.1", lambda path: cart_files.write_dicom(path, STEPS, median=STEPS[:, :300])),
    "ge_muse": ("a.xml", content(cart_files.muse_xml, STEPS[OF_EIGHT], per_bit="5")),
    "hl7_aecg": ("b.xml", content(cart_files.hl7_xml, STEPS)),
    "sierra": ("c.xml", content(cart_files.sierra_xml, STEPS)),
    "mortara": ("d.xml", content(cart_files.mortara_xml, STEPS)),
    "kardia": ("a.json", content(cart_files.kardia_json, STEPS, rate=500)),
    "ishne": ("a.ecg", content(cart_files.ishne, STEPS)),
    "mfer": ("a.mwf", content(cart_files.mfer, STEPS)),
    "scp": ("a.scp", content(cart_files.scp, STEPS)),
}


def written(name: str, folder: Path) -> Path:
    file, write = FORMATS[name]
    write(folder / file)
    return folder / file


def assert_as_written(path: Path, leads: tuple[str, ...] = LEADS, tolerance: float = 1e-6) -> None:
    recording = read_record(path).recording
    assert set(recording.leads) == set(leads)
    assert recording.sampling_rate == 500
    for lead in leads:
        row = recording.values[recording.leads.index(lead)]
        np.testing.assert_allclose(row, STEPS[LEADS.index(lead)] * MICROVOLTS / 1000, atol=tolerance)


@pytest.mark.parametrize("name", FORMATS)
def test_a_recording_is_what_was_written(name: str, tmp_path: Path) -> None:
    path = written(name, tmp_path)
    found = find_format(path)
    assert found is not None
    assert found.name == name
    # III, aVR, aVL and aVF of eight leads are exact where those that were written were rounded to a step.
    tolerance = {"ge_muse": MICROVOLTS / 1000 + 1e-6, "edf": 0.00051}.get(name, 1e-6)
    assert_as_written(path, LEADS[:6] if name == "kardia" else LEADS, tolerance)


@pytest.mark.parametrize("name", FORMATS)
def test_content_decides_and_not_the_ending(name: str, tmp_path: Path) -> None:
    path = written(name, tmp_path).rename(tmp_path / "a.bin")
    found = find_format(path)
    assert found is not None
    assert found.name == name
    assert find_records([tmp_path]) == ([path], [])


def test_dicom_is_what_pydicom_makes_of_it(tmp_path: Path) -> None:
    import pydicom

    path = cart_files.write_dicom(tmp_path / "a.dcm", STEPS, sensitivity=4.88, rate=333.5)
    read = read_record(path)
    expected = pydicom.dcmread(path).waveform_array(0).T / 1000
    np.testing.assert_allclose(read.recording.values, expected, atol=1e-6)
    assert read.recording.sampling_rate == 333.5
    assert (read.person.patient_id, read.person.age, read.person.sex) == ("P1", 61, "F")


def test_edf_is_what_pyedflib_makes_of_it(tmp_path: Path) -> None:
    import pyedflib

    path = cart_files.write_edf(tmp_path / "a.edf", STEPS * 0.005, unit="uV")
    with pyedflib.EdfReader(str(path)) as reader:
        expected = np.array([reader.readSignal(row) for row in range(12)]) / 1000
    with pytest.raises(RecordError, match="1000 times as large"):  # ±16 µV
        read_record(path)
    path = cart_files.write_edf(tmp_path / "b.edf", STEPS * 0.005)
    np.testing.assert_allclose(read_record(path).recording.values, expected * 1000, atol=1e-6)


def test_a_muse_record_has_twelve_leads_and_no_median_beats(tmp_path: Path) -> None:
    path = written("ge_muse", tmp_path)
    recording = read_record(path).recording
    assert recording.values.shape == (12, 1000)
    one, two = (recording.values[recording.leads.index(lead)] for lead in ("I", "II"))
    for lead, expected in {
        "III": two - one,
        "aVR": -(one + two) / 2,
        "aVL": one - two / 2,
        "aVF": two - one / 2,
    }.items():
        np.testing.assert_allclose(recording.values[recording.leads.index(lead)], expected, atol=1e-6)
    assert any("III, aVR, aVL, aVF computed" in remark.message for remark in read_record(path).remarks)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_text_may_be_encoded_otherwise(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(cart_files.muse_xml(STEPS[OF_EIGHT], per_bit="5", encoding=encoding))
    assert read_record(path).person.patient_id == "P1"
    assert_as_written(path, tolerance=0.00501)


def test_compressed_samples_of_philips_are_the_plain_ones(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(cart_files.sierra_xml(STEPS, compressed=True))
    assert_as_written(path)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("part", [0.5, 0.97])
def test_a_file_that_is_cut_off_is_one_error(name: str, part: float, tmp_path: Path) -> None:
    path = written(name, tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    with pytest.raises(RecordError) as caught:
        read_record(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 800


@pytest.mark.parametrize("name", FORMATS)
def test_bytes_of_anything_are_an_error_or_a_recording(name: str, tmp_path: Path) -> None:
    data = bytearray(written(name, tmp_path).read_bytes())
    rng = np.random.default_rng(1)
    for number in range(40):
        spoilt = bytearray(data)
        for position in rng.integers(0, min(len(data), 3000), 8):
            spoilt[position] = rng.integers(256)
        path = tmp_path / f"spoilt{number}"
        path.write_bytes(spoilt)
        with suppress(RecordError):
            assert read_record(path).recording.values.dtype == np.float32


_BOMB = (
    "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>"
    + "".join(f"<!ENTITY a{k} '{f'&a{k - 1 if k > 1 else str()};' * 10}'>" for k in range(1, 9))
    + "]>"
)
_EXTERNAL = "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/hostname'>]>"


def muse(**options: Any) -> Write:
    return content(cart_files.muse_xml, STEPS[OF_EIGHT], **options)


def dicom_of(**said: int) -> Write:
    """Write a DICOM file that says another number than it holds."""

    def write(path: Path) -> object:
        import pydicom

        data = pydicom.dcmread(cart_files.write_dicom(path, STEPS))
        for name, value in said.items():
            setattr(data.WaveformSequence[0], name, value)
        return data.save_as(path, enforce_file_format=True)

    return write


def edf_of(records: bytes) -> Write:
    """Write an EDF file that says another number of data records than it holds."""

    def write(path: Path) -> object:
        data = bytearray(cart_files.write_edf(path.with_suffix(".edf"), STEPS * 0.005).read_bytes())
        data[236:244] = records.ljust(8)
        return path.write_bytes(data)

    return write


def mfer_of(was: bytes, now: bytes) -> Write:
    return lambda path: path.write_bytes(cart_files.mfer(STEPS).replace(was, now, 1))


def kardia_of_uneven_leads(path: Path) -> object:
    content = json.loads(cart_files.kardia_json(STEPS))
    del content["data"]["raw"]["samples"]["leadII"][900:]
    return path.write_text(json.dumps(content))


BAD: dict[str, tuple[Write, str]] = {
    "MUSE, no unit": (muse(unit=None), "no gain or no unit for lead I"),
    "MUSE, no gain": (muse(per_bit=None), "no gain or no unit for lead I"),
    "MUSE, unknown unit": (muse(unit="PARSECS"), "the unit 'PARSECS' of lead I"),
    "MUSE, wrong number of samples": (muse(count=999), "LeadSampleCountTotal 999"),
    "MUSE, half a Hz": (muse(rate="499.5"), "a sampling rate of 499.5 Hz"),
    "MUSE, absurd rate": (muse(rate="5"), "sampling_rate"),
    "MUSE, wrong gain": (muse(per_bit="4880"), "median peak"),
    "MUSE, XML bomb": (muse(prolog=_BOMB, patient="&a8;"), "entity declarations are not allowed"),
    "MUSE, external entity": (muse(prolog=_EXTERNAL, patient="&e;"), "entity declarations are not allowed"),
    "HL7, XML bomb": (
        lambda path: path.write_bytes(
            cart_files.hl7_xml(STEPS).replace(b"?>", b"?>" + _BOMB.encode(), 1)
        ),
        "entity declarations are not allowed",
    ),
    "Philips, external entity": (
        lambda path: path.write_bytes(
            cart_files.sierra_xml(STEPS).replace(b"?>", b"?>" + _EXTERNAL.encode(), 1)
        ),
        "ntit",
    ),
    "HL7, no unit": (content(cart_files.hl7_xml, STEPS, unit=None), "no gain or no unit for lead I"),
    "HL7, unknown unit": (content(cart_files.hl7_xml, STEPS, unit="furlong"), "the unit 'furlong'"),
    "HL7, no increment": (content(cart_files.hl7_xml, STEPS, increment=""), "No usable time increment"),
    "Philips, no resolution": (content(cart_files.sierra_xml, STEPS, resolution=None), "no gain"),
    "Mortara, no gain": (content(cart_files.mortara_xml, STEPS, per_mv=None), "no gain"),
    "Mortara, half a Hz": (content(cart_files.mortara_xml, STEPS, rate="500.5"), "500.5 Hz"),
    "Kardia, no gain": (content(cart_files.kardia_json, STEPS, nanovolts=None), "no gain"),
    "ISHNE, no gain": (content(cart_files.ishne, STEPS, nanovolts=-9), "no gain"),
    "ISHNE, longer than it is": (content(cart_files.ishne, STEPS, said=2000), "1,000 of the 2,000"),
    "MFER, no gain": (content(cart_files.mfer, STEPS, microvolts=None), "no gain"),
    "SCP, no gain": (content(cart_files.scp, STEPS, nanovolts=0), "no gain"),
    "SCP, leads of other times": (
        content(cart_files.scp, STEPS, starts=[1] * 6 + [1001] * 6),
        "begin one after another",
    ),
    "EDF, another unit": (
        lambda path: cart_files.write_edf(path, STEPS * 0.005, unit="mmHg"),
        "the unit 'mmHg' of lead I",
    ),
    "EDF, no unit": (lambda path: cart_files.write_edf(path, STEPS * 0.005, unit=""), "no gain or no unit"),
    "DICOM, no gain": (
        lambda path: cart_files.write_dicom(path, STEPS, sensitivity=None),
        "lead I",
    ),
    "DICOM, no unit": (lambda path: cart_files.write_dicom(path, STEPS, unit=None), "lead I"),
    "DICOM, pressure": (lambda path: cart_files.write_dicom(path, STEPS, unit="mm[Hg]"), "mm[Hg]"),
    "DICOM, no lead's name": (
        lambda path: cart_files.write_dicom(path, STEPS[:1], leads=["I"], sensitivity=0.0),
        "lead I",
    ),
    "DICOM, fewer channels than it holds": (dicom_of(NumberOfWaveformChannels=11), "not 22,000"),
    "DICOM, fewer samples than it holds": (dicom_of(NumberOfWaveformSamples=500), "not 12,000"),
    "DICOM, more samples than it holds": (dicom_of(NumberOfWaveformSamples=2000), "expected 48000"),
    "EDF, fewer data records than it holds": (edf_of(b"1"), "1 data records"),
    "EDF, more data records than it holds": (edf_of(b"9"), "declares 9 data records"),
    "MFER, fewer channels than it holds": (mfer_of(b"\x05\x01\x0c", b"\x05\x01\x0b"), "11,000 in its blocks"),
    "MFER, a shorter block than it holds": (
        mfer_of(b"\x04\x04\x00\x00\x03\xe8", b"\x04\x04\x00\x00\x01\xf4"),
        "6,000 in its blocks",
    ),
    "Kardia, a shorter lead": (kardia_of_uneven_leads, "leads of 900 samples"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_one_line_that_says_it(name: str, tmp_path: Path) -> None:
    write, found = BAD[name]
    path = tmp_path / "a"
    write(path)
    with pytest.raises(RecordError, match=re.escape(found)) as caught:
        read_record(path)
    assert "\n" not in str(caught.value)


def test_a_dicom_file_that_is_no_ecg_says_what_it_is(tmp_path: Path) -> None:
    import pydicom

    path = cart_files.write_dicom(tmp_path / "a.dcm", STEPS)
    data = pydicom.dcmread(path)
    del data.WaveformSequence
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    data.save_as(path, enforce_file_format=True)
    with pytest.raises(RecordError, match=r"a DICOM file without a waveform \(CT Image Storage\)"):
        read_record(path)


def test_a_deflated_dicom_file_is_not_inflated(tmp_path: Path) -> None:
    import pydicom

    path = cart_files.write_dicom(tmp_path / "a.dcm", STEPS)
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    data.save_as(path, enforce_file_format=True)
    with pytest.raises(RecordError, match="deflated"):
        read_record(path)


def test_a_lead_that_is_there_twice_keeps_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(cart_files.hl7_xml(STEPS[:3], ("I", "II", "II")))
    assert read_record(path).recording.leads.count("II") == 2


def test_pauses_between_records_of_edf_are_refused(tmp_path: Path) -> None:
    path = cart_files.write_edf(tmp_path / "a.edf", STEPS * 0.005)
    path.write_bytes(path.read_bytes().replace(b"EDF+C", b"EDF+D", 1))
    with pytest.raises(RecordError, match="may pause"):
        read_record(path)


def test_signals_that_are_no_ecg_are_left_out(tmp_path: Path) -> None:
    import pyedflib

    path = tmp_path / "a.edf"
    with pyedflib.EdfWriter(str(path), 2, file_type=pyedflib.FILETYPE_EDF) as writer:
        for row, (label, unit, rate) in enumerate([("ECG II", "mV", 500), ("SpO2", "%", 1)]):
            writer.setSignalHeader(
                row,
                {
                    **{"label": label, "dimension": unit, "sample_frequency": rate},
                    **{
                        "physical_min": -100,
                        "physical_max": 100,
                        "digital_min": -32768,
                        "digital_max": 32767,
                    },
                    **{"transducer": "", "prefilter": ""},
                },
            )
        writer.writeSamples([np.sin(np.arange(1000) / 9), np.full(2, 97.0)])
    read = read_record(path).recording
    assert (read.leads, read.values.shape) == (("II",), (1, 1000))


def test_samples_that_were_not_measured_are_missing(tmp_path: Path) -> None:
    steps = STEPS[OF_EIGHT].copy()
    steps[0, 10:20] = -(2**15)
    path = tmp_path / "a.xml"
    path.write_bytes(cart_files.muse_xml(steps, per_bit="5"))
    recording = read_record(path).recording
    assert np.isnan(recording.values[recording.leads.index("I"), 10:20]).all()
    assert np.isnan(recording.values[recording.leads.index("aVF"), 10:20]).all()
    assert np.isfinite(recording.values[recording.leads.index("II")]).all()


@pytest.mark.slow
def test_samples_of_philips_that_would_grow_without_bound_are_refused(tmp_path: Path) -> None:
    codes = list(range(256, 1023))  # each the string before and its first byte: longer by one
    codes = [0, *codes, *[1022] * 400_000]
    bits = np.array(codes, dtype=np.uint16)[:, None] >> np.arange(9, -1, -1) & 1
    packed = np.packbits(bits.astype(np.uint8).ravel()).tobytes()
    assert unpacked_bytes(packed) > 300e6
    data = base64.b64encode(len(packed).to_bytes(4, "little") + bytes(4) + packed).decode()
    text = cart_files.sierra_xml(STEPS, compressed=True).decode()
    path = tmp_path / "a.xml"
    path.write_text(re.sub(r"(<parsedwaveforms[^>]*>)[^<]*", lambda match: match[1] + data, text))
    with pytest.raises(RecordError, match="would grow to"):
        read_record(path)


def test_what_a_file_says_itself_is_not_overridden(tmp_path: Path) -> None:
    path = written("scp", tmp_path)
    read = read_record(path, ReadSettings(sampling_rate=250))
    assert read.recording.sampling_rate == 500
    assert any("--sampling_rate is not used" in remark.message for remark in read.remarks)


def test_a_missing_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    path = written("scp", tmp_path)
    monkeypatch.setitem(sys.modules, "ecgdatakit.parsing.parsers.scp_ecg", None)
    with pytest.raises(RecordError, match=r'pip install "ecg-tl\[formats\]"'):
        read_record(path)

"""Writers of recordings in the formats of carts, after each format's published specification."""

from __future__ import annotations

import base64
import binascii
import json
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecg_tl.signals import LEADS

STEPS = NDArray[np.int16]

_MDC = dict(zip(("I", "II", *LEADS[6:], "III", "aVR", "aVL", "aVF"), (1, 2, *range(3, 9), 61, 62, 63, 64),
                strict=True))  # fmt: skip
"""Codes of leads in SCP-ECG, MFER and DICOM's MDC."""


def ecg_steps(samples: int = 1000, rate: float = 500, seed: int = 0, microvolts: float = 5.0) -> STEPS:
    """Steps `(12, samples)` of a periodic signal in which the limb leads keep their laws, to a step."""
    time = np.arange(samples) / rate
    rng = np.random.default_rng(seed)
    waves = [
        amplitude * np.exp(-(((time + phase) % 0.8 - 0.4) ** 2) / (2 * 0.02**2))
        for amplitude, phase in zip(rng.uniform(400, 1500, 8), rng.uniform(0, 0.1, 8), strict=True)
    ]
    waves = [wave + 60 * np.sin(2 * np.pi * 0.3 * time + k) for k, wave in enumerate(waves)]
    one, two = waves[0] * 2 // 2, waves[1]
    limb = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return np.rint(np.array([*limb, *waves[2:]]) / microvolts).astype(np.int16)


def write_edf(
    path: Path,
    millivolts: NDArray[np.float64],
    rate: int = 500,
    leads: Sequence[str] = LEADS,
    unit: str = "mV",
    patient: str = "P1",
) -> Path:
    """Write EDF+ with pyedflib: 16 bits over ±16 mV."""
    import pyedflib

    with pyedflib.EdfWriter(str(path), len(leads), file_type=pyedflib.FILETYPE_EDFPLUS) as writer:
        writer.setPatientCode(patient)
        for row, lead in enumerate(leads):
            writer.setSignalHeader(
                row,
                {
                    "label": lead,
                    "dimension": unit,
                    "sample_frequency": rate,
                    "physical_min": -16.384,
                    "physical_max": 16.3835,
                    "digital_min": -32768,
                    "digital_max": 32767,
                    "transducer": "",
                    "prefilter": "",
                },
            )
        writer.writeSamples([np.ascontiguousarray(row, dtype=np.float64) for row in millivolts])
    return path


def write_dicom(
    path: Path,
    steps: STEPS,
    rate: float = 500,
    leads: Sequence[str] = LEADS,
    unit: str | None = "uV",
    sensitivity: float | None = 5.0,
    patient: str = "P1",
    median: STEPS | None = None,
) -> Path:
    """Write a 12-lead ECG object of DICOM (PS3.3 A.34.3) with pydicom."""
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    def code(value: str, scheme: str, meaning: str) -> Dataset:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
        return item

    def group(label: str, values: STEPS) -> Dataset:
        item = Dataset()
        item.WaveformOriginality = "ORIGINAL"
        item.NumberOfWaveformChannels, item.NumberOfWaveformSamples = values.shape
        item.SamplingFrequency = rate
        item.MultiplexGroupLabel = label
        item.WaveformBitsAllocated, item.WaveformSampleInterpretation = 16, "SS"
        item.ChannelDefinitionSequence = []
        for lead in leads:
            channel = Dataset()
            number = _MDC.get(lead)
            channel.ChannelSourceSequence = [code(f"2:{number}" if number else "x", "MDC", f"Lead {lead}")]
            channel.WaveformBitsStored = 16
            if sensitivity is not None:
                channel.ChannelSensitivity = sensitivity
                channel.ChannelSensitivityCorrectionFactor = 1
                channel.ChannelBaseline = 0
            if unit is not None:
                channel.ChannelSensitivityUnitsSequence = [code(unit, "UCUM", unit)]
            item.ChannelDefinitionSequence.append(channel)
        item.WaveformData = values.T.astype("<i2").tobytes()
        return item

    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = pydicom.uid.TwelveLeadECGWaveformStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.PatientID, data.PatientName, data.PatientSex, data.PatientAge = patient, "A^B", "F", "061Y"
    data.Modality = "ECG"
    data.WaveformSequence = [group("RHYTHM", steps)]
    if median is not None:
        data.WaveformSequence.append(group("MEDIAN BEAT", median))
    data.save_as(path, enforce_file_format=True)
    return path


def muse_xml(
    steps: STEPS,
    leads: Sequence[str] = ("I", "II", *LEADS[6:]),
    *,
    rate: str = "500",
    unit: str | None = "MICROVOLTS",
    per_bit: str | None = "4.88",
    patient: str = "P1",
    encoding: str = "utf-8",
    prolog: str = "<!DOCTYPE RestingECG SYSTEM 'restecg.dtd'>",
    count: int | None = None,
) -> bytes:
    """GE MUSE XML: median beats first, then the rhythm strip of eight leads, as the export has them."""

    def lead_data(lead: str, row: STEPS) -> str:
        payload = row.astype("<i2").tobytes()
        scale = "" if per_bit is None else f"<LeadAmplitudeUnitsPerBit>{per_bit}</LeadAmplitudeUnitsPerBit>"
        units = "" if unit is None else f"<LeadAmplitudeUnits>{unit}</LeadAmplitudeUnits>"
        return (
            f"<LeadData><LeadByteCountTotal>{len(payload)}</LeadByteCountTotal>"
            f"<LeadSampleCountTotal>{row.size if count is None else count}</LeadSampleCountTotal>"
            f"{scale}{units}"
            f"<LeadID>{lead}</LeadID><LeadSampleSize>2</LeadSampleSize>"
            f"<LeadDataCRC32>{zlib.crc32(payload)}</LeadDataCRC32>"
            f"<WaveFormData>{base64.b64encode(payload).decode()}</WaveFormData></LeadData>"
        )

    def waveform(kind: str, rows: STEPS) -> str:
        data = "".join(lead_data(lead, row) for lead, row in zip(leads, rows, strict=True))
        return (
            f"<Waveform><WaveformType>{kind}</WaveformType><NumberofLeads>{len(leads)}</NumberofLeads>"
            f"<SampleType>CONTINUOUS_SAMPLES</SampleType><SampleBase>{rate}</SampleBase>"
            f"<SampleExponent>0</SampleExponent>{data}</Waveform>"
        )

    text = (
        f"<?xml version='1.0' encoding='{encoding}'?>{prolog}<RestingECG><MuseInfo/>"
        f"<PatientDemographics><PatientID>{patient}</PatientID><PatientAge>61</PatientAge>"
        f"<AgeUnits>YEARS</AgeUnits><Gender>FEMALE</Gender><PatientLastName>Müller</PatientLastName>"
        f"</PatientDemographics>{waveform('Median', steps[:, :300] // 2)}{waveform('Rhythm', steps)}"
        f"</RestingECG>"
    )
    return text.encode(encoding)


def hl7_xml(
    steps: STEPS, leads: Sequence[str] = LEADS, *, increment: str = "0.002", unit: str | None = "uV"
) -> bytes:
    """HL7 aECG: one rhythm series."""
    units = "" if unit is None else f' unit="{unit}"'
    sequences = "".join(
        f'<component><sequence><code code="MDC_ECG_LEAD_{lead.upper()}" codeSystem="2.16.840.1.113883.6.24"/>'
        f'<value xsi:type="SLIST_PQ"><origin value="0"{units}/><scale value="5"{units}/>'
        f"<digits>{' '.join(map(str, row.tolist()))}</digits></value></sequence></component>"
        for lead, row in zip(leads, steps, strict=True)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><AnnotatedECG xmlns="urn:hl7-org:v3" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><id root="1.2.3"/><component><series>'
        '<code code="RHYTHM"/><component><sequenceSet><component><sequence><code code="TIME_ABSOLUTE"/>'
        f'<value xsi:type="GLIST_TS"><head value="20200101100000"/><increment value="{increment}" unit="s"/>'
        f"</value></sequence></component>{sequences}</sequenceSet></component></series></component></AnnotatedECG>"
    ).encode()


def _lzw_literals(content: bytes) -> bytes:
    """A valid LZW stream of 10-bit codes, each of which stands for its own byte."""
    bits = "".join(f"{byte:010b}" for byte in content)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def xli(rows: NDArray[np.int64]) -> bytes:
    """Philips' XLI: second differences as high bytes and low bytes, LZW, eight bytes of header a lead."""
    packed = b""
    for row in rows:
        values = row.tolist()
        codes = [values[0], values[1]]
        lasts = [2 * values[k - 1] - values[k - 2] - values[k] for k in range(2, len(values))]
        codes += [last + 64 for last in lasts[1:]] + [64]
        words = np.array(codes, dtype=np.int64).astype("<i2").view(np.uint16)
        body = _lzw_literals(
            (words >> 8).astype(np.uint8).tobytes() + (words & 255).astype(np.uint8).tobytes()
        )
        first = lasts[0] if lasts else 0
        packed += struct.pack("<iHh", len(body), 0, first) + body
    return packed


def sierra_xml(
    steps: STEPS, *, compressed: bool = False, resolution: str | None = "5", encoding: str = "utf-8"
) -> bytes:
    """Philips Sierra XML 1.04: all twelve leads, plain or in XLI, whose limb leads are residuals."""
    rows = steps.astype(np.int64)
    if compressed:
        one, two = rows[0], rows[1]
        rows = rows.copy()
        three = rows[2].copy()
        rows[2] = two - one - three
        rows[3] = -rows[3] - (one + two) // 2
        rows[4] = (one - three) // 2 - rows[4]
        rows[5] = (two + three) // 2 - rows[5]
        data, how = xli(rows), 'compressflag="True" compressmethod="XLI"'
    else:
        data, how = steps.astype("<i2").tobytes(), 'compressflag="False"'
    said = "" if resolution is None else f"<resolution>{resolution}</resolution>"
    seconds = steps.shape[1] / 500
    return (
        f'<?xml version="1.0" encoding="{encoding}"?><restingecgdata xmlns="http://www3.medical.philips.com">'
        "<documentinfo><documenttype>SierraECG</documenttype><documentversion>1.04</documentversion>"
        "</documentinfo><patient><generalpatientdata><patientid>P1</patientid></generalpatientdata></patient>"
        f"<dataacquisition><signalcharacteristics>{said}<samplingrate>500</samplingrate>"
        "<numberchannelsvalid>12</numberchannelsvalid></signalcharacteristics></dataacquisition><waveforms>"
        f'<parsedwaveforms samplespersecond="500" durationperchannel="{seconds * 1000:g}" '
        f'dataencoding="Base64" {how} numberofleads="12" leadlabels="{" ".join(LEADS)}">'
        f"{base64.b64encode(data).decode()}"
        "</parsedwaveforms></waveforms></restingecgdata>"
    ).encode(encoding)


def mortara_xml(steps: STEPS, *, per_mv: str | None = "200", rate: str = "500") -> bytes:
    """Mortara ELI XML."""
    units = "" if per_mv is None else f' UNITS_PER_MV="{per_mv}"'
    channels = "".join(
        f'<CHANNEL OFFSET="0" BITS="16" FORMAT="SIGNED"{units} DURATION="{row.size}" SAMPLE_FREQ="{rate}" '
        f'NAME="{lead}" ENCODING="BASE64" DATA="{base64.b64encode(row.astype("<i2").tobytes()).decode()}"/>'
        for lead, row in zip(LEADS, steps, strict=True)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ECG ACQUISITION_TIME="20200101100000">'
        f'<SOURCE TYPE="RECORDER" MANUFACTURER="MORTARA"/><SUBJECT ID="P1"/>{channels}</ECG>'
    ).encode()


def kardia_json(steps: STEPS, *, nanovolts: float | None = 5000.0, rate: float = 300) -> bytes:
    """AliveCor Kardia 6L."""
    names = ("leadI", "leadII", "leadIII", "AVR", "AVL", "AVF")
    raw: dict[str, object] = {
        "frequency": rate,
        "numLeads": 6,
        "samples": {name: row.tolist() for name, row in zip(names, steps[:6], strict=True)},
    }
    if nanovolts is not None:
        raw["amplitudeResolution"] = nanovolts
    return json.dumps(
        {"id": "x", "recordedAt": "2020-01-01T10:00:00Z", "patientID": "P1", "data": {"raw": raw}}
    ).encode()


def ishne(steps: STEPS, *, nanovolts: int = 5000, rate: int = 500, said: int | None = None) -> bytes:
    """ISHNE 1.0 (Badilini 1998): a header of 522 bytes, then samples interleaved."""
    header = bytearray(512)
    samples = steps.shape[1]
    struct.pack_into("<iiiih", header, 0, 0, samples if said is None else said, 522, 522, 1)
    header[18 : 18 + 4] = b"Anna"
    struct.pack_into("<h", header, 156 - 10, len(steps))
    order = {"I": 5, "II": 6, "III": 7, "aVR": 8, "aVL": 9, "aVF": 10} | {
        f"V{k}": 10 + k for k in range(1, 7)
    }
    for row in range(12):
        has = row < len(steps)
        struct.pack_into("<h", header, 158 - 10 + 2 * row, order[LEADS[row]] if has else -9)
        struct.pack_into("<h", header, 206 - 10 + 2 * row, nanovolts if has else -9)
    struct.pack_into("<h", header, 272 - 10, rate)
    checksum = binascii.crc_hqx(bytes(header), 0xFFFF)
    return b"ISHNE1.0" + struct.pack("<H", checksum) + bytes(header) + steps.T.astype("<i2").tobytes()


def mfer(steps: STEPS, *, microvolts: int | None = 5, interval_us: int = 2000) -> bytes:
    """MFER (ISO 22077-1): big-endian definitions, a block a channel, one sequence."""

    def tag(number: int, value: bytes) -> bytes:
        size = len(value)
        length = bytes([size]) if size < 128 else b"\x84" + size.to_bytes(4, "big")
        return bytes([number]) + length + value

    body = tag(0x40, b"MFR  Standard 12 leads ECG".ljust(32))
    body += tag(0x0B, bytes([1, 0xFA]) + interval_us.to_bytes(4, "big"))  # seconds, 10^-6
    if microvolts is not None:
        body += tag(0x0C, bytes([0, 0xFA]) + microvolts.to_bytes(2, "big"))  # volts, 10^-6
    body += tag(0x04, steps.shape[1].to_bytes(4, "big")) + tag(0x05, bytes([len(steps)])) + tag(0x06, b"\1")
    for channel, lead in enumerate(LEADS):
        body += bytes([0x3F, channel]) + b"\4" + tag(0x09, _MDC[lead].to_bytes(2, "big"))
    return body + tag(0x1E, steps.astype(">i2").tobytes()) + b"\x80\x00"


def _scp_crc(content: bytes) -> int:
    return binascii.crc_hqx(content, 0xFFFF)


def scp(steps: STEPS, *, nanovolts: int = 5000, interval_us: int = 2000, starts: Sequence[int] = ()) -> bytes:
    """SCP-ECG (EN 1064): sections 0, 1, 3 and 6, whose samples are not compressed."""
    count, samples = steps.shape

    def section(number: int, body: bytes) -> bytes:
        body += b"\0" * (len(body) % 2)
        head = struct.pack("<HIBB6s", number, 16 + len(body), 20, 20, b"SCPECG" if number == 0 else b"")
        return struct.pack("<H", _scp_crc(head + body)) + head + body

    patient = b"P1\0"
    one = bytes([2]) + struct.pack("<H", len(patient)) + patient + bytes([255, 0, 0])
    starts = starts or [1] * count
    three = bytes([count, 0x04 | count << 3 & 0xFF])
    for lead, start in zip(LEADS, starts, strict=False):
        three += struct.pack("<IIB", start, start + samples - 1, _MDC[lead])
    six = struct.pack("<HHBB", nanovolts, interval_us, 0, 0) + struct.pack("<H", 2 * samples) * count
    six += steps.astype("<i2").tobytes()
    bodies = {1: section(1, one), 3: section(3, three), 6: section(6, six)}
    length = 16 + 10 * 12
    pointers, position = struct.pack("<HII", 0, length, 7), 7 + length
    for number in range(1, 12):
        size = len(bodies.get(number, b""))
        pointers += struct.pack("<HII", number, size, position if size else 0)
        position += size
    content = section(0, pointers) + b"".join(bodies.values())
    sized = struct.pack("<I", 6 + len(content)) + content
    return struct.pack("<H", _scp_crc(sized)) + sized

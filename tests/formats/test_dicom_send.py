"""C-STORE to a real Orthanc over DICOM, read back over DICOMweb; and to archives that fail."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.request
from email.parser import BytesParser
from pathlib import Path

import numpy as np
import pytest

from vct.errors import InputError
from vct.formats.dicom_send import Archive, SendError, send
from vct.formats.series import find_series, read_series
from vct.formats.suv import suv_rule

PLUGINS = [Path("/usr/share/orthanc/plugins"), Path("/usr/lib/orthanc")]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def orthanc(witness, tmp_path_factory):
    """An archive of one's own on loopback: its DICOM port and the address of its HTTP server."""
    folder = tmp_path_factory.mktemp("orthanc")
    dicom, http = free_port(), free_port()
    settings = {
        "Name": "test",
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "Plugins": [str(found) for path in PLUGINS for found in path.glob("libOrthancDicomWeb.so*")][:1],
        "DicomAet": "TESTPACS",
        "DicomPort": dicom,
        "HttpPort": http,
        "HttpBindAddresses": ["127.0.0.1"],
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowStore": True,
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    program = subprocess.Popen(
        [witness("Orthanc"), folder / "orthanc.json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{http}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/system", timeout=1.0).close()
                break
            except OSError:
                time.sleep(0.1)
        yield dicom, address
    finally:
        program.terminate()
        program.wait(timeout=20)


def get(url: str, accept: str) -> tuple[bytes, str]:
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=30.0) as answer:
        return answer.read(), answer.headers["Content-Type"]


def test_second_implementation_orthanc_takes_it_and_gives_it_back(orthanc, exam, dicom_folder, tmp_path) -> None:
    port, address = orthanc
    files = sorted(dicom_folder.rglob("*.dcm"))
    archive = Archive(host="127.0.0.1", port=port, called_aet="TESTPACS")
    assert send(files, archive) == len(files)
    body, _ = get(f"{address}/dicom-web/series", "application/dicom+json")
    found = {item["00080060"]["Value"][0]: item["0020000E"]["Value"][0] for item in json.loads(body)}
    assert set(found) == {"PT", "CT", "SEG", "SR"}
    (study,) = {item["0020000D"]["Value"][0] for item in json.loads(body)}
    assert study == exam.uid(*exam.own)
    url = f"{address}/dicom-web/studies/{study}/series/{found['PT']}"
    body, kind = get(url, 'multipart/related; type="application/dicom"')
    message = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
    for index, part in enumerate(message.get_payload()):
        (tmp_path / f"{index}.dcm").write_bytes(part.get_payload(decode=True))
    (series,) = find_series(tmp_path.iterdir())
    rule = suv_rule(series.files)
    back = read_series(series, rule.factor).upright("SUVbw")
    assert np.abs(back.data - exam.pet.data).max() <= 0.51 * float(series.header.RescaleSlope) * rule.factor


def test_an_archive_that_refuses_the_title_gets_no_instance(orthanc, dicom_folder) -> None:
    archive = Archive(host="127.0.0.1", port=orthanc[0], called_aet="WRONG", tries=2, wait_s=0.05)
    with pytest.raises(SendError, match=r"0001\.dcm: not stored at 127.0.0.1:\d+ \(no association\)"):
        send([dicom_folder / "PT" / "0001.dcm"], archive)


def test_nobody_listens(dicom_folder) -> None:
    with pytest.raises(SendError, match="not stored"):
        send([dicom_folder / "PT" / "0001.dcm"], Archive(host="127.0.0.1", port=free_port(), tries=2, wait_s=0.05))


@pytest.fixture
def fickle():
    """An archive that answers with the statuses it is given, one an instance; None aborts the association."""
    from pydicom.uid import PositronEmissionTomographyImageStorage
    from pynetdicom import AE, evt

    started = []

    def start(*statuses):
        left, stored = list(statuses), []

        def on_store(event):
            status = left.pop(0) if left else 0x0000
            if status is None:
                event.assoc.abort()
                return 0x0110
            if status == 0x0000:
                stored.append(event.request.AffectedSOPInstanceUID)
            return status

        entity = AE(ae_title="FICKLE")
        entity.add_supported_context(PositronEmissionTomographyImageStorage)
        server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, on_store)])
        started.append(server)
        return Archive(host="127.0.0.1", port=server.server_address[1], wait_s=0.05), stored

    yield start
    for server in started:
        server.shutdown()


@pytest.mark.parametrize("trouble", [0xA700, 0x0110, None], ids=["full", "failed", "abort"])
def test_another_try_after_passing_trouble(fickle, dicom_folder, trouble) -> None:
    files = sorted((dicom_folder / "PT").glob("000[1-3].dcm"))
    archive, stored = fickle(0x0000, trouble, 0x0000)
    assert send(files, archive) == 3
    assert len(stored) == 3


def test_a_refusal_is_final(fickle, dicom_folder) -> None:
    archive, stored = fickle(0xC000)
    with pytest.raises(SendError, match="refused with status 0xc000"):
        send([dicom_folder / "PT" / "0001.dcm"], archive)
    assert stored == []


@pytest.mark.parametrize("address", ["host", "host:", "host:0", "host:70000", ":104", "host:x"])
def test_bad_addresses(address) -> None:
    with pytest.raises(InputError, match="--send must be HOST:PORT"):
        Archive.parsed(address, "PACS")


def test_bad_titles() -> None:
    with pytest.raises(InputError, match="AE title"):
        Archive.parsed("host:104", "A" * 17)

"""C-STORE to an archive, instance by instance, with another try where the network or the archive had none to give."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vct.errors import InputError, VctError
from vct.formats.tags import read_whole

RETRIED = (0xA700, 0x0110)
"""Out of resources, processing failure: the archive may recover."""


class SendError(VctError):
    """An archive that cannot be reached or refuses an instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Where to send to: host, port, the archive's AE title and our own."""

    host: str
    port: int
    called_aet: str = "ANY-SCP"
    calling_aet: str = "VCT"
    tries: int = 4
    wait_s: float = 1.0

    @classmethod
    def parsed(cls, address: str, called_aet: str, calling_aet: str = "VCT") -> Archive:
        """From `HOST:PORT`. Raises InputError where it is none, or an AE title is not 1 to 16 plain characters."""
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise InputError(f"--send must be HOST:PORT (got {address!r})")
        for title in (called_aet, calling_aet):
            if not 0 < len(title.strip()) <= 16 or not title.isascii() or not title.isprintable() or "\\" in title:
                raise InputError(f"an AE title must be 1 to 16 ASCII characters (got {title!r})")
        return cls(host=host.strip("[]"), port=int(port), called_aet=called_aet, calling_aet=calling_aet)


def send(paths: Iterable[Path], archive: Archive, watch: Callable[[int], None] = lambda _: None) -> int:
    """Store every file; returns how many were stored. `watch` hears of each.

    An instance is tried again after 1, 2, 4 s where the association breaks, cannot be made, or the archive is out of
    resources. Raises SendError, which names file or instance, when the last try fails or the archive refuses for
    another reason.
    """
    waiting = list(paths)
    done = 0
    association: Any = None
    try:
        for path in waiting:
            instance = read_whole(path)
            for attempt in range(archive.tries):
                if association is None or not association.is_established:
                    association = _associate(archive)
                problem = _store(association, instance) if association is not None else "no association"
                if not problem:
                    break
                if attempt + 1 == archive.tries:
                    raise SendError(f"{path}: not stored at {archive.host}:{archive.port} ({problem})")
                time.sleep(archive.wait_s * 2.0**attempt)
            done += 1
            watch(done)
    finally:
        if association is not None and association.is_established:
            association.release()
    return done


def _associate(archive: Archive) -> Any:
    """An association for the classes that we write, or None."""
    import socket

    from pynetdicom import AE

    try:
        socket.create_connection((archive.host, archive.port), timeout=10.0).close()
    except OSError:
        return None
    entity = AE(ae_title=archive.calling_aet)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 60.0
    entity.connection_timeout = 10.0
    for sop_class in _classes():
        entity.add_requested_context(sop_class, ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])
    found = entity.associate(archive.host, archive.port, ae_title=archive.called_aet)
    return found if found.is_established else None


def _classes() -> tuple[str, ...]:
    from pydicom import uid

    return (
        uid.PositronEmissionTomographyImageStorage,
        uid.CTImageStorage,
        uid.SegmentationStorage,
        uid.Comprehensive3DSRStorage,
    )


def _store(association: Any, instance: Any) -> str:
    """ "" when stored, else what to say after the last try. Raises SendError for a refusal that will not change."""
    try:
        status = association.send_c_store(instance)
    except (ValueError, RuntimeError) as error:
        if not association.is_established:
            return "the association broke"
        raise SendError(f"{instance.SOPInstanceUID}: cannot be sent ({error})") from None
    if "Status" not in status:
        return "no answer"
    code = int(status.Status)
    if code == 0x0000 or 0xB000 <= code <= 0xBFFF:
        return ""
    if code in RETRIED or 0xA700 <= code <= 0xA7FF:
        return f"status 0x{code:04x}"
    raise SendError(f"{instance.SOPInstanceUID}: refused with status 0x{code:04x}")

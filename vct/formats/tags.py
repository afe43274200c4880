"""DICOM headers, read with suspicion: every complaint names the file and the tag."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from vct.errors import InputError

if TYPE_CHECKING:
    from pydicom import Dataset

MAX_FILE_BYTES = 256 * 2**20
DEFLATED = ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95")
DICOMDIR = "1.2.840.10008.1.3.10"


class TagError(InputError):
    """A tag that is missing or cannot be right; `reason` says so without naming files or values."""

    def __init__(self, message: str, reason: str = "wrong tag") -> None:
        self.reason = reason
        super().__init__(message)


def read_header(path: Path) -> Dataset | None:
    """The header of a DICOM file without its pixels, or None for a file of another kind.

    Raises InputError for a DICOM file that is damaged, larger than 256 MiB, or deflated (which could unpack to any
    size).
    """
    from pydicom import dcmread

    return _read(path, lambda file: dcmread(file, stop_before_pixels=True))


def read_whole(path: Path) -> Dataset:
    """A DICOM file with its pixels. Raises InputError as `read_header`, and for a file of another kind."""
    from pydicom import dcmread

    found = _read(path, dcmread)
    if found is None:
        raise InputError(f"{path}: is no DICOM file")
    return found


def read_names(path: Path) -> tuple[str, str] | None:
    """PatientID (perhaps "") and StudyInstanceUID of a DICOM file, read no further than that.

    None for files of another kind and for DICOMDIR.

    Raises InputError as `read_header`.
    """
    from pydicom.filereader import read_partial

    last, wanted = 0x0020000D, [0x00100020, 0x0020000D]
    found = _read(path, lambda file: read_partial(file, lambda tag, *_: tag > last, specific_tags=wanted))
    if found is None or text(found.file_meta, "MediaStorageSOPClassUID") == DICOMDIR:
        return None
    if not text(found, "StudyInstanceUID"):
        raise InputError(f"{path}: is a truncated DICOM file: it has no (0020,000d) StudyInstanceUID")
    return text(found, "PatientID"), text(found, "StudyInstanceUID")


def _read(path: Path, read: Callable[[BinaryIO], Dataset]) -> Dataset | None:
    from pydicom.filereader import read_file_meta_info

    try:
        with path.open("rb") as file:
            file.seek(128)
            if file.read(4) != b"DICM":
                return None
            if path.stat().st_size > MAX_FILE_BYTES:
                raise InputError(f"{path}: is larger than {MAX_FILE_BYTES // 2**20} MiB")
            if str(read_file_meta_info(path).get("TransferSyntaxUID", "")) in DEFLATED:
                raise InputError(f"{path}: (0002,0010) TransferSyntaxUID is deflated, which is not supported")
            file.seek(0)
            return read(file)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except Exception as error:  # a damaged header makes pydicom raise anything at all
        raise InputError(f"{path}: is a damaged DICOM file ({type(error).__name__})") from None


def name_of(keyword: str) -> str:
    """`(0010,1030) PatientWeight` for `PatientWeight`."""
    from pydicom.datadict import tag_for_keyword
    from pydicom.tag import Tag

    tag = tag_for_keyword(keyword)
    return keyword if tag is None else f"({Tag(tag).group:04x},{Tag(tag).element:04x}) {keyword}"


def complain(path: Path, keyword: str, rule: str, value: object = None, beside: Path | None = None) -> TagError:
    """The error to raise about a tag; `beside` is another file that it does not go with."""
    shown = "" if value is None else f" (got {str(value)[:60]!r})"
    other = "" if beside is None else f" (beside {beside.name})"
    reason = f"{name_of(keyword)} {rule}"
    return TagError(f"{path}: {reason}{other}{shown}", reason)


def text(header: Dataset, keyword: str) -> str:
    """A tag as text, "" where it is missing or empty."""
    value = header.get(keyword)
    return "" if value is None else str(value).strip()


def number(path: Path, header: Dataset, keyword: str) -> float:
    """A tag as a finite number. Raises TagError where it is missing, empty or none."""
    value = header.get(keyword)
    if value is None or value == "":
        raise complain(path, keyword, "is missing")
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise complain(path, keyword, "is no number", value) from None
    if not math.isfinite(found):
        raise complain(path, keyword, "is not finite", value)
    return found


def numbers(path: Path, header: Dataset, keyword: str, count: int) -> tuple[float, ...]:
    """A tag of `count` finite numbers. Raises TagError where it is anything else."""
    value = header.get(keyword)
    try:
        found = tuple(float(item) for item in value or ())
    except (TypeError, ValueError):
        found = ()
    if len(found) != count or not all(map(math.isfinite, found)):
        raise complain(path, keyword, f"must hold {count} numbers", value)
    return found


def moment(path: Path, header: Dataset, what: str) -> dt.datetime:
    """`what` + "Date" and `what` + "Time" together, without time zone. Raises TagError where either is missing."""
    day, clock = text(header, f"{what}Date"), text(header, f"{what}Time")
    if not day or not clock:
        raise complain(path, f"{what}{'Date' if not day else 'Time'}", "is missing")
    return parsed_moment(path, f"{what}Time", day + clock)


def parsed_moment(path: Path, keyword: str, value: str) -> dt.datetime:
    """A DICOM DT (`YYYYMMDDHHMMSS.ffffff`, its time zone dropped). Raises TagError where it is none."""
    head, _, fraction = value.split("+")[0].split("-")[0].replace(":", "").partition(".")
    try:
        seconds = dt.timedelta(seconds=float(f"0.{fraction}") if fraction else 0.0)
        return dt.datetime.strptime(head[:14].ljust(14, "0"), "%Y%m%d%H%M%S") + seconds
    except ValueError:
        raise complain(path, keyword, "is no date and time", value) from None


def private(header: Dataset, group: int, creator: str, element: int) -> Any:
    """A private element's value, or None where the creator's block or the element is not there."""
    try:
        return header.private_block(group, creator)[element].value
    except KeyError:
        return None

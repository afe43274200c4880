"""Thumbnails of a scan: front and side PET projections, a CT slice and both fused, always marked SYNTHETIC."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vct.records import Patient, Scan
from vct.report.packed import lesion_masks
from vct.volume import Grid, Volume

if TYPE_CHECKING:
    from PIL import Image

SUV_WINDOW = (0.0, 7.0)
CT_WINDOW_HU = (-160.0, 240.0)
"""Width 400, level 40: the usual soft-tissue window."""
AIR_HU = -1000.0
FUSED_FROM = 0.15
"""Share of the SUV window below which the fused panel shows CT only."""
PIXEL_MM = 3.0
MAX_HEIGHT = 400
MARGIN, TEXT = 6, 12
INK = (60, 60, 60)
OUTLINES = ((64, 255, 64), (0, 200, 255))
"""Colours of the reader's 41 % contours and of the planted lesions, as in the viewer; the later one lies on top."""
_MARK = "SYNTHETIC"
_KEYS = ("patient", "arm", "visit", "day")

Plane = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class MipImage:
    """The thumbnail of one scan as PNG."""

    patient: str
    arm: str
    visit: str
    png: bytes

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, from the PNG's header."""
        return int.from_bytes(self.png[16:20]), int.from_bytes(self.png[20:24])


def mip_png(scan: Scan) -> bytes:
    """PNG of a scan, the same bytes for the same scan: four panels at one scale, head up.

    Front projection and slices in radiological display (the patient's right on the viewer's left), side projection
    facing left. PET in inverted grey, SUV 0 to 7; CT at width 400, level 40. The slice goes through the largest placed
    lesion, or through the middle of the body; on it lesions are outlined, as planted and as read. The file names its
    patient, arm, visit and day, for `pictures_in`.
    """
    pet, ct = scan.pet, scan.ct
    pixel = max(PIXEL_MM, pet.grid.shape[2] * pet.grid.spacing_mm[2] / MAX_HEIGHT)
    at_y = _slice_mm(scan)
    front = _seen(pet.data.max(axis=1), pet.grid, 0, pet.grid, pixel, 0.0)
    side = _seen(pet.data.max(axis=0), pet.grid, 1, pet.grid, pixel, 0.0)
    tissue = _grey(_seen(_coronal(ct, at_y), ct.grid, 0, pet.grid, pixel, AIR_HU), CT_WINDOW_HU)
    uptake = _window(_seen(_coronal(pet, at_y), pet.grid, 0, pet.grid, pixel, 0.0), SUV_WINDOW)
    truth, contour = lesion_masks(scan)
    rings = [_ring(_marked(mask, at_y, pet.grid, pixel)) for mask in (contour, truth)]
    panels = [
        ("PET MIP, front", 255 - _grey(front, SUV_WINDOW), True),
        ("PET MIP, side", 255 - _grey(side, SUV_WINDOW), False),
        ("CT slice", _outlined(np.repeat(tissue[..., None], 3, axis=-1), rings), True),
        ("PET on CT", _outlined(_fused(tissue, uptake), rings), True),
    ]
    visit, patient = scan.snapshot.visit, scan.snapshot.patient
    caption = " · ".join(part for part in (_MARK, patient.id, patient.arm, visit.name, "SUV 0 to 7") if part)
    return _encode(_sheet(panels, caption), (patient.id, patient.arm, visit.name, repr(float(visit.day))))


def pictures_in(folder: Path, patients: Iterable[Patient]) -> tuple[MipImage, ...]:
    """The thumbnails that a run left in its folder, in the order of `patients` and of their days."""
    from PIL import Image

    order = {(patient.id, patient.arm): rank for rank, patient in enumerate(patients)}
    found = []
    for path in sorted((folder / "pictures").glob("*.png")):
        png = path.read_bytes()
        with Image.open(io.BytesIO(png)) as image:
            patient, arm, visit, day = (str(image.info.get(key, "")) for key in _KEYS)
        if (patient, arm) in order:
            image_of = MipImage(patient=patient, arm=arm, visit=visit, png=png)
            found.append((order[patient, arm], float(day), image_of))
    return tuple(item for *_, item in sorted(found, key=lambda entry: entry[:2]))


def _slice_mm(scan: Scan) -> float:
    """y of the coronal slice."""
    placed = [lesion for lesion in scan.snapshot.lesions if lesion.center_mm is not None]
    if placed:
        largest = max(placed, key=lambda lesion: lesion.diameter_mm)
        return largest.center_mm[1] if largest.center_mm else 0.0
    inside = np.flatnonzero((scan.ct.data > CT_WINDOW_HU[0]).any(axis=(0, 2)))
    middle = float(inside.mean()) if inside.size else (scan.ct.grid.shape[1] - 1) / 2
    return scan.ct.grid.origin_mm[1] + middle * scan.ct.grid.spacing_mm[1]


def _coronal(volume: Volume, at_y: float) -> Plane:
    index = round((at_y - volume.grid.origin_mm[1]) / volume.grid.spacing_mm[1])
    return np.asarray(volume.data[:, min(max(index, 0), volume.grid.shape[1] - 1), :], dtype=float)


def _seen(plane: NDArray[Any], grid: Grid, axis: int, frame: Grid, pixel_mm: float, outside: float) -> Plane:
    """(axis, z) values of `grid` as the viewer's (rows, columns) over the field of view of `frame`, interpolated.

    Rows run from head to foot, columns from high to low coordinate: from the patient's right, or from the front.
    """
    columns = _steps(frame, axis, pixel_mm)
    rows = _steps(frame, 2, pixel_mm)
    across = _interpolated(np.asarray(plane, dtype=float), grid.axes_mm()[axis].ravel(), columns, outside)
    return _interpolated(across.T, grid.axes_mm()[2].ravel(), rows, outside)


def _steps(grid: Grid, axis: int, pixel_mm: float) -> Plane:
    """Pixel centres from the high face of the grid to the low one."""
    spacing, count = grid.spacing_mm[axis], grid.shape[axis]
    pixels = max(1, round(count * spacing / pixel_mm))
    return np.asarray(
        grid.origin_mm[axis] + spacing * (count - 0.5) - pixel_mm * (np.arange(pixels) + 0.5), dtype=float
    )


def _interpolated(values: Plane, at: Plane, wanted: Plane, outside: float) -> Plane:
    """Linear interpolation along the first axis; `outside` beyond the voxels' outer faces."""
    spacing = float(at[1] - at[0]) if at.size > 1 else 1.0
    place = (wanted - at[0]) / spacing
    low = np.clip(np.floor(place).astype(int), 0, at.size - 1)
    high = np.minimum(low + 1, at.size - 1)
    share = np.clip(place - low, 0.0, 1.0)[:, None]
    found = (1 - share) * values[low] + share * values[high]
    return np.where(((place < -0.5) | (place > at.size - 0.5))[:, None], outside, found)


def _window(values: Plane, window: tuple[float, float]) -> Plane:
    return np.clip((values - window[0]) / (window[1] - window[0]), 0.0, 1.0)


def _grey(values: Plane, window: tuple[float, float]) -> NDArray[np.uint8]:
    return np.rint(255 * _window(values, window)).astype(np.uint8)


def _fused(tissue: NDArray[np.uint8], uptake: Plane) -> NDArray[np.uint8]:
    """Uptake from black over red and yellow to white, laid over the CT the more opaque the hotter it is."""
    hot = np.stack([np.clip(3 * uptake - shift, 0.0, 1.0) for shift in (0, 1, 2)], axis=-1)
    opacity = np.clip(2 * (uptake - FUSED_FROM), 0.0, 0.85)[..., None]
    return np.rint((1 - opacity) * tissue[..., None] + opacity * 255 * hot).astype(np.uint8)


def _marked(mask: Volume, at_y: float, frame: Grid, pixel_mm: float) -> NDArray[np.bool_]:
    """The coronal slice of a mask as the viewer's (rows, columns) over the field of view of `frame`: nearest voxels."""
    plane = _coronal(mask, at_y) > 0.0
    places = []
    for axis, size in zip((0, 2), plane.shape, strict=True):
        steps = _steps(frame, axis, pixel_mm) - mask.grid.origin_mm[axis]
        places.append(np.clip(np.rint(steps / mask.grid.spacing_mm[axis]).astype(int), 0, size - 1))
    return np.asarray(plane[np.ix_(*places)].T)


def _ring(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels that touch the region from outside."""
    wide = np.pad(inside, 1)
    near = wide[2:, 1:-1] | wide[:-2, 1:-1] | wide[1:-1, 2:] | wide[1:-1, :-2]
    return np.asarray(near & ~inside)


def _outlined(pixels: NDArray[np.uint8], rings: Sequence[NDArray[np.bool_]]) -> NDArray[np.uint8]:
    drawn = pixels.copy()
    for ring, colour in zip(rings, OUTLINES, strict=True):
        drawn[ring] = colour
    return drawn


def _sheet(panels: list[tuple[str, NDArray[np.uint8], bool]], caption: str) -> Image.Image:
    from PIL import Image, ImageDraw, ImageFont

    line = TEXT + 4
    font = ImageFont.load_default(TEXT)
    height = max(pixels.shape[0] for _, pixels, _ in panels) + 2 * line
    widths = [max(pixels.shape[1], round(font.getlength(name))) for name, pixels, _ in panels]
    width = max(sum(widths) + MARGIN * (len(panels) - 1), round(font.getlength(caption)))
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    x = 0
    for (name, pixels, sided), wide in zip(panels, widths, strict=True):
        sheet.paste(Image.fromarray(pixels), (x, line))
        draw.text((x, 0), name, fill=INK, font=font)
        if sided:
            shade = "white" if pixels[:line, :line].mean() < 128 else INK
            draw.text((x + 2, line + 2), "R", fill=shade, font=font)
            draw.text((x + pixels.shape[1] - TEXT + 2, line + 2), "L", fill=shade, font=font)
        x += wide + MARGIN
    draw.text((0, height - line + 1), caption, fill=INK, font=font)
    return sheet


def _encode(sheet: Image.Image, values: tuple[str, ...]) -> bytes:
    from PIL import PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add_itxt("Description", f"{_MARK}: a virtual patient, not for clinical use")
    for key, value in zip(_KEYS, values, strict=True):
        info.add_itxt(key, value)
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG", optimize=True, pnginfo=info)
    return buffer.getvalue()

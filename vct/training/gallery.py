"""A contact sheet of engines side by side: the same people, over sex, age and BMI."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from vct.engine.atlas.gallery import gallery_patients, strip
from vct.engine.base import Engine
from vct.files import write_aside
from vct.records import Patient, Snapshot, Visit


def contact_sheet(
    engines: Mapping[str, Engine], out: Path, seed: int, patients: Sequence[Patient] | None = None
) -> None:
    """Write one grey PNG: a row a patient, a column an engine, each named by its key."""
    from PIL import Image

    visit = Visit(name="baseline", day=0.0)
    rows = []
    for patient in patients or gallery_patients():
        snapshot = Snapshot(patient=patient, visit=visit)
        strips = [strip(made.generate(snapshot, seed), f"{name} {patient.id}") for name, made in engines.items()]
        height = max(item.shape[0] for item in strips)
        rows.append(np.concatenate([np.pad(s, ((0, height - s.shape[0]), (0, 0))) for s in strips], axis=1))
    width = max(row.shape[1] for row in rows)
    sheet = np.concatenate([np.pad(row, ((0, 0), (0, width - row.shape[1]))) for row in rows])
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "PNG", optimize=True)
    write_aside(out, buffer.getvalue())

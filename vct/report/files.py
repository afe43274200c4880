"""Writing the report into a run folder, each file aside first and then renamed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vct.files import write_aside
from vct.records import TrialResult
from vct.report.images import MipImage


def write(result: TrialResult, folder: Path, images: Sequence[MipImage] = ()) -> Path:
    """Write `report.html`, `summary.md` and `tables/*.csv` into `folder`; return the path of the page.

    The same result and images give the same bytes. Raises StorageError when the folder cannot be written.
    """
    from vct.report import charts, consort, page, summary, tables

    flow = consort.flow(result)
    drawn = (charts.waterfall, charts.spaghetti, charts.response, charts.survival, charts.forest)
    figures = [figure for chart in drawn if (figure := chart(result))]
    panels = charts.truth_panels(result)
    frames = {**tables.all_tables(result), "consort": consort.table(flow)}
    for figure in [*figures, *panels]:
        frames |= figure.frames
    for name, frame in frames.items():
        write_aside(folder / "tables" / f"{name}.csv", tables.to_csv(frame))
    write_aside(folder / "summary.md", summary.markdown(result, frames).encode())
    text = page.html(result, flow=flow, frames=frames, figures=figures, panels=panels, images=images)
    write_aside(folder / "report.html", text.encode())
    return folder / "report.html"

"""Writing the report into a run folder, each file aside first and then renamed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vct.files import write_aside
from vct.records import TrialResult
from vct.report.companions import companions
from vct.report.images import MipImage
from vct.report.packed import packed_in


def write(result: TrialResult, folder: Path, images: Sequence[MipImage] = ()) -> Path:
    """Write `report.html`, `summary.md`, `tables/*.csv` and the viewers of scans into `folder`; return the page's path.

    The same result, images and packed scans give the same bytes. Raises OSError when the folder cannot be written.
    """
    from vct.report import answer, charts, consort, page, studies, summary, tables, viewer

    flow = consort.flow(result)
    figures = [figure for chart in charts.OF_A_TRIAL if (figure := chart(result))]
    panels, agreement = charts.truth_panels(result), charts.agreement_panels(result)
    frames = {**tables.all_tables(result), "consort": consort.table(flow), **companions(folder)}
    frames["implications"] = answer.implications(result)
    stated = studies.fidelity_frame(result)
    if len(stated):
        frames["fidelity"] = stated
    broken = studies.findings_frame(result)
    if len(broken):
        frames["findings"] = broken
    curves = charts.power(frames["power"]) if "power" in frames else None
    parts = charts.variance(frames["decompose"]) if "decompose" in frames else None
    for figure in [*figures, *(chart for chart in (curves, parts) if chart), *panels, *agreement]:
        frames |= figure.frames
    scans = packed_in(folder, result.enrolment.patients)
    if scans:
        frames["pictured_lesions"] = viewer.lesions(scans)
    viewers = viewer.viewer_pages(scans, page.title_of(result))
    for name, text in viewers.items():
        write_aside(folder / "viewers" / name, text.encode())
    for name, frame in frames.items():
        write_aside(folder / "tables" / f"{name}.csv", tables.to_csv(frame))
    write_aside(folder / "summary.md", summary.markdown(result).encode())
    text = page.html(
        result,
        flow=flow,
        frames=frames,
        figures=figures,
        panels=panels,
        agreement=agreement,
        curves=curves,
        parts=parts,
        images=images,
        viewers=list(viewers),
    )
    write_aside(folder / "report.html", text.encode())
    return folder / "report.html"

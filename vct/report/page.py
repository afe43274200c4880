"""The report as one HTML file that needs no network: its content, gathered and put into the template."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from vct import __version__
from vct.records import TrialResult
from vct.report import design, studies, tables, views
from vct.report.answer import sentences
from vct.report.charts import Figure
from vct.report.consort import Flow
from vct.report.flowchart import draw
from vct.report.html import asset, embedded, policy, template
from vct.report.images import MipImage
from vct.report.viewer import file_name
from vct.report.wording import engine_note

if TYPE_CHECKING:
    import pandas as pd

LICENCES = (
    "Vega, Vega-Lite, Vega-Embed: Copyright University of Washington Interactive Data Lab, BSD-3-Clause; "
    "D3: Copyright Mike Bostock, ISC"
)
CONTENTS = {
    "answer": "Answer",
    "design": "Design",
    "flow": "Flow",
    "patients": "Patients",
    "primary": "Primary",
    "secondary": "Secondary",
    "figures": "Figures",
    "operating": "Operating characteristics",
    "measurement": "Measurement",
    "engine": "Engine",
    "images": "Images",
    "provenance": "Provenance",
}


@dataclass(frozen=True, slots=True)
class Pictured:
    """A patient's thumbnails, each as its record and as data to embed, and the file of the viewer ("" without one)."""

    patient: str
    arm: str
    viewer: str
    images: list[tuple[MipImage, str]]


def html(
    result: TrialResult,
    *,
    flow: Flow,
    frames: Mapping[str, pd.DataFrame],
    figures: Sequence[Figure],
    panels: Sequence[Figure],
    agreement: Sequence[Figure],
    curves: Figure | None,
    parts: Figure | None,
    images: Sequence[MipImage],
    viewers: Collection[str] = (),
) -> str:
    """The page. `frames` are the tables that lie beside it as CSV, `viewers` the files of the patients' viewers.

    Sections without content are left out.
    """
    engine = str(result.provenance.get("engine", "unnamed"))
    shown = [*figures, *(chart for chart in (curves, parts) if chart), *panels, *agreement]
    style, script = asset("style.css"), asset("charts.js")
    bundle = _bundle() if shown else ""
    first, second = views.primary_results(result), views.secondary_results(result)
    subgroups, measurement = views.subgroups(result), views.measurement(result)
    stated = studies.fidelity(frames["fidelity"]) if "fidelity" in frames else None
    operating = studies.operating(frames["power"]) if "power" in frames else None
    absent = {
        "primary": not first,
        "secondary": not second,
        "operating": operating is None,
        "figures": not figures and not subgroups.rows,
        "measurement": not measurement.rows,
        "images": not images,
    }
    page = template("report.html.j2").render(
        title=title_of(result),
        description=str(result.protocol.get("description") or ""),
        policy=policy(style, [bundle, script] if shown else []),
        style=style,
        script=script,
        bundle=bundle,
        specs=embedded({chart.name: chart.spec for chart in shown}) if shown else "",
        answer=sentences(result),
        engine=engine,
        engine_note=engine_note(engine),
        contents=[(key, name) for key, name in CONTENTS.items() if not absent.get(key)],
        facts=design.facts(result),
        plan=[view for view in (design.arms(result), design.visits(result)) if view.rows],
        endpoints=design.parts(result, "endpoints"),
        parts=[view for name in ("readouts", "analyses") if (view := design.parts(result, name)).rows],
        drawing=draw(flow),
        flow_words=flow.words,
        flow_table=views.flow(frames["consort"]),
        table_one=views.table_one(result),
        primary=first,
        secondary=second,
        operating=operating,
        curves=curves,
        variance=parts,
        lost_power=studies.lost_power(frames["decompose"]) if "decompose" in frames else None,
        fidelity=stated,
        findings=studies.findings(frames["findings"]) if "findings" in frames else None,
        warnings=studies.warnings(result),
        trained_on=str((result.provenance.get("fidelity") or {}).get("trained_on") or ""),
        subgroups=subgroups,
        measurement=measurement,
        pictures=_by_patient(images, viewers),
        randomised=flow.randomised,
        figures=figures,
        panels=panels,
        agreement=agreement,
        provenance=tables.origin(result),
        files=sorted(frames),
        version=__version__,
    )
    return str(page)


def title_of(result: TrialResult) -> str:
    """What the trial is called."""
    return str(result.protocol.get("title") or "Virtual trial")


@cache
def _bundle() -> str:
    """Vega, Vega-Lite, Vega-Embed and what they need as one script, under a line that names their licences."""
    import vl_convert

    script = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    return f"/* {LICENCES} */\n{script}".replace("</script", "<\\/script")


def _by_patient(images: Sequence[MipImage], viewers: Collection[str]) -> list[Pictured]:
    grouped: dict[tuple[str, str], list[tuple[MipImage, str]]] = {}
    for image in images:
        data = f"data:image/png;base64,{base64.b64encode(image.png).decode()}"
        grouped.setdefault((image.patient, image.arm), []).append((image, data))
    named = [(patient, arm, file_name(patient, arm), shown) for (patient, arm), shown in grouped.items()]
    return [Pictured(patient, arm, name if name in viewers else "", shown) for patient, arm, name, shown in named]

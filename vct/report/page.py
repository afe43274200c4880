"""The report as one HTML file that needs no network: its content, gathered and put into the template."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vct import __version__
from vct.records import TrialResult
from vct.report import design, tables, views
from vct.report.answer import sentences
from vct.report.charts import Figure
from vct.report.consort import Flow
from vct.report.flowchart import draw
from vct.report.images import MipImage
from vct.report.wording import engine_note

if TYPE_CHECKING:
    import pandas as pd

TEMPLATES = Path(__file__).with_name("templates")
LICENCES = (
    "Vega, Vega-Lite, Vega-Embed: Copyright University of Washington Interactive Data Lab, BSD-3-Clause; "
    "D3: Copyright Mike Bostock, ISC"
)
CONTENTS = {
    "answer": "Answer",
    "design": "Design",
    "flow": "Flow",
    "patients": "Patients",
    "results": "Results",
    "figures": "Figures",
    "measurement": "Measurement",
    "images": "Images",
    "provenance": "Provenance",
}


def html(
    result: TrialResult,
    *,
    flow: Flow,
    frames: Mapping[str, pd.DataFrame],
    figures: Sequence[Figure],
    panels: Sequence[Figure],
    images: Sequence[MipImage],
) -> str:
    """The page. `frames` are the tables that lie beside it as CSV; sections without content are left out."""
    engine = str(result.provenance.get("engine", "unnamed"))
    shown = [*figures, *panels]
    style, script = _asset("style.css"), _asset("charts.js")
    bundle = _bundle() if shown else ""
    results, subgroups, measurement = views.results(result), views.subgroups(result), views.measurement(result)
    absent = {
        "results": not results,
        "figures": not figures and not subgroups.rows,
        "measurement": not measurement.rows,
        "images": not images,
    }
    page = _template().render(
        title=str(result.protocol.get("title") or "Virtual trial"),
        description=str(result.protocol.get("description") or ""),
        policy=_policy(style, [bundle, script] if shown else []),
        style=style,
        script=script,
        bundle=bundle,
        specs=_embedded({chart.name: chart.spec for chart in shown}) if shown else "",
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
        results=results,
        subgroups=subgroups,
        measurement=measurement,
        pictures=_by_patient(images),
        randomised=flow.randomised,
        figures=figures,
        panels=panels,
        provenance=[(key, str(value)) for key, value in tables.leaves(result.provenance)],
        files=sorted(frames),
        version=__version__,
    )
    return str(page)


def _template() -> Any:
    import jinja2

    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template("report.html.j2")


@cache
def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _bundle() -> str:
    """Vega, Vega-Lite, Vega-Embed and what they need as one script, under a line that names their licences."""
    import vl_convert

    script = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    return f"/* {LICENCES} */\n{script}".replace("</script", "<\\/script")


def _embedded(data: Any) -> str:
    """JSON that cannot end the script element that it stands in."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _policy(style: str, scripts: Sequence[str]) -> str:
    """A content security policy under which only this page's own style, scripts and embedded images work."""
    allowed = " ".join(_hash(text) for text in scripts) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _by_patient(images: Sequence[MipImage]) -> list[tuple[tuple[str, str], list[tuple[MipImage, str]]]]:
    grouped: dict[tuple[str, str], list[tuple[MipImage, str]]] = {}
    for image in images:
        data = f"data:image/png;base64,{base64.b64encode(image.png).decode()}"
        grouped.setdefault((image.patient, image.arm), []).append((image, data))
    return list(grouped.items())

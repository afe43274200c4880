"""The NEMA phantom as a table and as recovery curves beside EARL's bands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, get_args

from vct.acquisition import SCANNERS, Scanner
from vct.acquisition.harmonised import BANDS, DIAMETERS_MM, Standard
from vct.acquisition.nema import measure
from vct.acquisition.scanners import FreeScanner
from vct.errors import InputError, nearest
from vct.report.charts.base import ARM_COLOURS

if TYPE_CHECKING:
    import pandas as pd

METRICS = {"mean": "A50 mean", "max": "maximum"}


def scanners_named(kind: str, harmonised: str) -> tuple[Scanner, ...]:
    """The preset of that kind, or all presets, brought to a standard unless that is "none".

    Raises InputError for a name that is neither, or for a scanner too blunt for the standard.
    """
    presets = {member.model_fields["kind"].default: member for member in SCANNERS if member is not FreeScanner}
    standards = get_args(Standard)
    if harmonised != "none" and harmonised not in standards:
        raise InputError(f"--harmonised must be one of {', '.join(standards)} or none (got {harmonised!r})")
    if kind != "all" and kind not in presets:
        near = nearest(kind, presets)
        hint = f"; did you mean {near!r}?" if near else ""
        raise InputError(f"{kind!r} is no scanner preset ({', '.join(presets)}){hint}")
    fields = {} if harmonised == "none" else {"harmonised": harmonised}
    try:
        return tuple(member.model_validate(fields) for name, member in presets.items() if kind in ("all", name))
    except ValueError as error:
        raise InputError(f"{kind}: {str(error).split('Value error, ')[-1].split(' [type')[0]}") from None


def frame(scanners: Sequence[Scanner], *, minutes: float, repeats: int, spacing_mm: float, seed: int) -> pd.DataFrame:
    """One row a scanner and sphere, recoveries averaged over `repeats` scans; `within` is of the scanner's standard."""
    import pandas as pd

    rows = []
    for scanner in scanners:
        results = [
            measure(scanner, minutes=minutes, seed=seed + number, spacing_mm=spacing_mm) for number in range(repeats)
        ]
        cov = sum(result.background_cov for result in results) / repeats
        for number, diameter in enumerate(DIAMETERS_MM):
            spheres = [result.spheres[number] for result in results]
            row: dict[str, Any] = {
                "scanner": scanner.kind,
                "harmonised": scanner.harmonised or "none",
                "filter_mm": round(scanner.filter_mm, 2),
                "fwhm_mm": round(results[0].fwhm_mm, 2),
                "diameter_mm": diameter,
                "mean_recovery": sum(sphere.mean_recovery for sphere in spheres) / repeats,
                "max_recovery": sum(sphere.max_recovery for sphere in spheres) / repeats,
                "contrast_recovery": sum(sphere.contrast_recovery for sphere in spheres) / repeats,
                "background_cov": cov,
            }
            rows.append(row | {"within": _within(scanner.harmonised, number, row)})
    return pd.DataFrame(rows)


def lines(table: pd.DataFrame) -> Iterator[str]:
    """The table as text: a heading for each scanner, then a line for each sphere."""
    for _, own in table.groupby("scanner", sort=False):
        scanner = own.to_dict("records")[0]
        yield (
            f"{scanner['scanner']}, harmonised: {scanner['harmonised']}, post-filter {scanner['filter_mm']:.2f} mm, "
            f"resolution {scanner['fwhm_mm']:.2f} mm, background CoV {scanner['background_cov']:.3f}"
        )
        yield "  sphere   A50 mean   maximum   contrast" + ("   within" if scanner["within"] else "")
        for row in own.to_dict("records"):
            numbers = f"{row['mean_recovery']:9.2f} {row['max_recovery']:9.2f} {row['contrast_recovery']:10.2f}"
            yield f"  {row['diameter_mm']:3.0f} mm {numbers}   {row['within']}".rstrip()


def chart_svg(table: pd.DataFrame) -> str:
    """Recovery against sphere diameter, a panel a metric, with the noise of each scanner in the legend.

    EARL's bands are shaded: that of the scanners' own standard, or both where they were not harmonised.
    """
    import altair as alt
    import pandas as pd
    import vl_convert

    named = table.assign(
        line=[
            f"{kind}, CoV {100 * cov:.1f} %"
            for kind, cov in zip(table["scanner"], table["background_cov"], strict=True)
        ]
    )
    wanted = set(table["harmonised"]) & set(BANDS) or set(BANDS)
    bands = pd.DataFrame(
        [
            {
                "band": f"{standard.upper().replace('_', ' ')} band",
                "metric": metric,
                "mm": diameter,
                "low": low,
                "high": high,
            }
            for standard, limits in BANDS.items()
            if standard in wanted
            for metric, curve in (("mean", limits.mean), ("max", limits.maximum or ()))
            for diameter, (low, high) in zip(DIAMETERS_MM, curve, strict=False)
        ]
    )
    x_axis = alt.Axis(values=list(DIAMETERS_MM), title="sphere diameter, mm", grid=False)
    names, shaded = (list(dict.fromkeys(column)) for column in (named["line"], bands["band"]))
    scale, panels = alt.Scale(domain=[8, 39]), []
    for metric, measured in METRICS.items():
        last = metric == list(METRICS)[-1]
        y = alt.Y(f"{metric}_recovery:Q", title=f"recovery, {measured}", scale=alt.Scale(domain=[0, 1.2]))
        area = (
            alt.Chart(bands[bands["metric"] == metric])
            .mark_area(opacity=0.35)
            .encode(
                x=alt.X("mm:Q", scale=scale, axis=x_axis),
                y=alt.Y("low:Q", title=f"recovery, {measured}"),
                y2="high:Q",
                color=alt.Color(
                    "band:N",
                    scale=alt.Scale(domain=shaded, range=["#bdbdbd", "#dfc27d"]),
                    legend=alt.Legend(title=None, labelLimit=0, symbolType="square") if last else None,
                ),
            )
        )
        line = (
            alt.Chart(named)
            .mark_line(point=alt.OverlayMarkDef(size=45), clip=True)
            .encode(
                x=alt.X("diameter_mm:Q", scale=scale, axis=x_axis),
                y=y,
                color=alt.Color(
                    "line:N",
                    sort=names,
                    scale=alt.Scale(domain=names, range=list(ARM_COLOURS)),
                    legend=alt.Legend(title="scanner, background noise", labelLimit=0) if last else None,
                ),
                shape=alt.Shape("line:N", sort=names, legend=None),
            )
        )
        panels.append((area + line).resolve_scale(color="independent").properties(width=300, height=280))
    title = "NEMA image-quality phantom: recovery of the spheres"
    chart = alt.hconcat(
        *panels, title=title, background="white", padding={"left": 5, "top": 5, "right": 40, "bottom": 5}
    )
    svg: str = vl_convert.vegalite_to_svg(chart.to_dict())
    return svg


def _within(standard: Standard | None, number: int, row: dict[str, Any]) -> str:
    if standard is None:
        return ""
    bands = BANDS[standard]
    checks = [bands.mean[number][0] <= row["mean_recovery"] <= bands.mean[number][1]]
    if bands.maximum:
        checks.append(bands.maximum[number][0] <= row["max_recovery"] <= bands.maximum[number][1])
    return "yes" if all(checks) else "no"

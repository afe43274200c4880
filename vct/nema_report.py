"""The NEMA phantom as a table and as recovery curves beside EARL's bands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, get_args

from vct.acquisition import SCANNERS, Scanner
from vct.acquisition.harmonised import BANDS, DIAMETERS_MM, Standard
from vct.acquisition.nema import measure
from vct.acquisition.scanners import FreeScanner
from vct.errors import InputError, nearest

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
    """Recovery against sphere diameter, one panel a metric, EARL's bands shaded."""
    import altair as alt
    import pandas as pd
    import vl_convert

    long = table.melt(
        id_vars=["scanner", "diameter_mm"],
        value_vars=["mean_recovery", "max_recovery"],
        var_name="metric",
        value_name="recovery",
    )
    long["metric"] = long["metric"].map({f"{key}_recovery": name for key, name in METRICS.items()})
    bands = pd.DataFrame(
        [
            {"standard": standard, "metric": METRICS[metric], "diameter_mm": diameter, "low": low, "high": high}
            for standard, limits in BANDS.items()
            for metric, curve in (("mean", limits.mean), ("max", limits.maximum or ()))
            for diameter, (low, high) in zip(DIAMETERS_MM, curve, strict=False)
        ]
    )
    x = alt.X("diameter_mm:Q", title="sphere diameter, mm", scale=alt.Scale(domain=[8, 39]))
    panels = []
    for metric in METRICS.values():
        area = (
            alt.Chart(bands[bands["metric"] == metric])
            .mark_area(opacity=0.2)
            .encode(x=x, y=alt.Y("low:Q", title=f"recovery, {metric}"), y2="high:Q", color="standard:N")
        )
        line = (
            alt.Chart(long[long["metric"] == metric])
            .mark_line(point=True)
            .encode(x=x, y="recovery:Q", strokeDash=alt.StrokeDash("scanner:N"))
        )
        panels.append((area + line).properties(width=300, height=260))
    svg: str = vl_convert.vegalite_to_svg(alt.hconcat(*panels).to_dict())
    return svg


def _within(standard: Standard | None, number: int, row: dict[str, Any]) -> str:
    if standard is None:
        return ""
    bands = BANDS[standard]
    checks = [bands.mean[number][0] <= row["mean_recovery"] <= bands.mean[number][1]]
    if bands.maximum:
        checks.append(bands.maximum[number][0] <= row["max_recovery"] <= bands.maximum[number][1])
    return "yes" if all(checks) else "no"

"""`vct design`: when a trial's design looks and stops, what that costs, and what an interim result promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vct.options import ProtocolArgument

if TYPE_CHECKING:
    from vct.stats.design.group_sequential import GroupSequential
    from vct.stats.design.monitoring import Monitoring


def design(
    protocol: ProtocolArgument,
    z: Annotated[float | None, typer.Option(help="z seen at the last of --information, positive for benefit")] = None,
    information: Annotated[
        str, typer.Option(help="information at the looks so far over the planned maximum, such as 0.3,0.65")
    ] = "",
    sd: Annotated[float | None, typer.Option(help="blinded SD within the arms, for a design that re-estimates")] = None,
) -> None:
    """Show a design's looks and stopping probabilities; with --z, conditional and predictive power."""
    from vct.errors import InputError
    from vct.protocol import load
    from vct.stats.design.group_sequential import GroupSequential

    parsed = load(protocol)
    plan = parsed.design
    if plan is None:
        raise InputError(f"{protocol} has no `design:`; see docs/designs.md")
    _print_looks(plan, plan.arm_size() if plan.by_arm else plan.maximum(parsed.sample_size))
    if (z is None) == bool(information):
        raise InputError("--z and --information go together")
    if z is not None:
        if not isinstance(plan.rule, GroupSequential):
            raise InputError(f"--z is for group sequential designs; this is {plan.rule.model_dump()['kind']}")
        _print_prospects(plan.rule, z, information)
    if sd is not None:
        if plan.reestimation is None or plan.reestimate_at is None or not sd > 0:
            raise InputError("--sd is a positive number, for a design with `reestimation:`")
        found = plan.reestimation.sized(sd, plan.reestimate_at)
        cut = ", cut to the maximum" if found.capped else ""
        typer.echo(f"re-estimated size at a blinded SD of {sd:g}: {found.per_arm} patients an arm{cut}")


def _print_looks(plan: Monitoring, most: int) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    rule = plan.rule
    unit = "patients" if plan.by_arm else "events" if plan.events else "values"
    null, planned = (rule.operating(effect) for effect in _effects(plan))
    scale = "responders of an arm" if plan.by_arm else "z"
    title = f"{rule.model_dump()['kind']}, alpha {rule.alpha:g}, power {rule.power:g}; bounds in {scale}"
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    columns = ("look", unit, "efficacy", "futility", "nominal p", "alpha spent", "stops: null", "planned")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for k, (look, count) in enumerate(zip(rule.looks(), (*plan.interim_counts(most), most), strict=True)):
        stops = [item.efficacy[k] + item.reverse[k] + item.futility[k] for item in (null, planned)]
        numbers = (look.efficacy, look.futility, look.nominal_p, look.alpha_spent, *stops)
        shown = ["" if number is None else f"{number:.4f}".rstrip("0").rstrip(".") for number in numbers]
        table.add_row(str(look.number), str(count), *shown)
    Console().print(table)
    typer.echo(f"rejects with probability {null.rejected:.4f} under the null, {planned.power:.4f} as planned")
    typer.echo(f"expected share of the maximum: {null.expected:.3f} under the null, {planned.expected:.3f} as planned")
    typer.echo(f"maximum over the fixed design: {rule.inflation():.4f}")


def _effects(plan: Monitoring) -> tuple[float, float]:
    """Null and planned effect, in the design's own terms."""
    return (plan.rule.p0, plan.rule.p1) if plan.by_arm else (0.0, 1.0)  # type: ignore[attr-defined]


def _print_prospects(rule: GroupSequential, z: float, information: str) -> None:
    from itertools import pairwise

    from vct.errors import InputError
    from vct.stats.design.inference import p_value
    from vct.stats.design.monitoring import prospects

    try:
        observed = tuple(float(part) for part in information.split(","))
    except ValueError:
        raise InputError(f"--information takes numbers with commas between them (got {information!r})") from None
    if any(later <= earlier for earlier, later in pairwise((0.0, *observed))):
        raise InputError(f"--information must be above 0 and grow from look to look (got {information!r})")
    ahead = prospects(rule, z, observed)
    if ahead is None:
        raise InputError(f"--information {information} leaves no look to come in a design of {len(rule.information)}")
    typer.echo(f"after look {len(observed)} at {observed[-1]:g} of the information, z {z:g}:")
    typer.echo(f"  conditional power, planned effect: {ahead.conditional_power:.4f}")
    typer.echo(f"  conditional power, trend so far:   {ahead.conditional_power_trend:.4f}")
    typer.echo(f"  predictive power, flat prior:      {ahead.predictive_power:.4f}")
    typer.echo(f"  stage-wise p, were it to stop here: {p_value(rule, len(observed), z, observed=observed):.4g}")

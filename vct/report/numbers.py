"""Numbers as people read them: rounded, with a true minus sign and a unit; the CSV tables hold them in full."""

from __future__ import annotations

import math

NONE = "–"


def number(value: float | None, decimals: int | None = None) -> str:
    """A number with three significant digits (at most four decimals), or with `decimals`.

    >>> number(-12.3456), number(0.01234), number(12345.6), number(None)
    ('−12.3', '0.0123', '12346', '–')
    """
    if value is None or not math.isfinite(value):
        return NONE
    text = f"{value:.{_decimals(value) if decimals is None else decimals}f}"
    return text.replace("-", "−") if float(text) else text.replace("-", "")


def interval(low: float | None, high: float | None, decimals: int | None = None) -> str:
    """Both ends of an interval, or "" when neither is known.

    >>> interval(-20.1, None)
    '−20.1 to –'
    """
    if low is None and high is None:
        return ""
    return f"{number(low, decimals)} to {number(high, decimals)}"


def estimate(value: float | None, low: float | None, high: float | None) -> str:
    """An estimate with its interval in brackets, all with the decimals of the largest of the three.

    >>> estimate(-7.1234, -20.06, -4.5)
    '−7.1 (−20.1 to −4.5)'
    """
    decimals = shared_decimals(value, low, high)
    ends = interval(low, high, decimals)
    return number(value, decimals) + (f" ({ends})" if ends else "")


def shared_decimals(*values: float | None) -> int:
    """How many decimals give the largest of the values three significant digits."""
    return _decimals(max((abs(value) for value in values if value is not None and math.isfinite(value)), default=0.0))


def p_value(value: float | None) -> str:
    """A p-value with two significant digits; below 0.001 as such.

    >>> p_value(0.00004), p_value(0.0314), p_value(0.62)
    ('<0.001', '0.031', '0.62')
    """
    if value is None or not math.isfinite(value):
        return NONE
    return "<0.001" if value < 0.001 else f"{value:.{3 if value < 0.1 else 2}f}"


def unit_of(unit: str, quantity: str = "") -> str:
    """The unit as it follows a number; differences between percentages are percentage points.

    >>> unit_of("%", "mean difference"), unit_of("1"), unit_of("g/ml")
    (' percentage points', '', ' g/ml')
    """
    if unit == "%" and ("difference" in quantity or "shift" in quantity):
        return " percentage points"
    return "" if unit in ("", "1") else f" {unit}"


def _decimals(value: float) -> int:
    magnitude = math.floor(math.log10(abs(value))) if value else 0
    return min(4, max(0, 2 - magnitude))

"""How codes of a protocol and of the records are said in words."""

from __future__ import annotations

ENGINES: dict[str, str] = {
    "phantom": (
        "a geometric double: simple shapes with known labels and published mean uptakes. It is exact by construction, "
        "and fit to check designs, readouts and statistics; it does not claim the texture or anatomy of real images"
    ),
    "atlas": (
        "virtual patients with the organs of real people, painted from published uptake. Volumes and uptakes were "
        "measured against AutoPET and hedyPET (benchmarks/atlas.md says what was missed), images of patients were not"
    ),
    "cascade": (
        "a diffusion model. Its weights state what they were trained on, and what was measured of them; no "
        "measurement says how close its scans come to those of real people"
    ),
}
METHODS: dict[str, str] = {
    "ancova": "ANCOVA",
    "cmh": "Cochran-Mantel-Haenszel test",
    "cox": "Cox regression",
    "fisher_exact": "Fisher's exact test",
    "kaplan_meier": "Kaplan-Meier",
    "log_rank": "log-rank test",
    "mann_whitney": "Mann-Whitney test",
    "mixed_model": "mixed model for repeated visits",
    "one_sample": "one-sample test",
    "paired_t": "paired t test",
    "repeatability": "repeatability",
    "risk_difference": "risk difference",
    "summary": "summary of an arm",
    "welch_t": "Welch's t test",
}
CHECKED = {
    "golden": "checked against published values",
    "second implementation": "checked against a second implementation",
    "unvalidated": "not validated",
}
LEVELS = {"F": "Female", "M": "Male", "": "(none)"}


def engine_note(engine: str) -> str:
    """What the engine of a run is good for."""
    return next(
        (note for name, note in ENGINES.items() if engine.startswith(name)),
        "no statement of what it was validated for is known to this report",
    )


def method_name(method: str) -> str:
    """The method as statisticians call it."""
    return METHODS.get(method, words(method))


def is_ratio(quantity: str) -> bool:
    """Whether 1, and not 0, means no difference."""
    return "ratio" in quantity.lower()


def words(code: object) -> str:
    """A code without its underscores."""
    return str(code).replace("_", " ")

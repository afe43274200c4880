"""A course fitted to lesions drawn from a known course gives that course back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from typer.testing import CliRunner

from vct.cli import app
from vct.course import Metastatic
from vct.errors import InputError
from vct.records import Patient
from vct.structures import STRUCTURES
from vct.training.fit_course import as_yaml, fit_course
from vct.training.lesions import SeenLesion, lesions_of, mean_recovery
from vct.volume import Grid, Volume

TRUTH = Metastatic.model_validate(
    {
        "disease": {
            "count": {"kind": "truncated", "low": 1, "of": {"kind": "negative_binomial", "mean": 5, "dispersion": 1.5}},
            "sites": {"lung": 3, "mediastinum": 2, "liver": 1},
            "diameter_mm": {"kind": "lognormal", "median": 22, "geometric_sd": 1.5},
            "suv": {"kind": "lognormal", "median": 6, "geometric_sd": 1.6},
            "size_uptake_correlation": 0.4,
            "between_lesion_correlation": 0.5,
            "axis_ratio_sd": 0.1,
        }
    }
)


def drawn(n: int) -> list[SeenLesion]:
    """What a perfect reader sees of the truth."""
    found = []
    for k in range(n):
        patient = Patient(id=f"P{k}", sex="F", age_years=60.0, height_cm=165.0, weight_kg=70.0)
        found += [
            SeenLesion(
                scan=patient.id,
                patient=patient.id,
                site=lesion.organ,
                volume_ml=np.pi / 6000.0 * lesion.diameter_mm**3,
                diameter_mm=lesion.diameter_mm,
                suv_mean=lesion.suv,
                suv_max=lesion.suv,
                log_axis_ratios=tuple(float(v) for v in np.log(lesion.axis_ratios)),
            )
            for lesion in TRUTH.disease.origins(patient, 5)
        ]
    return found


def test_the_truth_comes_back() -> None:
    fitted = fit_course(drawn(250), 500, 0.0, "made up").disease
    assert fitted.count.of.mean == pytest.approx(5.0, rel=0.15)
    assert fitted.count.of.dispersion == pytest.approx(1.5, rel=0.4)
    assert fitted.diameter_mm.of.median == pytest.approx(22.0, rel=0.06)
    assert fitted.diameter_mm.of.geometric_sd == pytest.approx(1.5, rel=0.06)
    assert fitted.suv.of.median == pytest.approx(6.0, rel=0.06)
    assert fitted.suv.of.geometric_sd == pytest.approx(1.6, rel=0.06)
    assert fitted.size_uptake_correlation == pytest.approx(0.4, abs=0.08)
    assert fitted.between_lesion_correlation == pytest.approx(0.5, abs=0.08)
    assert fitted.axis_ratio_sd == pytest.approx(0.1, rel=0.1)
    total = sum(fitted.sites.values())
    assert fitted.sites["lung"] / total == pytest.approx(0.5, abs=0.04)


def test_the_fragment_runs_in_a_protocol(tmp_path, coarse) -> None:
    """`course:` of a shipped protocol replaced by the fitted one; its lesions are in the scans that are made."""
    import vct
    from vct.protocol import find, load

    text = find("nsclc_metabolic_response").read_text()
    start = text.index("course:")
    end = text.index("\n", text.index("treatments:", start))
    fragment = as_yaml(fit_course(drawn(60), 60, 5.7, "made up: with a colon"))
    (tmp_path / "trial.yaml").write_text(text[:start] + fragment + "  treatments:" + text[end:])
    protocol = load(tmp_path / "trial.yaml")
    assert protocol.course.source.startswith("made up")
    only = tuple(readout for readout in protocol.readouts if readout.name == "suv_max")
    changes = {"sample_size": 2, "readouts": only, "endpoints": (), "analyses": ()}
    result = vct.run(protocol.model_copy(update=changes), coarse)
    hottest = [reading for reading in result.readings if reading.truth is not None]
    assert {reading.visit for reading in hottest} >= {protocol.visits[0].name}
    assert all(reading.truth >= 2.0 for reading in hottest if reading.visit == protocol.visits[0].name)


@pytest.mark.parametrize(("radius", "fwhm"), [(5.0, 5.7), (10.0, 5.7), (20.0, 7.0)])
def test_mean_recovery_against_a_blurred_sphere(radius, fwhm) -> None:
    step, n = 0.75, int(2 * (radius + 15) / 0.75)
    axis = (np.arange(n) - (n - 1) / 2) * step
    ball = (axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2) <= radius**2
    blurred = ndimage.gaussian_filter(ball.astype(float), fwhm / 2.35482 / step)
    assert mean_recovery(radius, fwhm) == pytest.approx(blurred[ball].mean(), abs=0.01)
    assert mean_recovery(radius, 0.0) == 1.0


GRID = Grid(shape=(60, 60, 60), spacing_mm=(4.0, 4.0, 4.0), origin_mm=(0.0, 0.0, 0.0))


def ball(center, radius):
    x, y, z = GRID.axes_mm()
    cx, cy, cz = center
    return (x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2 <= radius**2


def volume(data, unit) -> Volume:
    return Volume(data=data, grid=GRID, unit=unit)


@pytest.mark.parametrize(
    ("inside", "beside", "site"),
    [
        ("liver", "", "liver"),
        ("lung_upper_lobe_left", "", "lung"),
        ("vertebrae_L3", "", "bone"),
        ("rib_left_3", "", "bone"),
        ("adrenal_gland_right", "", "adrenal"),
        ("iliopsoas_left", "", "soft_tissue"),
        ("", "trachea", "mediastinum"),
        ("", "vertebrae_T4", "mediastinum"),
        ("", "vertebrae_L3", "retroperitoneum"),
        ("", "pancreas", "retroperitoneum"),
        ("", "iliac_artery_left", "pelvis_node"),
        ("", "scapula_left", "axilla"),
        ("", "clavicula_right", "supraclavicular"),
        ("torso_fat", "trachea", "mediastinum"),
    ],
)
def test_sites(inside, beside, site) -> None:
    labels = np.zeros(GRID.shape, np.uint8)
    spot = ball((120, 120, 120), 16)
    if inside:
        labels[ball((120, 120, 120), 60)] = STRUCTURES[inside]
    if beside:
        labels[ball((150, 120, 120), 10)] = STRUCTURES[beside]
    labels[ball((200, 200, 200), 30)] = STRUCTURES["spleen"]
    pet = np.where(spot, 8.0, 1.0).astype(np.float32)
    (found,) = lesions_of(
        "S", "P", volume(pet, "SUVbw"), volume(labels, "label"), volume(spot.astype(np.uint8), "label")
    )
    assert found.site == site
    assert found.diameter_mm == pytest.approx(32.0, rel=0.03)
    assert (found.suv_mean, found.suv_max) == (8.0, 8.0)
    assert found.log_axis_ratios == pytest.approx((0.0, 0.0, 0.0), abs=0.01)


def test_components_and_specks() -> None:
    mask = (ball((60, 60, 60), 14) | ball((160, 160, 160), 20)).astype(np.uint8)
    mask[5, 5, 5] = 1
    labels = np.full(GRID.shape, STRUCTURES["liver"], np.uint8)
    pet = volume(np.ones(GRID.shape, np.float32), "SUVbw")
    found = list(lesions_of("S", "P", pet, volume(labels, "label"), volume(mask, "label")))
    assert [lesion.diameter_mm for lesion in found] == pytest.approx([28.0, 40.0], rel=0.05)


def test_too_few() -> None:
    with pytest.raises(InputError, match="too few to fit a course"):
        fit_course(drawn(2), 2, 0.0, "x")


def folder_of_lesions(folder: Path, n: int) -> Path:
    rng = np.random.default_rng(0)
    rows = ["id,sex,age_years,height_cm,weight_kg,patient"]
    for k in range(n):
        mask = np.zeros(GRID.shape, bool)
        for _ in range(4):
            mask |= ball(rng.uniform(40, 200, 3), rng.uniform(8, 20))
        own = folder / f"S{k}"
        own.mkdir(parents=True)
        volume(np.where(mask, 7.0, 1.0).astype(np.float32), "SUVbw").save(own / "pet.nii.gz")
        volume(np.full(GRID.shape, STRUCTURES["liver"], np.uint8), "label").save(own / "labels.nii.gz")
        volume(mask.astype(np.uint8), "label").save(own / "lesions.nii.gz")
        rows.append(f"S{k},F,60,165,70,P{k // 2}")
    (folder / "participants.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_the_verb(tmp_path) -> None:
    folder = folder_of_lesions(tmp_path / "data", 8)
    arguments = [
        "fit",
        "course",
        str(folder),
        "--out",
        str(tmp_path / "course.yaml"),
        "--table",
        str(tmp_path / "l.csv"),
    ]
    said = CliRunner().invoke(app, arguments)
    assert said.exit_code == 0, said.output
    assert "kind: metastatic" in (tmp_path / "course.yaml").read_text()
    lines = (tmp_path / "l.csv").read_text().splitlines()
    assert lines[0].startswith("scan,patient,site,volume_ml,diameter_mm,suv_mean,suv_max")
    assert 20 <= len(lines) <= 33

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from scipy.optimize import brentq

from vct.acquisition.blur import blurred
from vct.readout.burden import LesionCount, Mtv, NewLesionCount, PaleLesionCount, Spread, Tlg
from vct.readout.reader import Reader
from vct.readout.thresholds import FixedThreshold, FractionThreshold, LiverThreshold, QPetThreshold
from vct.records import Lesion, Scan
from vct.shapes import FWHM_PER_SIGMA

Make = Callable[..., Scan]
MakeLesion = Callable[..., Lesion]
HALF = FixedThreshold(suv=5.5)  # halfway between the body's 1.0 and the lesion's 10.0, where blur leaves the edge


def seen(scan: Scan, fwhm_mm: float = 5.7) -> Scan:
    pet, fwhm_mm = blurred(scan.pet, scan.fwhm_mm, fwhm_mm)
    return replace(scan, pet=pet, fwhm_mm=fwhm_mm)


def contour_radius_mm(radius_mm: float, fwhm_mm: float, level: float) -> float:
    """Where a unit sphere blurred by a Gaussian falls to `level`."""
    sigma = fwhm_mm / FWHM_PER_SIGMA

    def excess(r: float) -> float:
        low, high = (radius_mm - r) / (math.sqrt(2) * sigma), (radius_mm + r) / (math.sqrt(2) * sigma)
        tails = sigma / (r * math.sqrt(2 * math.pi)) * (math.exp(-(low**2)) - math.exp(-(high**2)))
        return (math.erf(low) + math.erf(high)) / 2 - tails - level

    return float(brentq(excess, 0.1, 2 * radius_mm))


def test_a_dead_core_is_no_metabolic_volume(make_scan: Make, make_lesion: MakeLesion) -> None:
    whole = make_lesion(50.0, 10.0)
    hollow = make_lesion(50.0, 10.0, core_share=0.3, core_uptake=0.2)
    for readout in (Mtv(threshold=FractionThreshold(fraction=0.57)), Mtv(threshold=FixedThreshold(suv=5.7))):
        one, other = (readout.measure(make_scan([lesion])) for lesion in (whole, hollow))
        assert other.truth == pytest.approx(0.7 * (one.truth or 0.0))
        assert other.value == pytest.approx(other.truth, rel=0.04)
    everything = Tlg(threshold=FixedThreshold(suv=1.5)).measure(make_scan([hollow]))
    assert everything.truth == pytest.approx(hollow.mean_suv * hollow.volume_ml)


@pytest.mark.parametrize(("spacing_mm", "within"), [(2.0, 0.02), (4.0, 0.05)])
@pytest.mark.parametrize("diameter_mm", [30.0, 50.0])
@pytest.mark.parametrize("suv", [4.0, 5.5, 7.0])
def test_volume_is_that_of_the_blurred_contour(
    make_scan: Make, make_lesion: MakeLesion, spacing_mm: float, within: float, diameter_mm: float, suv: float
) -> None:
    lesion = make_lesion(diameter_mm, 10.0, (-50.7, 0.4, 1.1))
    reading = Mtv(threshold=FixedThreshold(suv=suv)).measure(seen(make_scan([lesion], spacing_mm=spacing_mm)))
    radius = contour_radius_mm(diameter_mm / 2, 5.7, (suv - 1.0) / 9.0)
    assert reading.value == pytest.approx(4 / 3 * math.pi * radius**3 / 1000, rel=within)
    assert reading.truth == pytest.approx(math.pi / 6 * diameter_mm**3 / 1000)


def test_a_resolved_lesion_reads_as_planted(make_scan: Make, make_lesion: MakeLesion) -> None:
    scan = seen(make_scan([make_lesion(56.0)], spacing_mm=2.0))
    volume, glycolysis = Mtv(threshold=HALF).measure(scan), Tlg(threshold=HALF).measure(scan)
    assert volume.value == pytest.approx(volume.truth, rel=0.03)
    assert glycolysis.value == pytest.approx(glycolysis.truth, rel=0.12)
    assert glycolysis.truth == pytest.approx(10.0 * volume.truth)
    assert (volume.unit, glycolysis.unit) == ("ml", "g")


def test_tlg_is_suv_mean_by_volume(make_scan: Make, make_lesion: MakeLesion) -> None:
    scan = make_scan([make_lesion(32.0, 8.0)], spacing_mm=2.0)
    plateau = FixedThreshold(suv=7.999)
    volume, glycolysis = Mtv(threshold=plateau).measure(scan), Tlg(threshold=plateau).measure(scan)
    assert glycolysis.value == pytest.approx(8.0 * volume.value, rel=1e-6)


def test_the_share_of_the_maximum_follows_each_lesion(make_scan: Make, make_lesion: MakeLesion) -> None:
    lesions = [make_lesion(30.0, 20.0, (-60.0, 40.0, 0.0)), make_lesion(30.0, 5.0, (-60.0, -40.0, 0.0), id="L2")]
    scan = seen(make_scan(lesions, spacing_mm=2.0))
    reading = Mtv(threshold=FractionThreshold(fraction=0.5)).measure(scan)
    assert reading.truth == pytest.approx(2 * 14.137, rel=1e-3)
    assert reading.value == pytest.approx(reading.truth, rel=0.06)


def test_a_pale_lesion_has_no_share_of_its_maximum(make_scan: Make, make_lesion: MakeLesion) -> None:
    scan = seen(make_scan([make_lesion(30.0, 2.0)]))
    reading = Mtv(threshold=FractionThreshold()).measure(scan)
    assert (reading.value, reading.truth) == (0.0, 0.0)
    low = Mtv(threshold=FractionThreshold(minimum_suv=1.5)).measure(scan)
    assert low.value > 10.0
    assert low.truth == pytest.approx(14.137, rel=1e-3)


def test_the_liver_draws_the_line(make_scan: Make, make_lesion: MakeLesion) -> None:
    """Liver 2.0: seen from 3.0 on."""
    lesions = [make_lesion(30.0, 3.5, (-60.0, 40.0, 0.0)), make_lesion(30.0, 2.8, (-60.0, -40.0, 0.0), id="L2")]
    scan = seen(make_scan(lesions))
    assert LiverThreshold().seen_from(scan) == pytest.approx(3.0, rel=1e-3)
    assert LiverThreshold(times_mean=1.0).truly_seen_from(scan) == 2.0
    assert Mtv(threshold=LiverThreshold()).measure(scan).truth == pytest.approx(14.137, rel=1e-3)
    count = LesionCount().measure(scan)
    assert (count.value, count.truth, count.unit) == (1.0, 1.0, "1")
    unseen = seen(make_scan([*lesions, make_lesion(30.0, 1.1, (-60.0, 0.0, 40.0), id="L3")]))
    pale = PaleLesionCount().measure(unseen)
    assert (pale.value, pale.truth, pale.readout) == (1.0, 2.0, "pale_lesion_count_liver1.5+2sd")


def test_new_lesions_are_those_that_the_reader_did_not_know(make_scan: Make, make_lesion: MakeLesion) -> None:
    old = make_lesion(25.0, 9.0, (-60.0, 50.0, 0.0))
    lesions = [
        old,
        make_lesion(25.0, 9.0, (-60.0, -50.0, 0.0), id="N1", is_new=True),
        make_lesion(25.0, 2.0, (-60.0, 0.0, 40.0), id="N2", is_new=True),
        make_lesion(7.0, 5.0, (-60.0, 0.0, -40.0), id="N3", is_new=True),
    ]
    reader, first, later = Reader(), seen(make_scan([old])), seen(make_scan(lesions))
    before = reader.look(first, None, 1)
    assert NewLesionCount().measure(replace(first, study=before)).value == 0.0
    later = replace(later, study=reader.look(later, before, 1))
    new = NewLesionCount().measure(later)
    assert new.value == 1.0
    assert new.truth == 2.0, "a perfect reader resolves the small one as well"
    assert LesionCount().measure(later).value == 2.0


def test_a_scan_without_lesions_makes_all_later_ones_new(make_scan: Make, make_lesion: MakeLesion) -> None:
    reader = Reader()
    before = reader.look(seen(make_scan()), None, 1)
    later = seen(make_scan([make_lesion(25.0, 9.0, is_new=True)]))
    assert NewLesionCount().measure(replace(later, study=reader.look(later, before, 1))).value == 1.0


def test_touching_lesions_are_told_apart_and_count_once(make_scan: Make, make_lesion: MakeLesion) -> None:
    two = [make_lesion(24.0, 10.0, (-60.0, 13.0, 0.0)), make_lesion(24.0, 8.0, (-60.0, -13.0, 0.0), id="L2")]
    scan = seen(make_scan(two, spacing_mm=2.0))
    assert LesionCount().measure(scan).value == 2.0
    reading = Mtv(threshold=FixedThreshold(suv=5.0)).measure(scan)
    assert reading.value == pytest.approx(reading.truth, rel=0.15)


def test_sum_hottest_and_targets(make_scan: Make, make_lesion: MakeLesion) -> None:
    lesions = [make_lesion(40.0, 7.0, (-60.0, 45.0, 0.0)), make_lesion(24.0, 12.0, (-60.0, -45.0, 0.0), id="L2")]
    scan = seen(make_scan(lesions))
    read = {of: Mtv(threshold=HALF, of=of).measure(scan) for of in ("sum", "hottest", "target", "targets")}
    assert read["hottest"].value == read["target"].value
    assert read["hottest"].truth == read["target"].truth == pytest.approx(7.238, rel=1e-3)
    assert read["sum"].value == read["targets"].value > read["hottest"].value + 20.0
    assert read["sum"].truth == pytest.approx(7.238 + 33.51, rel=1e-3)


def test_spread_is_the_widest_distance(make_scan: Make, make_lesion: MakeLesion) -> None:
    places = [(-60.0, 60.0, 0.0), (-60.0, -40.0, 0.0), (-40.0, 0.0, 40.0)]
    lesions = [make_lesion(20.0, 9.0, place, id=f"L{n}") for n, place in enumerate(places)]
    reading = Spread().measure(seen(make_scan(lesions, spacing_mm=2.0)))
    assert reading.truth == pytest.approx(100.0)
    assert reading.value == pytest.approx(100.0, abs=8.0), "the hottest voxel of a plateau is anywhere on it"
    assert Spread().measure(seen(make_scan(lesions[:1]))).value == 0.0
    assert (reading.readout, reading.unit) == ("dmax_suv4", "mm")


def test_qpet_draws_a_line_at_the_liver(make_scan: Make, make_lesion: MakeLesion) -> None:
    scan = seen(make_scan([make_lesion(40.0, 10.0)]))
    assert QPetThreshold().seen_from(scan) == pytest.approx(2.6, rel=1e-3)
    assert QPetThreshold().truly_seen_from(scan) == pytest.approx(2.6)
    assert Mtv(threshold=QPetThreshold()).measure(scan).readout == "mtv_qpet1.3"


def test_no_disease_is_no_burden(make_scan: Make) -> None:
    for readout in (Mtv(), Mtv(of="hottest"), Tlg(), LesionCount(), NewLesionCount(), PaleLesionCount()):
        reading = readout.measure(make_scan())
        assert (reading.value, reading.truth) == (0.0, 0.0)


def test_without_a_liver_its_rule_gives_nothing(make_scan: Make, make_lesion: MakeLesion) -> None:
    scan = make_scan([make_lesion()], labels=None, planted_suv={})
    for readout in (Mtv(threshold=LiverThreshold()), LesionCount()):
        reading = readout.measure(scan)
        assert reading.value is reading.truth is None
    assert Mtv().measure(scan).value > 10.0


def test_the_rule_is_in_the_name() -> None:
    assert Mtv().label == "mtv_suv4"
    assert Tlg(threshold=FractionThreshold()).label == "tlg_41pct"
    assert Mtv(threshold=LiverThreshold(), of="hottest").label == "mtv_liver1.5+2sd_hottest"
    assert NewLesionCount(name="new").label == "new"

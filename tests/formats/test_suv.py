"""SUVbw from DICOM: the right number, or a refusal that names the file and the tag."""

from __future__ import annotations

import numpy as np
import pytest

from vct.errors import InputError
from vct.formats.series import find_series, read_series
from vct.formats.suv import F18_HALF_LIFE_S, height_of, suv_rule

STEP_SUV = 2.0 * 80_000 / (350e6 * 2 ** (-3600 / F18_HALF_LIFE_S))


def read(folder, weight_kg=None):
    (series,) = find_series(sorted(folder.iterdir()))
    return read_series(series, suv_rule(series.files, weight_kg).factor).upright("SUVbw")


def check(folder, blocks, scale=1.0, weight_kg=None, tolerance=0.51 * STEP_SUV):
    found = read(folder, weight_kg)
    assert np.abs(found.data / scale - blocks.data).max() <= tolerance + 1e-5
    assert found.grid.shape == blocks.grid.shape
    np.testing.assert_allclose(found.grid.affine, blocks.grid.affine, atol=1e-4)


def test_plain(tmp_path, blocks, recipe, write_series) -> None:
    write_series(tmp_path, blocks, recipe())
    check(tmp_path, blocks)


def test_every_slice_has_its_own_slope(tmp_path, blocks, recipe, write_series) -> None:
    write_series(tmp_path, blocks, recipe(slopes=lambda index: 2.0 + 0.1 * index))
    check(tmp_path, blocks, tolerance=0.51 * 1.4 * STEP_SUV)


@pytest.mark.parametrize(
    "syntax",
    [
        "1.2.840.10008.1.2",
        "1.2.840.10008.1.2.2",
        "1.2.840.10008.1.2.5",
        "1.2.840.10008.1.2.4.80",
        "1.2.840.10008.1.2.4.70",
        "1.2.840.10008.1.2.4.90",
    ],
    ids=["implicit", "big-endian", "RLE", "JPEG-LS", "JPEG lossless", "JPEG 2000 lossless"],
)
def test_transfer_syntaxes(tmp_path, blocks, recipe, write_series, syntax) -> None:
    write_series(tmp_path, blocks, recipe(syntax=syntax))
    check(tmp_path, blocks)


def test_decay_to_administration(tmp_path, blocks, recipe, write_series) -> None:
    """ADMIN: the image is already corrected to the injection, so the dose does not decay."""
    write_series(tmp_path, blocks, recipe(tags={"DecayCorrection": "ADMIN"}))
    check(tmp_path, blocks, scale=2.0 ** (-3600.0 / F18_HALF_LIFE_S))


def test_over_midnight(tmp_path, blocks, recipe, write_series) -> None:
    """Injected at 23:30, scanned at 0:30 of the next day, which the injection's time does not say."""
    clocks = {"SeriesTime": "003000", "AcquisitionTime": "003000"}
    write_series(tmp_path, blocks, recipe(tags=clocks, drug={"RadiopharmaceuticalStartTime": "233000"}))
    check(tmp_path, blocks)


def test_the_scan_goes_on_after_midnight(tmp_path, blocks, recipe, write_series) -> None:
    """Injected at 22:55, the series begins at 23:55, its last beds lie in the next day."""

    def beds(header, index) -> None:
        late = index > 4
        header.SeriesTime, header.AcquisitionTime = "235500", f"00{index:02d}00" if late else f"23{55 + index:02d}00"
        header.AcquisitionDate = "20200315" if late else "20200314"

    write_series(tmp_path, blocks, recipe(per_slice=beds, drug={"RadiopharmaceuticalStartTime": "225500"}))
    check(tmp_path, blocks)


def test_series_time_counts_and_not_acquisition_time(tmp_path, blocks, recipe, write_series) -> None:
    """Beds are acquired up to 20 minutes after the series' time, to which all of them are corrected."""

    def beds(header, index) -> None:
        header.AcquisitionTime = f"11{3 + 2 * index:02d}00"

    write_series(tmp_path, blocks, recipe(per_slice=beds))
    check(tmp_path, blocks)


def test_the_whole_date_of_the_injection_counts(tmp_path, blocks, recipe, write_series) -> None:
    drug = {"RadiopharmaceuticalStartTime": "050000", "RadiopharmaceuticalStartDateTime": "20200314100000.00"}
    write_series(tmp_path, blocks, recipe(drug=drug))
    check(tmp_path, blocks)


def test_series_made_anew_later_ge(tmp_path, blocks, recipe, write_series) -> None:
    def later(header, index) -> None:
        header.SeriesTime, header.AcquisitionTime = "153000", f"11{index:02d}00"
        header.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", "20200314110000.00")

    write_series(tmp_path, blocks, recipe(per_slice=later))
    check(tmp_path, blocks)


def test_series_made_anew_later_by_frame_reference_time(tmp_path, blocks, recipe, write_series) -> None:
    """Three beds, two minutes each: acquisition time less frame reference time plus the moment of average activity."""

    def later(header, index) -> None:
        bed = index // 3
        header.SeriesTime, header.AcquisitionTime = "153000", f"11{2 * bed:02d}00"
        header.FrameReferenceTime = 1000.0 * (120.0 * bed + 59.874)

    write_series(tmp_path, blocks, recipe(per_slice=later))
    check(tmp_path, blocks, tolerance=0.51 * STEP_SUV + 20 * 2e-5)


def test_philips_suv_factor(tmp_path, blocks, recipe, write_series) -> None:
    def counts(header, index) -> None:
        header.Units = "CNTS"
        block = header.private_block(0x7053, "Philips PET Private Group", create=True)
        block.add_new(0x00, "DS", "0.00123")
        block.add_new(0x09, "DS", "2.5")

    write_series(tmp_path, blocks, recipe(per_slice=counts))
    check(tmp_path, blocks, scale=0.00123 / (STEP_SUV / 2.0))


def test_philips_activity_factor(tmp_path, blocks, recipe, write_series) -> None:
    def counts(header, index) -> None:
        header.Units = "CNTS"
        header.private_block(0x7053, "Philips PET Private Group", create=True).add_new(0x09, "DS", "2.5")

    write_series(tmp_path, blocks, recipe(per_slice=counts))
    check(tmp_path, blocks, scale=2.5)


def test_already_suv(tmp_path, blocks, recipe, write_series) -> None:
    write_series(tmp_path, blocks, recipe(tags={"Units": "GML", "SUVType": "BW"}))
    check(tmp_path, blocks, scale=2.0 / STEP_SUV)


def test_a_weight_from_elsewhere_goes_before_the_tag(tmp_path, blocks, recipe, write_series) -> None:
    write_series(tmp_path, blocks, recipe(tags={"PatientWeight": None}))
    check(tmp_path, blocks, weight_kg=80.0)


REFUSED = [
    ({"tags": {"PatientWeight": None}}, "(0010,1030) PatientWeight is missing"),
    ({"tags": {"PatientWeight": 0}}, "(0010,1030) PatientWeight must be from 2 to 300 kg"),
    ({"tags": {"PatientWeight": 80000}}, "grams?"),
    ({"tags": {"Units": "CNTS"}}, "(0054,1001) Units is CNTS, and neither (7053,1000) nor (7053,1009)"),
    ({"tags": {"Units": "PROPCPS"}}, "(0054,1001) Units must be BQML"),
    ({"tags": {"Units": None}}, "(0054,1001) Units"),
    ({"tags": {"Units": "GML", "SUVType": "LBM"}}, "(0054,1006) SUVType must be BW"),
    ({"tags": {"CorrectedImage": ["DECY"]}}, "(0028,0051) CorrectedImage lacks ATTN"),
    ({"tags": {"CorrectedImage": ["ATTN"]}}, "(0028,0051) CorrectedImage lacks DECY"),
    ({"tags": {"DecayCorrection": "NONE"}}, "(0054,1102) DecayCorrection must be START or ADMIN"),
    ({"tags": {"SeriesDate": None}}, "(0008,0021) SeriesDate is missing"),
    ({"tags": {"AcquisitionTime": None}}, "(0008,0032) AcquisitionTime is missing"),
    ({"tags": {"DecayCorrection": None}}, "(0054,1102) DecayCorrection must be START or ADMIN"),
    ({"tags": {"CorrectedImage": None}}, "(0028,0051) CorrectedImage lacks ATTN"),
    ({"tags": {"RescaleSlope": None}}, "(0028,1053) RescaleSlope is missing"),
    ({"tags": {"RescaleIntercept": None}}, "(0028,1052) RescaleIntercept is missing"),
    ({"tags": {"LossyImageCompression": "01"}}, "(0028,2110) LossyImageCompression is 01"),
    ({"tags": {"SeriesTime": None}}, "(0008,0031) SeriesTime is missing"),
    ({"tags": {"SeriesTime": "25xx"}}, "(0008,0031) SeriesTime is no date and time"),
    ({"tags": {"SeriesTime": "130000", "ActualFrameDuration": None}}, "(0008,0031) SeriesTime lies after"),
    ({"drug": {"RadionuclideTotalDose": 350}}, "(0018,1074) RadionuclideTotalDose must be from 1e6 to 5e9 Bq; MBq?"),
    ({"drug": {"RadionuclideTotalDose": None}}, "(0018,1074) RadionuclideTotalDose is missing"),
    ({"drug": {"RadionuclideTotalDose": 0}}, "(0018,1074) RadionuclideTotalDose must be from 1e6 to 5e9 Bq"),
    ({"drug": {"RadionuclideHalfLife": None}}, "(0018,1075) RadionuclideHalfLife is missing"),
    (
        {"drug": {"RadiopharmaceuticalStartDateTime": "20190314100000"}},
        "(0018,1078) RadiopharmaceuticalStartDateTime lies 527100 minutes before the scan",
    ),
    ({"drug": {"RadionuclideHalfLife": 1223}}, "(0018,1075) RadionuclideHalfLife is not that of F-18"),
    ({"drug": {"RadiopharmaceuticalStartTime": None}}, "(0018,1072) RadiopharmaceuticalStartTime is missing"),
    ({"drug": {"RadiopharmaceuticalStartTime": "120000"}}, "minutes before the scan"),
    (
        {
            "tags": {"TimezoneOffsetFromUTC": "+0000"},
            "drug": {"RadiopharmaceuticalStartDateTime": "20200314100000+0100"},
        },
        "(0018,1078) RadiopharmaceuticalStartDateTime is in another time zone",
    ),
]


@pytest.mark.parametrize(("change", "said"), REFUSED, ids=[said[:40] for _, said in REFUSED])
@pytest.mark.filterwarnings("ignore:Invalid value for VR:UserWarning:pydicom")
def test_refused(tmp_path, blocks, recipe, write_series, change, said) -> None:
    write_series(tmp_path, blocks, recipe(**change))
    with pytest.raises(InputError) as caught:
        read(tmp_path)
    assert said in str(caught.value)
    assert str(tmp_path / "PT00") in str(caught.value)


@pytest.mark.parametrize("keyword", ["PatientWeight", "SeriesTime", "PatientID"])
def test_slices_of_two_kinds_in_one_series(tmp_path, blocks, recipe, write_series, keyword) -> None:
    def change(header, index) -> None:
        if index == 5:
            setattr(header, keyword, {"PatientWeight": 81.0, "SeriesTime": "105900", "PatientID": "B"}[keyword])

    write_series(tmp_path, blocks, recipe(per_slice=change))
    with pytest.raises(InputError, match=rf"PT005\.dcm: \(.*\) {keyword} differs .*mixed series"):
        read(tmp_path)


def test_slices_of_two_doses_in_one_series(tmp_path, blocks, recipe, write_series) -> None:
    def change(header, index) -> None:
        if index == 3:
            header.RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose = 351e6

    write_series(tmp_path, blocks, recipe(per_slice=change))
    with pytest.raises(InputError, match=r"PT003\.dcm: \(0018,1074\) RadionuclideTotalDose differs"):
        read(tmp_path)


@pytest.mark.parametrize("factor", ["", "x", "-1", "0"])
def test_philips_factors_that_are_none(tmp_path, blocks, recipe, write_series, factor) -> None:
    def counts(header, index) -> None:
        header.Units = "CNTS"
        header.private_block(0x7053, "Philips PET Private Group", create=True).add_new(0x00, "LO", factor)

    write_series(tmp_path, blocks, recipe(per_slice=counts))
    with pytest.raises(InputError, match=r"PT000\.dcm: \((0054,1001|7053,1000)\).* of Philips"):
        read(tmp_path)


def test_philips_factors_that_differ(tmp_path, blocks, recipe, write_series) -> None:
    def counts(header, index) -> None:
        header.Units = "CNTS"
        header.private_block(0x7053, "Philips PET Private Group", create=True).add_new(0x00, "DS", f"0.{index + 1}")

    write_series(tmp_path, blocks, recipe(per_slice=counts))
    with pytest.raises(InputError, match=r"PT000\.dcm: Philips's private factors .* differ between slices"):
        read(tmp_path)


def test_no_radiopharmaceutical(tmp_path, blocks, recipe, write_series) -> None:
    write_series(tmp_path, blocks, recipe(tags={"RadiopharmaceuticalInformationSequence": None}))
    with pytest.raises(InputError, match="RadiopharmaceuticalInformationSequence must have one item"):
        read(tmp_path)


def test_heights(tmp_path, blocks, recipe, write_series) -> None:
    path, *_ = write_series(tmp_path, blocks, recipe(tags={"PatientSize": 170}))
    (series,) = find_series([path])
    with pytest.raises(InputError, match=r"PatientSize must be from 0\.4 to 2.5 m; centimetres"):
        height_of(path, series.header)

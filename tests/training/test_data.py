import numpy as np
import pytest

pytest.importorskip("torch")

from vct.errors import InputError
from vct.structures import STRUCTURES
from vct.training.data import prepare
from vct.training.folder import read_table


def test_a_folder_is_read_onto_the_model_grid(bodies_folder, tmp_path):
    bodies = prepare(bodies_folder, tmp_path, 16.0)
    assert len(bodies) == 16
    assert bodies.ct.shape == (16, 28, 28, 48)
    assert bodies.about == "16 painted ovals"
    liver = bodies.labels[3] == STRUCTURES["liver"]
    assert np.ptp(bodies.pet[3][liver].astype(float)) < 0.02
    assert bodies.length().of(170.0) == pytest.approx(680.0, abs=0.5)


def test_what_is_cached_is_not_read_again(bodies_folder, tmp_path):
    prepare(bodies_folder, tmp_path, 16.0)
    again = prepare(bodies_folder, tmp_path, 16.0)
    again.ct[0] = 7
    assert (prepare(bodies_folder, tmp_path, 16.0).ct[0] == 7).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "not a readable table"),
        ("id,sex,age_years,height_cm\na,F,50,160\n", "lacks the column 'weight_kg'"),
        ("id,sex,age_years,height_cm,weight_kg\na,X,50,160,60\n", "row 2 .* neither F nor M"),
        ("id,sex,age_years,height_cm,weight_kg\na,F,50,160,60\nb,M,,160,60\n", "row 3 is incomplete"),
        ("id,sex,age_years,height_cm,weight_kg\na,F,50,160,60\na,M,50,160,60\n", "each `id` once"),
        ("id,sex,age_years,height_cm,weight_kg\n", "at least one body"),
    ],
)
def test_a_bad_table_is_named(tmp_path, text, message):
    if text is not None:
        (tmp_path / "participants.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path)


def test_a_missing_scan_is_named(tmp_path):
    (tmp_path / "participants.csv").write_text("id,sex,age_years,height_cm,weight_kg\na,F,50,160,60\n")
    with pytest.raises(InputError, match=r"a/ct\.nii\.gz"):
        prepare(tmp_path, tmp_path / "cache", 16.0)

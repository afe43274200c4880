import pytest

torch = pytest.importorskip("torch")

from vct.engine.cascade.texture import SCALES_MM, correlation, fields, textured  # noqa: E402


@pytest.fixture(scope="module")
def drawn():
    return fields(4.0, 1, "P", "texture")


def test_fields_have_unit_spread_and_the_stated_correlation(drawn):
    assert drawn.shape == (len(SCALES_MM), 2, 112, 112, 192)
    for scale, field in enumerate(drawn[:, 0]):
        assert float(field.std()) == pytest.approx(1.0, abs=0.05)
        for lag in (1, 2, 4):
            found = float((field[lag:] * field[:-lag]).mean() / field.square().mean())
            assert found == pytest.approx(correlation(4.0 * lag)[scale], abs=0.06)


def test_they_depend_on_the_name_alone(drawn):
    assert torch.equal(fields(4.0, 1, "P", "texture"), drawn)
    assert not torch.equal(fields(4.0, 1, "Q", "texture")[0], drawn[0])


def test_texture_keeps_the_mean(drawn):
    grain = torch.zeros(len(SCALES_MM), 2, 2)
    grain[1] = torch.tensor([[0.2, 0.0], [15.0, 0.0]])
    place = torch.zeros(112, 112, 192, dtype=torch.int64)
    place[:10] = 1
    ct, pet = textured(torch.full(place.shape, 50.0), torch.full(place.shape, 2.0), grain, place, drawn)
    assert float(pet[10:].mean()) == pytest.approx(2.0, rel=0.01)
    assert float(pet[13:].log().std()) == pytest.approx(0.2, rel=0.05)
    assert float(ct[10:].std()) == pytest.approx(15.0, rel=0.05)
    assert (pet[:7] == 2.0).all()

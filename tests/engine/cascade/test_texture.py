import pytest

torch = pytest.importorskip("torch")

from vct.engine.cascade.texture import SCALES_MM, correlation, fields, grain_of, textured  # noqa: E402


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


def test_amplitudes_that_made_a_texture_are_found_again(drawn):
    """Two tissues, ln SUV at 3.2 and 24 mm, HU in white noise and at 8 mm."""
    part = drawn[..., :64, :64, :96]
    place = torch.zeros(part.shape[2:], dtype=torch.int64)
    place[32:] = 1
    true = torch.zeros(len(SCALES_MM), 2, 3)
    true[1, 0, 0], true[3, 0, 0], true[1, 0, 1] = 0.1, 0.05, 0.2
    true[0, 1, 0], true[2, 1, 1] = 12.0, 20.0
    amplitude = true[:, :, place]
    residual = (part * amplitude).sum(dim=0)
    found = grain_of([residual], [place], 2, 4.0)
    assert found[:, 0] == pytest.approx(true[:, 0], abs=0.03)
    assert found[:, 1] == pytest.approx(true[:, 1], abs=4.0)


def test_texture_keeps_the_mean(drawn):
    grain = torch.zeros(len(SCALES_MM), 2, 2)
    grain[1] = torch.tensor([[0.2, 0.0], [15.0, 0.0]])
    place = torch.zeros(112, 112, 192, dtype=torch.int64)
    place[:10] = 1
    ct, pet = textured(torch.full(place.shape, 50.0), torch.full(place.shape, 2.0), grain, place, drawn)
    assert float(pet[10:].mean()) == pytest.approx(2.0, rel=0.01)
    assert float(pet[10:].log().std()) == pytest.approx(0.2, rel=0.05)
    assert float(ct[10:].std()) == pytest.approx(15.0, rel=0.05)
    assert (pet[:10] == 2.0).all()


def test_a_tissue_too_thin_to_be_looked_into_stays_smooth():
    place = torch.full((20, 20, 20), 1)
    place[10] = 0
    assert (grain_of([torch.randn(2, 20, 20, 20)], [place], 1, 4.0) == 0.0).all()

import pytest

torch = pytest.importorskip("torch")

from vct.engine.cascade.mesentery import FAT, traded  # noqa: E402
from vct.structures import STRUCTURES  # noqa: E402

COLON, SMALL, LIVER = (STRUCTURES[name] for name in ("colon", "small_bowel", "liver"))


def belly():
    """Two loops in a block of fat, beside a liver."""
    labels = torch.zeros(40, 40, 40, dtype=torch.uint8)
    labels[5:35, 5:35, 5:35] = FAT
    labels[8:18, 8:32, 10:30] = COLON
    labels[22:32, 8:32, 10:30] = SMALL
    labels[5:35, 5:35, 33:38] = LIVER
    return labels


@pytest.mark.parametrize("share", [0.5, 0.8, 1.2, 1.4])
def test_there_is_as_much_fat_as_was_asked_for(share):
    labels = belly()
    wanted = share * float((labels == FAT).sum()) * 0.4**3
    found, _ = traded(labels, wanted, 4.0)
    assert float((found == FAT).sum()) * 0.4**3 == pytest.approx(wanted, rel=0.01)
    assert torch.equal(found == LIVER, labels == LIVER)
    assert torch.equal(found == 0, labels == 0)


def test_loops_thin_from_outside_and_swell_as_themselves():
    labels = belly()
    fat_ml = float((labels == FAT).sum()) * 0.4**3
    thin, gut = traded(labels, 1.3 * fat_ml, 4.0)
    assert thin[13, 20, 20] == COLON
    assert thin[8, 20, 20] == FAT
    assert gut[8, 20, 20] >= 0.0 > gut[13, 20, 20]
    thick, _ = traded(labels, 0.5 * fat_ml, 4.0)
    assert thick[7, 20, 20] == COLON
    assert thick[32, 20, 20] == SMALL


def test_some_bowel_is_always_left_and_a_body_without_is_left_alone():
    found, _ = traded(belly(), 1e6, 4.0)
    assert ((found == COLON) | (found == SMALL)).any()
    plain = torch.full((8, 8, 8), LIVER, dtype=torch.uint8)
    same, gut = traded(plain, 5.0, 4.0)
    assert torch.equal(same, plain)
    assert (gut < 0.0).all()

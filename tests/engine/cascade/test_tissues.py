import pytest

pytest.importorskip("torch")

from vct.engine.cascade.tissues import STRUCTURE_NAMES, structure_masks, tissue_of, tissue_table
from vct.structures import STRUCTURES, labels_of


def test_every_structure_has_a_tissue_and_air_has_none():
    table, names = tissue_table()
    assert table[0] == 0
    assert names[0] == "air"
    assert all(table[label] > 0 for label in STRUCTURES.values())
    assert names[table[STRUCTURES["rib_left_3"]]] == "ribs"


@pytest.mark.parametrize(
    ("structure", "tissue"),
    [
        ("heart_myocardium", "myocardium"),
        ("heart_ventricle_left", "heart_chambers"),
        ("lung_middle_lobe_right", "lungs"),
        ("torso_fat", "fat"),
        ("liver", "liver"),
    ],
)
def test_what_is_painted_alike(structure, tissue):
    assert tissue_of(structure) == tissue


def test_what_is_aligned_as_one():
    masks = dict(zip(STRUCTURE_NAMES, structure_masks(), strict=True))
    assert set(labels_of("lungs")) == {i for i in range(256) if (masks["lung_right"] | masks["lung_left"])[i]}
    assert masks["heart"][STRUCTURES["heart_atrium_left"]]
    assert masks["belly"][STRUCTURES["torso_fat"]]
    assert masks["belly"][STRUCTURES["colon"]]
    assert not masks["belly"][STRUCTURES["liver"]]
    assert not masks["lean"][STRUCTURES["skin"]]
    assert not masks["ribs"][STRUCTURES["liver"]]

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from vct import checkpoint  # noqa: E402
from vct.checkpoint import Checkpoint  # noqa: E402
from vct.engine.base import Engine  # noqa: E402
from vct.engine.cascade.anatomy import SKIN_SCALE, VOLUME_SCALE, Anatomy, AnatomyConfig  # noqa: E402
from vct.engine.cascade.blueprints import AnatomyBlueprint, VoxelBlueprint  # noqa: E402
from vct.engine.cascade.codes import CodeConfig  # noqa: E402
from vct.engine.cascade.day import DayToDay  # noqa: E402
from vct.engine.cascade.engine import Cascade  # noqa: E402
from vct.engine.cascade.grid import Length  # noqa: E402
from vct.engine.cascade.lowres import Lowres, LowresConfig  # noqa: E402
from vct.engine.cascade.network import UNetConfig  # noqa: E402
from vct.engine.cascade.sampler import Schedule  # noqa: E402
from vct.engine.cascade.skin import axis_of  # noqa: E402
from vct.engine.cascade.superres import Superres, SuperresConfig  # noqa: E402
from vct.errors import InputError  # noqa: E402
from vct.records import Lesion, Patient, Snapshot, Visit  # noqa: E402
from vct.segmenter import Segmenter  # noqa: E402
from vct.structures import STRUCTURES  # noqa: E402
from vct.volume import Volume  # noqa: E402

TISSUES = ("muscle", "liver", "lungs", "fat")
SPANS = (4, 4, 7)


def anatomy():
    """A box of muscle with a liver and a lung, in a little fat; uptake and shape vary in two modes."""
    parts = AnatomyConfig(spans=SPANS, tissues=TISSUES, code=CodeConfig(raw=1, modes=1)).parts
    code = CodeConfig(raw=sum(parts), modes=2, width=8, blocks=1)
    model = Anatomy(AnatomyConfig(spans=SPANS, tissues=TISSUES, code=code, spacing_mm=8.0))
    model.labels[14:42, 16:40, 10:86] = STRUCTURES["skeletal_muscle"]
    model.labels[30:40, 20:34, 40:55] = STRUCTURES["liver"]
    model.labels[18:26, 20:34, 58:76] = STRUCTURES["lung_upper_lobe_left"]
    model.relief[model.labels == 0] = -1000.0
    model.axis.copy_(axis_of(model.labels))
    _, thicknesses, log_ml, log_suv, hu = model.code.mean[0].split(parts)
    thicknesses += SKIN_SCALE * 0.3
    log_ml += VOLUME_SCALE * torch.tensor([0.0, 8.0])
    log_suv += torch.tensor([-0.4, 0.8, -0.7, -1.5])
    hu += torch.tensor([0.5, 0.6, -8.0, -1.0])
    model.code.modes[0, sum(parts[:3]) + 1] = 0.2
    model.code.modes[1, : parts[0] // 3] = 8.0
    model.grain[1, :, 1] = torch.tensor([0.1, 10.0])
    return model.eval()


def engine(spacing_mm=8.0, superres=None, **changes):
    blueprint = AnatomyBlueprint(models={"F": anatomy(), "M": anatomy()}, length=Length(), hash="0123456789abcdef")
    return Cascade(blueprint=blueprint, spacing_mm=spacing_mm, superres=superres, **changes)


def snapshot(number=0, visit="baseline", lesions=(), **changes):
    who = {"id": f"P{number}", "sex": "F", "age_years": 55.0, "height_cm": 170.0, "weight_kg": 75.0} | changes
    return Snapshot(patient=Patient(**who), visit=Visit(name=visit, day=0.0), lesions=lesions)


def test_it_is_an_engine_and_says_what_made_the_scan():
    made = engine()
    assert isinstance(made, Engine)
    assert made.name == "cascade anatomy 01234567 8 mm"
    scan = made.generate(snapshot(), 1)
    assert scan.made_by == made.name
    assert scan.ct.grid == scan.pet.grid == scan.labels.grid
    assert (scan.ct.data.dtype, scan.pet.data.dtype, scan.labels.data.dtype) == (np.float32, np.float32, np.uint8)
    assert scan.ct.grid.spacing_mm[2] == pytest.approx(Length().of(170.0) / 96)


def test_the_body_is_the_same_at_every_visit_and_the_day_is_not():
    still = replace(engine(), daily=DayToDay(position_mm=(0.0, 0.0, 0.0), breath_mm=0.0, filling=1.0))
    first, second = still.generate(snapshot(), 1), still.generate(snapshot(visit="week 8"), 1)
    assert np.array_equal(first.labels.data, second.labels.data)
    moved = replace(engine(), daily=DayToDay(position_mm=(20.0, 20.0, 20.0)))
    moving = moved.generate(snapshot(visit="week 8"), 1)
    assert not np.array_equal(first.labels.data, moving.labels.data)
    change = second.planted_suv["liver"] / first.planted_suv["liver"]
    assert 0.75 < change < 1.33
    assert change != 1.0


def test_a_body_is_painted_so_that_its_tissues_measure_what_was_drawn():
    """Blur takes from a hot liver and gives to a cold one."""
    model, hot = anatomy(), TISSUES.index("liver")
    model.blur_mm.fill_(6.0)
    model.lost[hot] = 0.1
    body = model.split(model.code.mean[0])
    for suv in (0.2, 2.0, 8.0):
        drawn = replace(body, suv=body.suv.index_fill(0, torch.tensor(hot), suv))
        bare, seen = (model.render(each, 8.0) for each in (drawn, model.recovered(drawn)))
        liver = seen.labels == STRUCTURES["liver"]
        assert float(seen.pet[liver].mean()) == pytest.approx(suv * np.exp(0.1), rel=0.02)
        assert abs(float(bare.pet[liver].mean()) / suv - 1.0) > 0.04


def test_patients_differ_seeds_differ_and_arms_do_not():
    made = engine()
    base = made.generate(snapshot(), 1).ct.data
    assert not np.array_equal(base, made.generate(snapshot(1), 1).ct.data)
    assert not np.array_equal(base, made.generate(snapshot(), 2).ct.data)
    assert np.array_equal(base, made.generate(snapshot(arm="treated"), 1).ct.data)


def test_a_batch_gives_each_what_it_gets_alone():
    made = engine()
    many = made.generate_many([snapshot(n) for n in range(3)], 4)
    for number, scan in enumerate(many):
        assert np.array_equal(scan.pet.data, made.generate(snapshot(number), 4).pet.data)
    assert made.generate_many([], 4) == ()


def test_lesions_are_placed_and_planted():
    lesion = Lesion(id="L1", organ="liver", diameter_mm=30.0, suv=12.0, room_mm=30.0)
    scan = engine().generate(snapshot(lesions=(lesion,)), 1)
    (placed,) = scan.snapshot.lesions
    assert placed.center_mm is not None
    index = tuple(
        round((c - o) / s)
        for c, o, s in zip(placed.center_mm, scan.pet.grid.origin_mm, scan.pet.grid.spacing_mm, strict=True)
    )
    assert scan.labels.data[index] == STRUCTURES["liver"]
    assert scan.pet.data[index] > 8.0
    assert scan.background_suv["L1"] == pytest.approx(scan.planted_suv["liver"], rel=0.15)


def test_stage_two_halves_the_spacing_and_keeps_the_averages():
    torch.manual_seed(0)
    tiny = UNetConfig(extra=5, condition=5, stem=4, widths=(8,), head=4, norm="rms")
    refine = Superres(SuperresConfig(network=tiny, tile=(112, 112, 96), margin=4))
    torch.nn.init.normal_(refine.denoiser.network.head_out.weight, std=0.05)
    refine.spread.fill_(0.05)
    made = engine(4.0, refine.eval(), refining=Schedule(steps=2))
    fine, coarse = made.generate(snapshot(), 1), engine(8.0).generate(snapshot(), 1)
    assert fine.ct.grid.shape == (112, 112, 192)
    pooled = fine.ct.data.reshape(56, 2, 56, 2, 96, 2).mean(axis=(1, 3, 5))
    assert np.abs(pooled - coarse.ct.data).max() < 1.0
    assert fine.ct.data.std() != coarse.ct.data.std()


class Halves(Segmenter):
    """The left half of everything is liver."""

    kind: str = "halves"

    def segment(self, ct, pet=None):
        data = np.zeros(ct.data.shape, np.uint8)
        data[: len(data) // 2] = STRUCTURES["liver"]
        return Volume(data=data, grid=ct.grid, unit="label")


def test_lesions_lie_in_what_the_segmenter_finds_on_scans_of_voxel_weights():
    config = LowresConfig(network=UNetConfig(extra=3, condition=4, stem=4, widths=(8,), head=4))
    blueprint = VoxelBlueprint(model=Lowres(config).eval(), length=Length(), hash="f" * 16)
    made = Cascade(blueprint=blueprint, spacing_mm=8.0, schedule=Schedule(steps=1), segmenter=Halves())
    lesion = Lesion(id="L1", organ="liver", diameter_mm=20.0, suv=8.0, room_mm=20.0)
    scans = [made.generate(snapshot(visit=visit, lesions=(lesion,)), 1) for visit in ("baseline", "week 8")]
    assert scans[0].planted_suv["liver"] != scans[1].planted_suv["liver"]
    places = [scan.snapshot.lesions[0].center_mm for scan in scans]
    assert places[0] == places[1]
    assert places[0][0] < 0.0


def test_what_cannot_be_made_is_refused(tmp_path):
    with pytest.raises(InputError, match="8, 4 or 2 mm"):
        engine(3.0)
    with pytest.raises(InputError, match="needs superres weights"):
        engine(4.0)
    with pytest.raises(InputError, match="holds neither anatomy"):
        Cascade.load(tmp_path)


def test_weights_that_do_not_fit_their_configuration_are_named(tmp_path):
    model = anatomy()
    config = {"length": [3.0, 200.0], "sexes": {"F": model.config.model_dump(mode="json")}}
    tensors = {f"F.{name}": value for name, value in model.state_dict().items()}

    def saved(config, tensors):
        checkpoint.save(Checkpoint(kind="anatomy", config=config, training_data="", tensors=tensors), tmp_path)

    saved(config, tensors)
    assert Cascade.load(tmp_path, 8.0).generate(snapshot(), 1).labels is not None
    saved(config, {name: value for name, value in tensors.items() if name != "F.pattern"})
    with pytest.raises(InputError, match="do not fit their own configuration"):
        Cascade.load(tmp_path, 8.0)
    saved(config | {"sexes": {"F": {"spans": "many"}}}, tensors)
    with pytest.raises(InputError, match="not one of this version"):
        Cascade.load(tmp_path, 8.0)


def test_the_couch_stays_under_the_back():
    """It moves with the back of a body, never round the edge of the image, and leaves no outline of another skin."""
    model = anatomy()
    model.relief[:, 10, :] = 100.0
    body = torch.zeros_like(model.labels)
    for back, couch in ((24, 18), (8, 2), (4, None)):
        body.zero_()
        body[14:42, back:44, 10:86] = STRUCTURES["skeletal_muscle"]
        dense = (model._couch(body) > 0.0).any(dim=2).any(dim=0).nonzero().ravel().tolist()
        assert dense == ([] if couch is None else [couch])

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from vct.engine.cascade.blueprints import VoxelBlueprint, load_blueprint, load_superres  # noqa: E402
from vct.engine.cascade.day import DayToDay  # noqa: E402
from vct.engine.cascade.lowres import LowresConfig  # noqa: E402
from vct.engine.cascade.network import UNetConfig  # noqa: E402
from vct.engine.cascade.sampler import Schedule  # noqa: E402
from vct.engine.cascade.superres import SuperresConfig  # noqa: E402
from vct.records import Patient, Snapshot, Visit  # noqa: E402
from vct.training.data import prepare  # noqa: E402
from vct.training.loop import Draw, Settings, train  # noqa: E402
from vct.training.tasks import LowresTask, SuperresTask, Weighting, repainted  # noqa: E402

TINY = {"stem": 4, "widths": (8,), "head": 4}
LOWRES = LowresConfig(network=UNetConfig(extra=3, condition=4, **TINY), spacing_mm=16.0)
SUPERRES = SuperresConfig(network=UNetConfig(extra=5, condition=5, norm="rms", **TINY), tile=(56, 56, 64), margin=4)
ANYONE = Patient(id="P", sex="F", age_years=50.0, height_cm=168.0, weight_kg=70.0)


@pytest.fixture(scope="module")
def bodies(bodies_folder, tmp_path_factory):
    return prepare(bodies_folder, tmp_path_factory.mktemp("cache"), 16.0)


def test_the_template_leaves_a_standardised_residual(bodies):
    """Of fresh bodies, which is what the network is shown."""
    task = LowresTask(bodies, LOWRES)
    rows = [0, 3, 6, 9, 12, 15]
    residual = task.model.residual(task.fresh(rows, Draw(9, 0), torch.device("cpu")), task.condition[rows])
    assert residual.square().mean(dim=(0, 2, 3, 4)).sqrt() == pytest.approx(torch.full((2,), 0.5), rel=0.25)


def test_an_untrained_loss_is_about_one(bodies):
    """By construction of template, spread and preconditioning."""
    task = LowresTask(bodies, LOWRES)
    with torch.no_grad():
        losses = [float(task.loss(task.model, Draw(0, step), 4)) for step in range(6)]
    assert 0.7 < sum(losses) / 6 < 1.4


def test_lowres_trains_ships_and_draws(bodies, tmp_path):
    train(LowresTask(bodies, LOWRES), tmp_path, Settings(steps=3, batch=2, accelerator="cpu"))
    blueprint = load_blueprint(tmp_path)
    assert isinstance(blueprint, VoxelBlueprint)
    day = Visit(name="baseline", day=0.0)
    other = Patient(id="Q", sex="M", age_years=60.0, height_cm=180.0, weight_kg=85.0)
    people = [Snapshot(patient=patient, visit=day) for patient in (ANYONE, other)]
    with torch.inference_mode():
        both = blueprint.draw(people, 5, 16.0, Schedule(steps=2), 16.0, DayToDay())
        alone = blueprint.draw(people[1:], 5, 16.0, Schedule(steps=2), 16.0, DayToDay())[0]
    assert both[0].ct.shape == (28, 28, 48)
    assert torch.allclose(both[1].pet, alone.pet, atol=1e-4)


def test_superres_trains_ships_and_keeps_block_means(bodies, tmp_path):
    train(SuperresTask(bodies, SUPERRES, patch=16), tmp_path, Settings(steps=3, batch=2, accelerator="cpu"))
    second = load_superres(tmp_path)
    assert second is not None
    assert len(second.hash) == 32
    ct, pet = (part[0] for part in bodies.images([0]))
    condition = torch.zeros(4)
    with torch.inference_mode():
        fine_ct, fine_pet = second.model.refine(ct, pet, condition, 8.0, Schedule(steps=2), 1, "P", "body")
    pooled = torch.nn.functional.avg_pool3d(torch.stack((fine_ct, fine_pet))[None], 2)[0]
    assert fine_ct.shape == (56, 56, 96)
    assert torch.allclose(pooled[0], ct, atol=0.5)
    assert torch.allclose(pooled[1], pet, atol=0.01)


def test_patches_match_their_guide(bodies):
    """A patch pooled is what its guide was made of; positions are those of the patch in the whole."""
    task = SuperresTask(bodies, SUPERRES, patch=16)
    fine, guide, steer = task.patches(Draw(0, 1), 2)
    assert fine.shape == guide.shape == (2, 2, 16, 16, 16)
    assert steer["extra"].shape == (2, 5, 16, 16, 16)
    assert torch.equal(steer["extra"][:, :2], guide)
    assert steer["condition"][:, 4].tolist() == [2.0, 2.0]
    assert (fine - guide).abs().mean() < 0.3


def test_a_loss_of_both_images_is_the_mean_of_either(bodies):
    """And weights on the images change nothing else."""
    losses = []
    for images in ((1.0, 1.0), (2.0, 0.0), (0.0, 2.0)):
        torch.manual_seed(0)
        task = SuperresTask(bodies, SUPERRES, patch=16, weighting=Weighting(images=images))
        with torch.no_grad():
            losses.append(float(task.loss(task.model, Draw(0, 1), 2)))
    both, ct, pet = losses
    assert both == pytest.approx((ct + pet) / 2.0, rel=1e-5)
    assert ct != pytest.approx(pet, rel=1e-3)


def test_repainting_keeps_air_and_changes_tissues(bodies):
    ct, pet = bodies.images([0, 1])
    labels = torch.from_numpy(bodies.labels[:2].copy())
    new_ct, new_pet = repainted(ct, pet, labels, Draw(0, 0))
    air = labels == 0
    assert torch.equal(new_ct[air], ct[air])
    assert torch.equal(new_pet[air], pet[air])
    liver = labels == 5
    ratio = (new_pet / pet)[liver]
    assert 0.5 < float(ratio.min()) <= float(ratio.max()) < 2.0
    assert len(ratio.round(decimals=3).unique()) <= 4

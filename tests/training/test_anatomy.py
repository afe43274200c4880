import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from vct import checkpoint  # noqa: E402
from vct.engine.cascade.blueprints import AnatomyBlueprint, load_blueprint  # noqa: E402
from vct.engine.cascade.codes import CodeConfig, CodeModel  # noqa: E402
from vct.engine.cascade.day import COMMON_SD, OWN_SD, DayToDay  # noqa: E402
from vct.engine.cascade.sampler import DEFAULT  # noqa: E402
from vct.errors import InputError  # noqa: E402
from vct.records import Patient, Snapshot, Visit  # noqa: E402
from vct.structures import STRUCTURES  # noqa: E402
from vct.training import register  # noqa: E402
from vct.training.anatomy import (  # noqa: E402
    CodeTask,
    _leave_out_the_day,
    anatomy_checkpoint,
    describe,
    fit_code,
    shrunk_correlation,
)
from vct.training.data import prepare  # noqa: E402
from vct.training.loop import Settings, train  # noqa: E402


@pytest.fixture(scope="module")
def described(bodies_folder, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    bodies = prepare(bodies_folder, cache, 16.0)
    with pytest.MonkeyPatch.context() as patch:
        levels = tuple(
            level.__class__(spans=level.spans, steps=5, step_mm=4.0, stiffness=2e-5) for level in register.LEVELS
        )
        patch.setattr(register.register, "__defaults__", (levels,))
        return bodies, {sex: describe(bodies, sex, cache) for sex in "FM"}


def person(number, **changes):
    who = {"id": f"P{number}", "sex": "F", "age_years": 55.0, "height_cm": 170.0, "weight_kg": 75.0} | changes
    return Snapshot(patient=Patient(**who), visit=Visit(name="baseline", day=0.0))


@torch.no_grad()
def test_drawn_bodies_resemble_the_population(described):
    """Mean and spread of the liver's uptake, and its volume, as in the folder."""
    bodies, fitted = described
    rows = bodies.of_sex("F")
    liver = STRUCTURES["liver"]
    real = [float(bodies.pet[row][bodies.labels[row] == liver].astype(float).mean()) for row in rows]
    real_volume = np.mean([(bodies.labels[row] == liver).sum() for row in rows])
    blueprint = AnatomyBlueprint(models={"F": fitted["F"].anatomy.eval()}, length=bodies.length(), hash="")
    drawn = blueprint.draw([person(number) for number in range(24)], 1, 16.0, DEFAULT, 16.0, DayToDay())
    seen = [float(body.pet[body.labels == liver].mean()) for body in drawn]
    volume = np.mean([int((body.labels == liver).sum()) for body in drawn])
    assert np.mean(seen) == pytest.approx(np.mean(real), rel=0.1)
    assert 0.5 < np.std(np.log(seen)) / np.std(np.log(real)) < 2.0
    assert volume == pytest.approx(real_volume, rel=0.15)


@torch.no_grad()
def test_a_body_is_the_same_in_any_batch_and_from_a_file(described, tmp_path):
    bodies, fitted = described
    checkpoint.save(anatomy_checkpoint({sex: fitted[sex].anatomy for sex in "FM"}, bodies), tmp_path)
    blueprint = load_blueprint(tmp_path)
    people = [person(0), person(1, sex="M"), person(2, height_cm=180.0)]
    together = blueprint.draw(people, 3, 16.0, DEFAULT, 16.0, DayToDay())
    alone = blueprint.draw(people[1:2], 3, 16.0, DEFAULT, 16.0, DayToDay())[0]
    assert torch.equal(together[1].pet, alone.pet)
    assert torch.equal(together[1].labels, alone.labels)
    fresh = AnatomyBlueprint(models={"M": fitted["M"].anatomy.eval()}, length=bodies.length(), hash="")
    assert torch.equal(fresh.draw(people[1:2], 3, 16.0, DEFAULT, 16.0, DayToDay())[0].ct, alone.ct)
    with pytest.raises(InputError, match="no body of sex F"):
        fresh.draw(people[:1], 3, 16.0, DEFAULT, 16.0, DayToDay())


def test_the_code_network_trains_and_is_held_against_bodies_kept_aside(described, tmp_path):
    _, fitted = described
    task = CodeTask(fitted["F"], "F", "ovals")
    before = task.held_out()
    train(task, tmp_path, Settings(steps=20, batch=32, accelerator="cpu"))
    assert before == pytest.approx(1.0, abs=0.8)
    assert task.held_out() != before
    assert checkpoint.load(tmp_path, "code-F").training_data == "ovals"


def test_the_day_is_not_counted_twice():
    """ln SUV of a tissue with variance v keeps v less the day's variance; other columns keep theirs."""
    code = CodeModel(CodeConfig(raw=3, shaped=3, modes=2, width=8, blocks=1))
    code.modes.copy_(torch.tensor([[0.3, 0.0, 1.0], [0.0, 0.05, 0.0]]))
    _leave_out_the_day(code, ("liver", "spleen"), 0)
    day = OWN_SD**2 + COMMON_SD**2
    assert code.modes[0, 0] == pytest.approx((0.3**2 - day) ** 0.5)
    assert code.modes[1, 1] == pytest.approx(0.05 * 0.05**0.5)
    assert code.modes[0, 2] == 1.0


def test_too_few_bodies_are_refused(described, tmp_path):
    from dataclasses import replace

    bodies, _ = described
    with pytest.raises(InputError, match="at least 8 bodies"):
        describe(replace(bodies, patients=bodies.patients[:4]), "F", tmp_path)


def test_a_code_of_a_known_gaussian_is_recovered():
    """Bodies drawn from a regression and two modes: the fitted model has their mean and covariance."""
    generator = torch.Generator().manual_seed(0)
    condition = torch.randn(3000, 4, generator=generator)
    modes = torch.randn(2, 2, generator=generator)
    latent = torch.randn(3000, 4, generator=generator)
    latent[:, 2] = 0.6 * latent[:, 0] + 0.8 * latent[:, 2]
    residual = torch.cat((latent[:, :2] @ torch.randn(2, 4, generator=generator), latent[:, 2:] @ modes), dim=1)
    raw = 3.0 + condition[:, 1:2] + residual
    model, white = fit_code(raw, condition, blocks=(4, 2))
    assert model.expected(torch.tensor([[0.0, 2.0, 0.0, 0.0]])) == pytest.approx(torch.full((1, 6), 5.0), abs=0.2)
    root = model.mix.T @ model.modes
    exact = torch.cov(residual.T)
    assert torch.linalg.norm(root.T @ root - exact) / torch.linalg.norm(exact) < 0.1
    assert white.std(dim=0) == pytest.approx(torch.full((white.shape[1],), 0.5), abs=0.05)


def test_correlation_of_few_samples_is_shrunk():
    generator = torch.Generator().manual_seed(1)
    independent = torch.randn(12, 20, generator=generator).double()
    off = shrunk_correlation(independent) - torch.eye(20)
    assert off.abs().max() < 0.3 < (torch.corrcoef(independent.T) - torch.eye(20)).abs().max()
    assert torch.linalg.eigvalsh(off + torch.eye(20)).min() > 0.0
    common = torch.randn(2000, 1, generator=generator).double()
    related = common + 0.5 * torch.randn(2000, 3, generator=generator).double()
    assert shrunk_correlation(related)[0, 1] == pytest.approx(0.8, abs=0.03)


def test_numbers_keep_distributions_of_their_own():
    """A skewed number, half decided by a demographic, is drawn with its own quantiles."""
    generator = torch.Generator().manual_seed(2)
    condition = torch.randn(4000, 4, generator=generator)
    skewed = torch.randn(4000, 1, generator=generator).exp()
    raw = torch.cat((torch.randn(4000, 3, generator=generator), condition[:, 1:2] + skewed), dim=1)
    model, _ = fit_code(raw, condition, blocks=(3, 1), shaped=1)
    middle = torch.zeros(4000, 4)
    noise = torch.randn(4000, model.config.modes, generator=generator)
    drawn = model.draw(middle, noise, DEFAULT)[:, 3].detach()
    share = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])
    assert torch.quantile(drawn, share) == pytest.approx(torch.quantile(skewed, share), rel=0.1, abs=0.12)


def test_numbers_beside_louder_ones_keep_their_spread():
    """A quiet number is hardly in the modes that are kept; it is drawn with its spread all the same, a silent one as
    what it is."""
    generator = torch.Generator().manual_seed(3)
    condition = torch.randn(4000, 4, generator=generator)
    loud = 40.0 * torch.randn(4000, 2, generator=generator)
    quiet = 0.0125 * loud[:, 1:] + 0.87 * torch.randn(4000, 1, generator=generator)
    still = torch.full((4000, 1), 2.0)
    model, _ = fit_code(torch.cat((loud, quiet, still), dim=1), condition, blocks=(1, 3), shaped=3)
    noise = torch.randn(4000, model.config.modes, generator=generator)
    drawn = model.draw(torch.zeros(4000, 4), noise, DEFAULT).detach()
    assert drawn[:, 2].std() == pytest.approx(float(quiet.std()), rel=0.05)
    assert drawn[:, 3] == pytest.approx(2.0, abs=1e-4)

"""Organ volumes and uptake from a table: regression, spread and skew of thousands, on an anatomy of a few."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from vct.engine.cascade.anatomy import FATS, Anatomy, AnatomyConfig  # noqa: E402
from vct.engine.cascade.codes import CodeConfig  # noqa: E402
from vct.engine.cascade.conditioning import demographics  # noqa: E402
from vct.engine.cascade.grid import NOMINAL_Z_MM, Length  # noqa: E402
from vct.engine.cascade.sampler import THOROUGH, code_noise  # noqa: E402
from vct.errors import InputError  # noqa: E402
from vct.records import Patient  # noqa: E402
from vct.structures import STRUCTURES  # noqa: E402
from vct.training.organs import OrganNumber  # noqa: E402
from vct.training.volumes import retold  # noqa: E402

LENGTH = Length(3.0, 200.0)
TISSUES = ("fat", "liver")


@pytest.fixture
def anatomy():
    """Volumes of liver and spleen, each with a mode of its own."""
    parts = AnatomyConfig(
        spans=(4, 4, 7), tissues=TISSUES, volumes=("liver", "spleen"), code=CodeConfig(raw=1, modes=1)
    )
    raw, shaped = sum(parts.parts), 2 + len(FATS) + 2 * len(TISSUES)
    made = Anatomy(parts.model_copy(update={"code": CodeConfig(raw=raw, shaped=shaped, modes=2, width=16, blocks=1)}))
    made.code.modes[0, raw - shaped], made.code.modes[1, raw - shaped + 1] = 1.0, 1.0
    return made.eval()


def people(count, organ="liver"):
    """Volumes that grow with height, fall with age, and are skew."""
    rng = np.random.default_rng(0)
    for number in range(count):
        height, age, weight = rng.normal(165.0, 8.0), rng.uniform(30.0, 80.0), rng.normal(70.0, 12.0)
        ml = 1500.0 * (height / 165.0) ** 2 * np.exp(-0.004 * (age - 55.0)) * (0.7 + 0.3 * rng.exponential())
        yield OrganNumber(
            scan=f"T{number}", sex="F", age_years=age, height_cm=height, weight_kg=weight, organ=organ,
            quantity="volume_ml", value=ml,
        )  # fmt: skip


@torch.no_grad()
def test_drawn_volumes_follow_the_table(anatomy) -> None:
    table = list(people(4000))
    spleen = anatomy.config.parts[0] + anatomy.config.parts[1] + 1
    before = anatomy.code.mean[:, spleen].clone()
    assert retold(anatomy, LENGTH, table, "F") == ("liver",)
    assert torch.equal(anatomy.code.mean[:, spleen], before)
    for height, age in ((155.0, 40.0), (175.0, 70.0)):
        patient = Patient(id="P", sex="F", age_years=age, height_cm=height, weight_kg=70.0)
        noise = torch.stack([code_noise(2, 1, f"P{number}") for number in range(4000)])
        raw = anatomy.code.draw(demographics([patient]).expand(4000, -1), noise, THOROUGH)
        drawn = torch.stack([anatomy.split(vector).log_ml[0] for vector in raw]).exp().numpy()
        drawn *= LENGTH.of(height) / NOMINAL_Z_MM
        typical = 1500.0 * (height / 165.0) ** 2 * np.exp(-0.004 * (age - 55.0))
        assert drawn.mean() == pytest.approx(typical, rel=0.03)
        assert np.percentile(drawn, 5) == pytest.approx(0.715 * typical, rel=0.04)
        assert np.percentile(drawn, 95) == pytest.approx((0.7 + 0.9 * np.log(20.0) / 3.0) * typical, rel=0.06)


def test_a_table_that_cannot_tell_is_refused(anatomy) -> None:
    with pytest.raises(InputError, match="the liver of 99 people of sex F; 100 are needed"):
        retold(anatomy, LENGTH, list(people(99)), "F")
    with pytest.raises(InputError, match="no volume_ml of sex M for any of liver, spleen"):
        retold(anatomy, LENGTH, list(people(200)), "M")
    uptake = [replace(item, quantity="suv_mean") for item in people(200)]
    with pytest.raises(InputError, match="no volume_ml of sex F"):
        retold(anatomy, LENGTH, uptake, "F")


def drawn_ml(anatomy, age: float) -> np.ndarray:
    patient = Patient(id="P", sex="F", age_years=age, height_cm=165.0, weight_kg=70.0)
    noise = torch.stack([code_noise(2, 1, f"P{number}") for number in range(4000)])
    raw = anatomy.code.draw(demographics([patient]).expand(4000, -1), noise, THOROUGH)
    return torch.stack([anatomy.split(vector).log_ml[0] for vector in raw]).numpy()


@torch.no_grad()
def test_the_old_differ_more_where_the_table_says_so(anatomy) -> None:
    """The spread of ln ml grows from .1 at 30 years to .3 at 80."""
    rng = np.random.default_rng(1)
    table = [
        replace(item, value=1500.0 * float(np.exp(0.1 * 3.0 ** ((item.age_years - 30.0) / 50.0) * rng.normal())))
        for item in people(6000)
    ]
    retold(anatomy, LENGTH, table, "F")
    for age, spread in ((35.0, 0.1116), (75.0, 0.2688)):
        assert drawn_ml(anatomy, age).std() == pytest.approx(spread, rel=0.08)


def uptake(organ: str, spread: float) -> list[OrganNumber]:
    """ln SUVmean of 3 / 2 with a given spread, 2 % less for every year beyond 55."""
    rng = np.random.default_rng(2)
    return [
        replace(
            item,
            quantity="suv_mean",
            value=float(np.exp(1.5 - 0.02 * (item.age_years - 55.0) + rng.normal(0.0, spread))),
        )
        for item in people(4000, organ)
    ]


@torch.no_grad()
def test_uptake_of_an_organ_is_the_tables(anatomy) -> None:
    code, place = anatomy.code, sum(anatomy.config.parts[:3]) + TISSUES.index("liver")
    code.modes[0, place] = 1.0
    retold(anatomy, LENGTH, [*people(4000), *uptake("liver", 0.25)], "F")
    noise = torch.stack([code_noise(2, 1, f"P{number}") for number in range(4000)])
    for age, log_suv in ((45.0, 1.7), (70.0, 1.2)):
        patient = Patient(id="P", sex="F", age_years=age, height_cm=165.0, weight_kg=70.0)
        drawn = code.draw(demographics([patient]).expand(4000, -1), noise, THOROUGH)[:, place]
        assert float(drawn.mean()) == pytest.approx(log_suv, abs=0.02)
        assert float(drawn.std()) == pytest.approx(0.25, rel=0.05)


@torch.no_grad()
def test_a_heart_of_wall_and_chambers_follows_the_table() -> None:
    tissues = ("fat", "myocardium", "heart_chambers")
    config = AnatomyConfig(spans=(4, 4, 7), tissues=tissues, volumes=("heart",), code=CodeConfig(raw=1, modes=1))
    raw, shaped = sum(config.parts), 1 + len(FATS) + 2 * len(tissues)
    code = CodeConfig(raw=raw, shaped=shaped, modes=1, width=16, blocks=1)
    made = Anatomy(config.model_copy(update={"code": code})).eval()
    made.labels[:10] = STRUCTURES["heart_myocardium"]
    made.labels[10:40] = STRUCTURES["heart_atrium_left"]
    columns = [sum(config.parts[:3]) + tissues.index(name) for name in tissues[1:]]
    made.code.mean[0, columns] = torch.tensor([8.0, 2.0]).log()
    table = uptake("heart", 0.1)
    retold(made, LENGTH, [*people(4000, "heart"), *table], "F")
    day = np.exp(0.06**2 / 2.0) * np.array([np.exp(0.3**2 / 2.0), np.exp(0.05**2 / 2.0)])
    known = demographics(
        [Patient(id="P", sex="F", age_years=n.age_years, height_cm=n.height_cm, weight_kg=n.weight_kg) for n in table]
    )
    drawn = made.code.expected(known)[:, columns].exp().numpy()
    assert (drawn @ (day * [0.25, 0.75])).mean() == pytest.approx(np.mean([item.value for item in table]), rel=1e-3)
    assert np.polyfit([item.age_years for item in table], np.log(drawn[:, 0]), 1)[0] == pytest.approx(-0.02, abs=1e-3)
    assert drawn[:, 0] / drawn[:, 1] == pytest.approx(np.full(len(table), 4.0), rel=1e-3)

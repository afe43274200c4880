import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from vct.engine.cascade.blueprints import AnatomyBlueprint, VoxelBlueprint, load_blueprint, load_superres  # noqa: E402
from vct.engine.cascade.lowres import LowresConfig  # noqa: E402
from vct.engine.cascade.network import UNetConfig  # noqa: E402
from vct.engine.cascade.superres import SuperresConfig  # noqa: E402
from vct.errors import InputError  # noqa: E402
from vct.training import register  # noqa: E402
from vct.training.loop import Settings  # noqa: E402
from vct.training.verbs import train_anatomy, train_lowres, train_superres  # noqa: E402

QUICK = Settings(steps=2, batch=2, accelerator="cpu")
TINY = {"stem": 4, "widths": (8,), "head": 4}


def test_an_anatomy_is_trained_and_trained_again_from_what_is_there(bodies_folder, tmp_path, monkeypatch):
    level = register.Level(spans=register.LEVELS[-1].spans, steps=2, step_mm=2.0, stiffness=2e-5)
    monkeypatch.setattr(register.register, "__defaults__", ((level,),))
    said = []
    first = train_anatomy(bodies_folder, tmp_path, QUICK, said.append, spacing_mm=16.0)
    assert isinstance(load_blueprint(tmp_path), AnatomyBlueprint)
    assert load_blueprint(tmp_path).hash == first
    assert [line for line in said if "held-out loss" in line][1].startswith("M: 8 bodies")
    registered = [line for line in said if line.startswith("registered")]
    assert len(registered) == 16
    assert train_anatomy(bodies_folder, tmp_path, QUICK, said.append, spacing_mm=16.0) == first
    assert len([line for line in said if line.startswith("registered")]) == 16


def test_both_voxel_stages_are_trained_in_one_folder(bodies_folder, tmp_path):
    """Stage 2 has a state and settings of its own, and goes on to the next halving."""
    lowres = LowresConfig(network=UNetConfig(extra=3, condition=4, **TINY), spacing_mm=16.0)
    superres = SuperresConfig(network=UNetConfig(extra=5, condition=5, norm="rms", **TINY))
    assert train_lowres(bodies_folder, tmp_path, QUICK, lowres) == 2
    first = load_blueprint(tmp_path)
    assert isinstance(first, VoxelBlueprint)
    fewer = QUICK.model_copy(update={"batch": 1})
    assert train_superres(bodies_folder, tmp_path, fewer, 16.0, superres, patch=16) == 2
    again = fewer.model_copy(update={"steps": 3})
    assert train_superres(bodies_folder, tmp_path, again, 8.0, superres, patch=16) == 3
    assert load_superres(tmp_path) is not None
    assert load_blueprint(tmp_path).hash == first.hash
    logs = {path.parent.name: path.read_text().splitlines()[1:] for path in tmp_path.glob("*/log.csv")}
    assert {name: len(rows) for name, rows in logs.items()} == {"lowres": 2, "superres": 3}


def test_stage_2_may_start_from_weights(bodies_folder, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    config = SuperresConfig(network=UNetConfig(extra=5, condition=5, norm="rms", **TINY))
    train_superres(bodies_folder, first, QUICK, 16.0, config, patch=16)
    still = QUICK.model_copy(update={"steps": 1, "learning_rate": 1e-7, "seed": 4})
    train_superres(bodies_folder, second, still, 16.0, patch=16, start=first)
    before, after = (load_superres(folder).model for folder in (first, second))
    assert after.config == before.config
    for name, tensor in before.state_dict().items():
        assert torch.allclose(tensor, after.state_dict()[name], atol=2e-3), name
    with pytest.raises(InputError, match="holds no superres"):
        train_superres(bodies_folder, second, still, 16.0, patch=16, start=bodies_folder)

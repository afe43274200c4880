import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("lightning_fabric")

from vct import checkpoint  # noqa: E402
from vct.checkpoint import Checkpoint  # noqa: E402
from vct.cli import app  # noqa: E402
from vct.engine.cascade.anatomy import SKIN_SCALE, VOLUME_SCALE, Anatomy, AnatomyConfig  # noqa: E402
from vct.engine.cascade.codes import CodeConfig  # noqa: E402
from vct.engine.cascade.skin import axis_of  # noqa: E402
from vct.errors import InputError  # noqa: E402
from vct.structures import STRUCTURES  # noqa: E402
from vct.training.folder import read_imaging, read_table  # noqa: E402
from vct.training.organs import read_numbers  # noqa: E402
from vct.volume import load  # noqa: E402

WHO = ["--sex", "F", "--age", "60", "--height", "165", "--weight", "66"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A box of muscle with a liver, the same for both sexes, at 8 mm."""
    spans, tissues = (4, 4, 7), ("muscle", "liver", "fat")
    parts = AnatomyConfig(spans=spans, tissues=tissues, code=CodeConfig(raw=1, modes=1)).parts
    code = CodeConfig(raw=sum(parts), modes=1, width=8, blocks=1)
    model = Anatomy(AnatomyConfig(spans=spans, tissues=tissues, code=code, spacing_mm=8.0))
    model.labels[14:42, 16:40, 10:86] = STRUCTURES["skeletal_muscle"]
    model.labels[30:40, 20:34, 40:55] = STRUCTURES["liver"]
    model.relief[model.labels == 0] = -1000.0
    model.axis.copy_(axis_of(model.labels))
    _, thicknesses, log_ml, log_suv, _ = model.code.mean[0].split(parts)
    thicknesses += SKIN_SCALE * 0.3
    log_ml += VOLUME_SCALE * torch.tensor([0.0, 8.0])
    log_suv += torch.tensor([0.0, 0.8, -1.5])
    model.code.modes[0, -5] = 0.2
    config = {
        "length": [2.9, 220.0],
        "imaging": {"fwhm_mm": 5.5},
        "sexes": {sex: model.config.model_dump(mode="json") for sex in "FM"},
    }
    tensors = {f"{sex}.{name}": value.clone() for sex in "FM" for name, value in model.state_dict().items()}
    folder = tmp_path_factory.mktemp("weights")
    checkpoint.save(Checkpoint(kind="anatomy", config=config, training_data="a box, CC0", tensors=tensors), folder)
    return folder


def vct(*arguments):
    return CliRunner().invoke(app, [str(item) for item in arguments], catch_exceptions=True)


def test_scans_of_given_people_are_made_resumed_and_guarded(weights, tmp_path):
    order = ("generate", *WHO, "--weights", weights, "--resolution", 8, "--out", tmp_path)
    result = vct(*order, "-n", 2)
    assert result.exit_code == 0, result.output
    assert [patient.height_cm for patient in read_table(tmp_path)] == [165.0, 165.0]
    assert read_imaging(tmp_path)["fwhm_mm"] == 5.5
    assert "a box, CC0" in (tmp_path / "about.txt").read_text()
    first, second = (load(tmp_path / name / "pet.nii.gz", "SUVbw").data for name in ("V00000", "V00001"))
    assert not np.array_equal(first, second)
    numbers = {(item.scan, item.organ, item.quantity): item.value for item in read_numbers(tmp_path / "organs.csv")}
    assert numbers["V00000", "liver", "volume_ml"] > 0.0
    assert "V00000" not in vct(*order, "-n", 3).output
    assert len(read_table(tmp_path)) == 3
    refused = vct(*order, "-n", 3, "--seed", 1)
    assert isinstance(refused.exception, InputError)
    assert "holds scans of cascade anatomy" in str(refused.exception)


def test_a_batch_gives_the_same_bytes(weights, tmp_path):
    for name, batch in (("one", 1), ("two", 2)):
        order = ("generate", "--cohort", "us_adults", "-n", 2, "--weights", weights, "--resolution", 8)
        assert vct(*order, "--batch", batch, "--out", tmp_path / name).exit_code == 0
    one, two = ((tmp_path / name / "organs.csv").read_bytes() for name in ("one", "two"))
    assert one == two
    assert len(read_table(tmp_path / "one")) == 2


def test_twins_are_drawn_by_the_published_sampler_where_asked(weights, tmp_path):
    people = tmp_path / "people"
    assert vct("generate", *WHO, "--weights", weights, "--resolution", 8, "--out", people).exit_code == 0
    order = ("prepare", "twins", people, "--resolution", 8, "--out", tmp_path / "twins")
    assert vct(*order, "--engine", f"cascade:{weights}", "--sampler", "published").exit_code == 0
    assert read_imaging(tmp_path / "twins")["made_by"].endswith("8 mm heun 100")
    assert read_table(tmp_path / "twins") == read_table(people)
    for arguments, told in (
        (("--engine", "phantom", "--sampler", "published"), "--engine is 'phantom'"),
        (("--engine", "cascade", "--sampler", "publishd"), "did you mean 'published'"),
    ):
        refused = vct(*order, *arguments)
        assert isinstance(refused.exception, InputError)
        assert told in str(refused.exception)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--sex", "F", "--age", "60"], "give --height-cm, --weight-kg, or --cohort"),
        ([*WHO[2:], "--sex", "female"], "--sex: must be one of F, M"),
        ([*WHO, "--cohort", "us_adults"], "--sex cannot go with --cohort"),
        ([*WHO, "--weights", "nowhere"], "nowhere: no such folder of weights"),
        ([*WHO, "--sampler", "publishd"], "did you mean 'published'"),
    ],
)
def test_who_is_not_clear_is_asked_back(arguments, told, tmp_path):
    result = vct("generate", "--out", tmp_path / "out", *arguments)
    assert isinstance(result.exception, InputError)
    assert told in str(result.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["lowres", "--preset", "tiny"], "--preset: must be one of small, published"),
        (["superres", "--fine-mm", "3"], "--fine-mm: must be one of 4, 2"),
        (["superres", "--start", ".", "--preset", "published"], "--start brings its network"),
        (["superres", "--patch", "20"], "patches must be a multiple of 8"),
        (["anatomy", "--precision", "16"], "--precision: must be one of 32-true, bf16-mixed"),
        (["anatomy"], "participants.csv: not a readable table"),
    ],
)
def test_a_training_that_cannot_be_is_refused(arguments, told, tmp_path):
    result = vct("train", *arguments, "--data", tmp_path / "none", "--out", tmp_path / "out")
    assert isinstance(result.exception, InputError)
    assert told in str(result.exception)


def test_a_network_of_ones_own_is_read_strictly(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text("network:\n  widths: [8]\n  stems: 4\n")
    result = vct("train", "lowres", "--config", path, "--data", tmp_path, "--out", tmp_path / "out")
    assert "net.yaml:3:3: network.stems: is not a known key here" in str(result.exception)
    assert "did you mean 'stem'?" in str(result.exception)


def test_the_gallery_and_the_card_are_written(weights, tmp_path, monkeypatch):
    from vct.records import Patient
    from vct.training import gallery

    one = Patient(id="F60", sex="F", age_years=60.0, height_cm=165.0, weight_kg=66.0)
    monkeypatch.setattr(gallery, "gallery_patients", lambda: [one])
    sheet, page = tmp_path / "sheet.png", tmp_path / "card.md"
    assert vct("cascade", "gallery", "--weights", weights, "--resolution", 8, "--out", sheet).exit_code == 0
    result = vct("card", weights, "--out", page, "--picture", sheet)
    assert result.exit_code == 0
    assert "missed: the fidelity of these weights was not measured" in result.output
    assert "![Generated scans](sheet.png)" in page.read_text()

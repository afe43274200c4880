import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from vct import checkpoint  # noqa: E402
from vct.checkpoint import Checkpoint  # noqa: E402
from vct.engine.cascade.measured import FILE, measured  # noqa: E402
from vct.errors import InputError  # noqa: E402
from vct.training.card import ORGANS, lacking, read_rows, write_card  # noqa: E402
from vct.training.fidelity import as_table, compare  # noqa: E402
from vct.training.goals import Goals  # noqa: E402
from vct.training.organs import OrganNumber, write_numbers  # noqa: E402


def population(seed, factor=1.0, spread=0.1, without=""):
    """Ten women and ten men; `factor` on the liver's volume."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(20):
        for organ in ORGANS:
            for quantity, middle in (("volume_ml", 1000.0), ("suv_mean", 2.0)):
                if without == f"P{number} {organ}":
                    continue
                scale = factor if (organ, quantity) == ("liver", "volume_ml") else 1.0
                value = scale * middle * float(np.exp(rng.normal(0.0, spread)))
                found.append(
                    OrganNumber(scan=f"P{number}", sex="FM"[number % 2], age_years=50.0, height_cm=170.0,
                                weight_kg=70.0, organ=organ, quantity=quantity, value=value)
                )  # fmt: skip
    return found


@pytest.fixture
def folders(tmp_path):
    """Weights, and a folder of `vct fidelity` of a population whose livers are a third too large."""
    low = torch.tensor([-1.0, -2.0, -1.0, -1.0])
    config = {
        "length": [2.9, 220.0],
        "imaging": {"fwhm_mm": 5.5},
        "sexes": {"F": {"spacing_mm": 4.0, "code": {"raw": 900, "modes": 3}, "tissues": ["liver", "lungs"]}},
    }
    tensors = {"F.code.low": low, "F.code.high": -low, "F.labels": torch.zeros(8, dtype=torch.uint8)}
    weights = tmp_path / "weights"
    checkpoint.save(Checkpoint(kind="anatomy", config=config, training_data="made up, CC0", tensors=tensors), weights)
    own = tmp_path / "fidelity"
    own.mkdir()
    mine, other = population(1, 4 / 3, without="P3 spleen"), population(2)
    write_numbers(own / "organs.csv", mine)
    as_table(compare(mine, other)).to_csv(own / "fidelity.csv", index=False)
    return weights, own


def test_the_card_says_what_the_weights_carry_and_what_was_measured(folders, tmp_path):
    weights, own = folders
    out = tmp_path / "docs" / "card.md"
    missed = write_card(weights, out, fidelity=own, mean=own)
    text = out.read_text()
    assert "> made up, CC0" in text
    assert "| F | 25 to 85 | 160 to 180 | 58 to 96 |" in text
    assert "| 5.5 mm | 0 % |" in text
    (row,) = (row for row in read_rows(own) if row.label == "liver volume of women")
    assert row.deviation_percent > 20.0
    assert f"| liver | volume | F | 10 | {row.deviation_percent:+.1f} (" in text
    assert [line for line in missed if line.startswith("liver volume of women: mean +")]
    assert missed[-1] == "1 scans lack an organ, such as P3"
    assert lacking(own) == ["P3"]
    assert "Not for clinical use" in text


def test_a_run_is_told_what_was_measured_of_its_weights(folders, tmp_path):
    weights, own = folders
    digest = checkpoint.load(weights, "anatomy").hash
    assert measured(weights, digest, "x")["warnings"] == ["the fidelity of these weights was not measured"]
    missed = write_card(weights, tmp_path / "card.md", fidelity=own)
    known = measured(weights, digest, "x")
    assert known["engine"] == f"cascade anatomy {digest[:8]}"
    assert known["trained_on"] == "made up, CC0"
    assert list(known["warnings"]) == missed
    assert {"organ", "quantity", "sex", "deviation_percent", "spread_ratio", "n"} == set(known["rows"][0])
    assert measured(weights, "other", "x")["rows"] == []
    (weights / FILE).write_text(json.dumps({"rows": []}))
    with pytest.raises(InputError, match="not a fidelity file"):
        measured(weights, digest, "x")


def test_a_later_card_of_the_same_weights_remembers_what_was_measured(folders, tmp_path):
    weights, own = folders
    missed = write_card(weights, tmp_path / "card.md", fidelity=own, mean=own)
    first = (tmp_path / "card.md").read_text()
    assert write_card(weights, tmp_path / "card.md") == missed
    assert (tmp_path / "card.md").read_text() == first


def test_a_later_card_of_the_same_weights_remembers_their_training(folders, tmp_path):
    weights, _ = folders
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.csv").write_text("step,minutes,loss,learning_rate\n1,0.5,2.0,0.1\n2,1.5,1.0,0.1\n")
    write_card(weights, tmp_path / "card.md", training=tmp_path)
    row = "| run | 2 | 1.5 | 1.500 |"
    assert row in (tmp_path / "card.md").read_text()
    (tmp_path / "run").rename(tmp_path / "more")
    write_card(weights, tmp_path / "card.md", training=tmp_path)
    assert row in (tmp_path / "card.md").read_text()
    assert row.replace("run", "more") in (tmp_path / "card.md").read_text()
    known = json.loads((weights / FILE).read_text())
    (weights / FILE).write_text(json.dumps(known | {"weights": "others"}))
    write_card(weights, tmp_path / "card.md")
    assert row not in (tmp_path / "card.md").read_text()


def test_a_card_names_the_goals_that_are_missed_and_remembers_them(folders, tmp_path):
    weights, _ = folders
    goals, out = tmp_path / "goals.json", tmp_path / "card.md"
    told = Goals(weights=checkpoint.load(weights, "anatomy").hash, judged=3, missed=("spleen volume: spread 1.15",))
    goals.write_text(told.model_dump_json())
    write_card(weights, out, goals=goals)
    text = out.read_text()
    assert "Of 3 tighter goals, 2 hold" in text
    assert "\n- spleen volume: spread 1.15\n" in text
    write_card(weights, out)
    assert out.read_text() == text


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("{}", "Field required"),
        ("# page", "Invalid JSON"),
        ('{"weights": "0", "judged": 3}', "tells of weights 0, not"),
    ],
)
def test_goals_of_another_kind_or_of_other_weights_are_refused(folders, tmp_path, text, rule):
    weights, _ = folders
    (tmp_path / "goals.json").write_text(text)
    with pytest.raises(InputError, match=rule):
        write_card(weights, tmp_path / "card.md", goals=tmp_path / "goals.json")
    assert not (tmp_path / "card.md").exists()


def test_what_is_missing_is_named(folders, tmp_path):
    weights, _ = folders
    with pytest.raises(InputError, match="holds no weights"):
        write_card(tmp_path, tmp_path / "card.md")
    with pytest.raises(InputError, match=r"fidelity.csv: not a table of `vct fidelity --reference`"):
        write_card(weights, tmp_path / "card.md", fidelity=tmp_path)
    with pytest.raises(InputError, match="no such picture"):
        write_card(weights, tmp_path / "card.md", pictures=[tmp_path / "x.png"])
    with pytest.raises(InputError, match=r"no log.csv below"):
        write_card(weights, tmp_path / "card.md", training=tmp_path)

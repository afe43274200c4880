"""What other verbs found of the same trial, and the newer charts."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import pytest

from vct.errors import InputError
from vct.plausibility import Finding
from vct.records import Look
from vct.report import charts, studies, write
from vct.report.answer import implications, sentences
from vct.report.companions import adopt, companions
from vct.report.tables import measurement

POWER = """n,effect,endpoint,analysis,arm,quantity,value,mc_se,replicates
40,1,SULpeak change,ancova,new drug,power,0.61,0.0154,1000
80,1,SULpeak change,ancova,new drug,power,0.88,0.0103,1000
80,0,SULpeak change,ancova,new drug,type_i_error,0.049,0.0068,1000
80,1,,,,expected_n,71.5,0.4,1000
"""
LOST = """endpoint,source,variance,share,patients_cost,mc_se
SULpeak change,reader,30,0.15,12,4
SULpeak change,noise,6,0.03,2,4
SULpeak change,total,200,1,80,20
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "study").mkdir()
    (tmp_path / "study/power.csv").write_text(POWER)
    (tmp_path / "study/decompose.csv").write_text(LOST)
    return tmp_path


def test_power_and_lost_power_join_the_report(result, folder) -> None:
    adopt(folder / "run", [folder / "study"])
    text = write(result, folder / "run").read_text()
    for told in ("0.880", "Type I error", "Expected n", "Where the power went", "15.0 %", "figure_power"):
        assert told in text
    assert (folder / "run/tables/power.csv").read_text() == POWER
    assert 'id="operating"' not in write(result, folder / "other").read_text()


def test_power_is_drawn_over_patients_with_its_error(folder) -> None:
    (folder / "tables").mkdir()
    (folder / "tables/power.csv").write_text(POWER)
    frame = charts.power(companions(folder)["power"]).frame
    first = frame.iloc[0]
    assert (first["low"], first["high"]) == pytest.approx((0.61 - 1.96 * 0.0154, 0.61 + 1.96 * 0.0154), abs=1e-4)
    assert set(frame["quantity"]) == {"power", "type_i_error"}
    assert charts.power(pd.DataFrame({"quantity": ["bias"]})) is None


def test_lost_power_is_drawn_with_its_error(result, folder) -> None:
    adopt(folder / "run", [folder / "study"])
    figure = charts.variance(companions(folder / "run")["decompose"])
    reader, noise = figure.frame.to_dict("records")
    assert (reader["clear"], noise["clear"]) == (True, False)
    assert (reader["low"], reader["high"]) == pytest.approx((0.15 - 1.96 * 0.02, 0.15 + 1.96 * 0.02), abs=1e-4)
    text = write(result, folder / "run").read_text()
    assert "30.0 ± 4.00" in text
    assert "figure_decompose" in text
    assert charts.variance(pd.DataFrame(columns=["endpoint", "source", "variance", "share", "mc_se"])) is None


def test_a_folder_without_tables_and_a_damaged_table_are_refused(folder) -> None:
    with pytest.raises(InputError, match=r"holds neither power\.csv nor decompose\.csv"):
        adopt(folder / "run", [folder])
    (folder / "study/power.csv").write_text("n,effect\n1,2\n")
    with pytest.raises(InputError, match="lacks the column 'endpoint'"):
        adopt(folder / "run", [folder / "study"])


def test_the_engine_states_its_fidelity_and_failed_patients_are_named(result, tmp_path) -> None:
    row = {
        "organ": "liver",
        "quantity": "suv_mean",
        "sex": "F",
        "deviation_percent": 3.24,
        "spread_ratio": 0.913,
        "n": 200,
    }
    stated = {"engine": "cascade", "trained_on": "painted <bodies>", "rows": [row], "warnings": ["Beware of <b>."]}
    told = replace(
        result,
        provenance={**result.provenance, "fidelity": stated, "failed": [{"patient": "P0007", "arm": "", "error": "-"}]},
    )
    text = write(told, tmp_path).read_text()
    for words in ("Trained on: painted &lt;bodies&gt;.", "Beware of &lt;b&gt;.", "P0007", "0.91"):
        assert words in text
    assert (tmp_path / "tables/fidelity.csv").read_text().splitlines()[1] == "liver,suv_mean,F,3.24,0.913,200"
    assert studies.warnings(result) == []


def test_implausible_scans_and_redrawn_bodies_are_told(result, tmp_path) -> None:
    assert "Every scan holds its organs" in write(result, tmp_path / "clean").read_text()
    wrong = Finding(patient="P0003", arm="", visit="baseline", rule="volume", said="liver 6000 ml <much>")
    told = {"findings": [asdict(wrong)], "redrawn": {"P0009": 2}, "alike": ["P1 and P2 have the same body"]}
    text = write(replace(result, provenance=result.provenance | told), tmp_path / "told").read_text()
    for words in ("liver 6000 ml &lt;much&gt;", "P0009", "drawn anew", "P1 and P2 have the same body."):
        assert words in text
    assert "Every scan holds its organs" not in text
    assert "P0003,,baseline,volume" in (tmp_path / "told/tables/findings.csv").read_text()


def test_the_boundary_plot_holds_the_observed_statistic(result) -> None:
    look = Look(
        endpoint="SULpeak change", method="welch_t", arm="new drug", reference="standard", number=1, day=80.0,
        information=0.5, n=30, scale="z", statistic=1.9, lower=0.2, upper=2.8, decision="go_on",
    )  # fmt: skip
    last = replace(look, number=2, information=1.0, n=60, statistic=2.6, lower=1.97, upper=1.97, decision="efficacy")
    looks = (look, last, replace(look, source="truth", statistic=9.0), replace(look, arm="other", statistic=8.0))
    figure = charts.boundary(replace(result, looks=looks))
    assert figure.frame.loc[figure.frame["line"] == "observed", "value"].tolist() == [1.9, 2.6]
    assert "look 2 (n = 60): 2.60, efficacy" in figure.caption
    assert charts.boundary(result) is None


def test_the_swimmer_plot_follows_everybody_to_the_end(result) -> None:
    frame = charts.swimmer(result).frame
    ends = {item.patient: item for item in result.outcomes if item.endpoint == "PFS" and item.source == "measured"}
    assert set(frame["patient"]) == {item.id for item in result.enrolment.patients}
    events = frame[frame["mark"] == "event"]
    assert len(events) == sum(bool(item.event) for item in ends.values())
    assert (frame["day"] <= frame["followed_days"]).all()


def test_violins_hold_what_was_read_and_planted(result) -> None:
    readouts = [{"kind": "organ_suv_mean", "organ": "liver", "name": "liver SUVmean"}]
    frame = charts.violin(replace(result, protocol={**result.protocol, "readouts": readouts})).frame
    own = [item for item in result.readings if (item.readout, item.visit) == ("liver SUVmean", "baseline")]
    assert frame["n"].tolist() == [len(own)] * 2
    assert frame["mean"].tolist() == pytest.approx(
        [sum(item.value for item in own) / len(own), sum(item.truth for item in own) / len(own)]
    )
    assert charts.violin(result) is None


def test_limits_of_agreement_are_those_of_the_table(result) -> None:
    figure = charts.agreement_panels(result)[0]
    limits = measurement(result).set_index("readout").loc[figure.title]
    difference = figure.frame["value"] - figure.frame["truth"]
    assert limits["loa_low"] == pytest.approx(difference.mean() - 1.959964 * difference.std())
    assert limits["loa_high"] == pytest.approx(difference.mean() + 1.959964 * difference.std())


def test_the_answer_says_what_it_means_for_the_design(result) -> None:
    first = implications(result).iloc[0]
    assert first["half_width"] == pytest.approx(8.0)
    assert first["measurement_cost_percent"] == pytest.approx(0.0)
    assert any("the interval reaches ±8.00 percentage points" in text for text in sentences(result))
    wider = tuple(
        replace(item, ci_low=item.estimate - 10, ci_high=item.estimate + 10) if item.source == "measured" else item
        for item in result.comparisons
    )
    told = " ".join(sentences(replace(result, comparisons=wider)))
    assert "as leaving out 36 % of the patients" in told

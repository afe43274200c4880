"""The tables hold the records, in full and in the same bytes."""

from __future__ import annotations

import io
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from vct.report.consort import flow, table
from vct.report.tables import all_tables, leaves, measurement, table_one, to_csv


def test_csv_files_hold_the_records(result, written) -> None:
    for name in ("readings", "outcomes", "comparisons"):
        rows = pd.read_csv(written / f"tables/{name}.csv", keep_default_na=False)
        kept = [asdict(item) for item in getattr(result, name)]
        assert len(rows) == len(kept)
        for column in rows.columns:
            for cell, item in zip(rows[column], kept, strict=True):
                value = item[column]
                if isinstance(value, float):
                    assert float(cell) == pytest.approx(value, rel=1e-9)
                else:
                    assert str(cell) == ("" if value is None else str(value))


def test_patients_and_attendance_are_all_there(result) -> None:
    frames = all_tables(result)
    assert list(frames["patients"]["id"]) == [item.id for item in result.enrolment.patients]
    assert frames["patients"]["per_protocol"].sum() == len(result.enrolment.per_protocol)
    assert len(frames["attendance"]) == len(result.enrolment.attendance)


def test_table_one_agrees_with_numpy(result) -> None:
    frame = table_one(result)
    ages = np.array([item.age_years for item in result.enrolment.patients if item.arm == "new drug"])
    row = frame[(frame["variable"] == "age_years") & (frame["arm"] == "new drug")].iloc[0]
    expected = [len(ages), ages.mean(), ages.std(ddof=1), np.median(ages), *np.quantile(ages, [0.25, 0.75])]
    assert row[["n", "mean", "sd", "median", "q1", "q3"]].tolist() == pytest.approx(expected)
    women = frame[(frame["variable"] == "sex") & (frame["level"] == "F") & (frame["arm"] == "All")].iloc[0]
    count = sum(item.sex == "F" for item in result.enrolment.patients)
    assert women["count"] == count
    assert women["percent"] == pytest.approx(100 * count / len(result.enrolment.patients))


def test_table_one_leaves_out_a_category_of_one_level(result) -> None:
    assert "stratum" not in set(table_one(result)["variable"])
    assert {"sex", "site"} <= set(table_one(result)["variable"])


def test_measurement_is_of_pairs_only(result) -> None:
    pairs = [r for r in result.readings if r.readout == "TLG" and r.value is not None]
    assert len(pairs) < sum(r.readout == "TLG" for r in result.readings)
    row = measurement(result).set_index("readout").loc["TLG"]
    bias = np.array([100 * (r.value / r.truth - 1) for r in pairs])
    assert row["n"] == len(pairs)
    assert row[["mean_bias_percent", "sd_bias_percent"]].tolist() == pytest.approx([bias.mean(), bias.std(ddof=1)])


def test_a_truth_of_zero_has_no_percent_bias(result) -> None:
    row = measurement(result).set_index("readout").loc["new lesions"]
    assert row["n"] > 0
    assert row["n_percent"] == 0
    assert np.isnan(row["mean_bias_percent"])


def test_consort_counts_everybody_once(result) -> None:
    found = flow(result)
    assert found.screened == found.enrolled + sum(found.excluded.values())
    assert sum(arm.allocated for arm in found.arms) == found.enrolled
    for arm in found.arms:
        own = [item for item in result.outcomes if (item.arm, item.source) == (arm.arm, "measured")]
        last = [item for item in own if (item.endpoint, item.visit) == ("SULpeak change", "week16")]
        assert arm.analysed == sum(item.value is not None for item in last)
        assert arm.per_protocol_analysed <= min(arm.per_protocol, arm.analysed)
    assert set(table(found)["stage"]) == {
        "screened",
        "excluded",
        "enrolled",
        "allocated",
        "follow-up",
        "per protocol",
        "analysed",
    }


def test_without_an_analysis_consort_names_no_endpoint(result) -> None:
    found = flow(replace(result, comparisons=()))
    assert found.endpoint == ""
    assert "analysed" not in set(table(found)["stage"])


def test_csv_bytes_are_fixed() -> None:
    frame = pd.DataFrame({"a": [1 / 3, None], "b": ["x,y", 'say "hi"'], "c": [True, False]})
    assert to_csv(frame) == b'a,b,c\n0.3333333333,"x,y",True\n,"say ""hi""",False\n'
    assert pd.read_csv(io.BytesIO(to_csv(frame)))["b"].tolist() == frame["b"].tolist()


def test_leaves_name_their_place() -> None:
    assert list(leaves({"a": [{"b": 1}, 2], "c": {}})) == [("a[0].b", 1), ("a[1]", 2)]

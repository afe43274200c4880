"""What a run that names no engine gets: the shipped weights, through every stage."""

from __future__ import annotations

import pytest

from vct import trial
from vct.protocol import load
from vct.shipped import DEFAULT_ENGINE

pytest.importorskip("torch")


def test_a_run_that_names_no_engine_reads_lesions_in_scans_of_the_shipped_cascade() -> None:
    assert DEFAULT_ENGINE == "cascade"
    protocol = load("test_retest").model_copy(update={"sample_size": 1})
    assert trial.plan_of(protocol).engine.name.startswith("cascade anatomy")
    result = trial.run(protocol)
    assert result.provenance["engine"].startswith("cascade anatomy")
    peaks = [item for item in result.readings if item.readout == "suv_peak"]
    assert {item.visit for item in peaks} == {visit.name for visit in protocol.visits}
    for item in peaks:
        assert item.value == pytest.approx(item.truth, rel=0.6)

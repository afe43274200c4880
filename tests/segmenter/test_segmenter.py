"""The parts that find organs: TotalSegmentator's program, what the engine says, and the seam in a trial."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vct.engine.phantom import Phantom
from vct.errors import InputError
from vct.part import one_of
from vct.records import Patient, Snapshot, Visit
from vct.segmenter import SEGMENTERS, EngineLabels, Network, Segmenter, TotalSegmentator
from vct.structures import STRUCTURES
from vct.volume import Volume


@pytest.fixture(scope="module")
def scan():
    patient = Patient(id="P1", sex="F", age_years=60.0, height_cm=165.0, weight_kg=70.0)
    return Phantom(spacing_mm=16.0).generate(Snapshot(patient=patient, visit=Visit(name="baseline", day=0.0)), 1)


@pytest.fixture
def program(tmp_path, monkeypatch, scan):
    """A program called TotalSegmentator that hands out labels on a grid of its own, and notes its arguments."""
    scan.labels.resampled(scan.labels.grid.resampled((8.0, 8.0, 8.0))).save(tmp_path / "made.nii.gz")
    path = tmp_path / "bin" / "TotalSegmentator"
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/args\ncp {tmp_path}/made.nii.gz "$4"\n')
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
    return path


def test_totalsegmentator_is_run_as_a_command(scan, program, tmp_path) -> None:
    found = TotalSegmentator(fast=True).labelled(scan)
    assert found.labels.grid == scan.pet.grid
    assert np.array_equal(found.labels.data, scan.labels.data)
    words = (tmp_path / "args").read_text().split()
    assert (words[0], words[2], words[4:]) == ("-i", "-o", ["--ml", "--fast"])


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo out of luck >&2; exit 3", "exit code 3: out of luck"),
        ("exit 0", "exit code 0: no message"),
        ("echo nothing > $4", "labels.nii.gz"),
    ],
)
def test_a_program_that_fails_is_told(scan, program, script, told) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    with pytest.raises(InputError, match=told):
        TotalSegmentator().segment(scan.ct)


def test_a_number_of_another_naming_is_refused(scan, program, tmp_path) -> None:
    Volume(data=np.full_like(scan.labels.data, 200), grid=scan.labels.grid, unit="label").save(tmp_path / "made.nii.gz")
    with pytest.raises(InputError, match="label 200 is none of"):
        TotalSegmentator().segment(scan.ct)


def test_without_the_program_the_error_says_what_to_do(scan, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="not installed; pip install TotalSegmentator, or kind: network"):
        TotalSegmentator().segment(scan.ct)


def test_a_protocol_names_a_kind_and_no_program() -> None:
    from pydantic import TypeAdapter, ValidationError

    known = TypeAdapter(one_of(SEGMENTERS))
    assert known.validate_python({"kind": "network"}) == Network()
    assert known.validate_python({"kind": "totalsegmentator"}) == TotalSegmentator()
    with pytest.raises(ValidationError):
        known.validate_python({"kind": "totalsegmentator", "command": "rm"})


class Swapped(Segmenter):
    """Calls everything spleen."""

    kind: str = "swapped"

    def segment(self, ct, pet=None):
        data = np.where(ct.data > -500.0, STRUCTURES["spleen"], 0).astype(np.uint8)
        return Volume(data=data, grid=ct.grid, unit="label")


def test_the_engines_labels_stay_and_others_take_their_place(scan) -> None:
    assert EngineLabels().labelled(scan) is scan
    found = Swapped().labelled(scan).labels
    assert found.grid == scan.pet.grid
    assert set(np.unique(found.data)) == {0, STRUCTURES["spleen"]}


def test_readouts_of_a_trial_see_the_protocols_segmenter() -> None:
    from vct.protocol import load
    from vct.walk import Task, Walk

    protocol = load("nsclc_metabolic_response")
    patient = replace(protocol.enrol(1).patients[0], arm=protocol.arms[0].name)
    task = Task(patient=patient, visits=(Visit(name=protocol.visits[0].name, day=0.0),))
    read = {}
    for segmenter in (EngineLabels(), Swapped()):
        own = protocol.model_copy(update={"segmenter": segmenter})
        (walked,) = Walk(protocol=own, engine=Phantom(spacing_mm=16.0), seed=1)((task,))
        read[segmenter.kind] = {item.readout: item.value for item in walked.readings}
    livers = [name for name in read["engine"] if name.startswith("liver")]
    assert livers
    assert all(read["engine"][name] is not None and read["swapped"][name] is None for name in livers)

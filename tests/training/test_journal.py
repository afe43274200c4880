import csv
import sys

import numpy as np
import pytest
from PIL import Image

from vct.errors import InputError
from vct.training.journal import EVENTS, LOG, LOOKS, Journal, Look, OrganLook


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def look(mean=1.5):
    liver = OrganLook(organ="liver", quantity="suv_mean", mean=mean, reference=2.0, n=8)
    lungs = OrganLook(organ="lungs", quantity="suv_mean", mean=0.5, reference=0.5, n=8)
    return Look(picture=np.full((6, 4), 128, np.uint8), organs=(lungs, liver))


def test_steps_are_logged_once_flushed_and_looks_at_once(tmp_path):
    journal = Journal(tmp_path, 0)
    journal.step(1, 0.1, 2.0, 1e-3)
    journal.step(2, 0.2, 1.0, 1e-3)
    assert journal.recent_loss(2) == 1.5
    assert not (tmp_path / LOG).exists()
    journal.flush()
    journal.flush()
    assert [row["loss"] for row in rows(tmp_path / LOG)] == ["2.0", "1.0"]
    picture = journal.look(2, look())
    with Image.open(picture) as image:
        assert image.size == (4, 6)
    assert [(row["organ"], row["deviation_percent"]) for row in rows(tmp_path / LOOKS)] == [
        ("lungs", "0.00"),
        ("liver", "-25.00"),
    ]
    assert look().worst().organ == "liver"


def test_what_lies_beyond_the_checkpoint_is_forgotten(tmp_path):
    journal = Journal(tmp_path, 0)
    for step in (1, 2, 3):
        journal.step(step, 0.0, 1.0, 1e-3)
        journal.look(step, look())
    journal.flush()
    Journal(tmp_path, 2)
    assert [row["step"] for row in rows(tmp_path / LOG)] == ["1", "2"]
    assert {row["step"] for row in rows(tmp_path / LOOKS)} == {"1", "2"}


def test_tensorboard_events_are_written_where_asked_for(tmp_path):
    pytest.importorskip("tensorboardX")
    journal = Journal(tmp_path, 0, tensorboard=True)
    journal.step(1, 0.0, 0.25, 1e-3)
    journal.look(1, look())
    journal.close()
    written = b"".join(path.read_bytes() for path in (tmp_path / EVENTS).iterdir())
    assert all(tag in written for tag in (b"loss", b"samples", b"suv_mean/liver"))


def test_without_tensorboard_the_user_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(InputError, match="needs tensorboardX"):
        Journal(tmp_path, 0, tensorboard=True)

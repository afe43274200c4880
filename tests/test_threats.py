"""What strangers' files could try, one case each; docs/threats.md is the list."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from vct import trial
from vct.cluster import Local, Slurm, load_cluster
from vct.engine.atlas.template import Template
from vct.engine.base import Engine
from vct.errors import InputError, SpecError
from vct.protocol import Protocol, find, load
from vct.report import write
from vct.store import RunFolder

MARK = "stolen"


class Bomb:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (MARK,)


@pytest.fixture(autouse=True)
def nothing_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    yield
    assert not Path(MARK).exists()


def protocol_with(tmp_path: Path, pattern: str, line: str) -> Path:
    text, count = re.subn(pattern, lambda _: line, find("null_trial").read_text(), count=1, flags=re.MULTILINE)
    assert count == 1
    file = tmp_path / "strange.yaml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    "line",
    [
        f"title: !!python/object/apply:os.mkdir [{MARK}]",
        f"title: !!python/object/new:os.mkdir [{MARK}]",
        "title: &a [x, x]",
        "title: " + "[" * 5000,
        "title: '" + "x" * 10_000_000 + "'",
    ],
)
def test_yaml_that_runs_or_grows_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(SpecError):
        load(protocol_with(tmp_path, r"^title:.*$", line))


@pytest.mark.parametrize("name", ["../secret.csv", "/etc/passwd", "link.csv"])
def test_files_named_in_a_cohort_stay_in_its_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    (tmp_path / "secret.csv").write_text("age_years\n50\n60\n")
    (folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    table = f"{{kind: table, file: {name}, column: age_years}}"
    (folder / "cohort.yaml").write_text(f"from: us_adults\nage_years: {table}\n")
    with pytest.raises(SpecError, match=r"age_years.*(must lie in the YAML file's folder|a link out of)"):
        load(protocol_with(folder, r"^cohort:.*$", "cohort: cohort.yaml"))


@pytest.mark.parametrize("arm", ["../../etc", "a/b", "a\\\\b", "..", "a\\nb"])
def test_arms_cannot_name_files_elsewhere(tmp_path: Path, arm: str) -> None:
    file = protocol_with(tmp_path, r"^arms:\n(  .*\n)+", f'arms: [{{name: "{arm}"}}, {{name: other}}]\n')
    with pytest.raises(SpecError, match="arms"):
        load(file)


def test_titles_cannot_script_the_report(tmp_path: Path, small_trial: Callable[..., Protocol], coarse: Engine) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    protocol = small_trial("test_retest", 1).model_copy(update={"title": evil, "description": evil})
    page = write(trial.run(protocol, coarse), tmp_path / "run").read_text()
    assert "alert(1)</script>" not in page
    assert "<img src=x" not in page


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    bomb = pickle.dumps(Bomb())
    for name in ("lowres-00001-of-00001.safetensors", "template.npz"):
        (tmp_path / name).write_bytes(bomb)
    np.savez(tmp_path / "objects.npz", meta=np.array([Bomb()], dtype=object), allow_pickle=True)
    for name in ("template.npz", "objects.npz"):
        with pytest.raises(InputError, match=name):
            Template.load(tmp_path / name)
    checkpoint = pytest.importorskip("vct.checkpoint")
    with pytest.raises(InputError, match="safetensors"):
        checkpoint.load(tmp_path, "lowres")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("queue", "batch; rm -rf ~"),
        ("queue", "batch\nrm -rf ~"),
        ("account", "$(rm -rf ~)"),
        ("directives", ["--gres=gpu:1\nrm -rf ~"]),
        ("directives", ["rm -rf ~"]),
        ("directives", ["--comment=`id`"]),
        ("modules", ["cuda; rm -rf ~"]),
        ("walltime", "1:00:00\nrm"),
        ("memory", "4GB; rm"),
        ("interface", "eth0 && rm"),
        ("job_script_prologue", ["rm -rf ~"]),
        ("python", "/tmp/evil"),
    ],
)
def test_a_cluster_file_cannot_run_a_command(tmp_path: Path, key: str, value: Any) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(yaml.safe_dump({"cluster": {"kind": "slurm", "jobs": 2, key: value}}))
    with pytest.raises(SpecError, match=key):
        load_cluster(str(file))


def test_an_honest_cluster_file_is_read(tmp_path: Path) -> None:
    text = (Path(__file__).parent.parent / "docs" / "cluster.md").read_text()
    (tmp_path / "cluster.yaml").write_text(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0])
    found = load_cluster(str(tmp_path / "cluster.yaml"))
    assert isinstance(found, Slurm)
    assert (found.jobs, found.directives, found.modules) == (40, ("--gres=gpu:1",), ("cuda/12",))


def test_merging_does_not_follow_links_out_of_the_folder(
    tmp_path: Path, small_trial: Callable[..., Protocol], coarse: Engine
) -> None:
    protocol = small_trial("test_retest", 1)
    for name in ("mine", "theirs"):
        trial.run(protocol, coarse, out=tmp_path / name)
    (tmp_path / "secret").write_text("key")
    (tmp_path / "theirs" / "readings" / "P9.parquet").symlink_to(tmp_path / "secret")
    assert RunFolder(tmp_path / "mine").take_in(RunFolder(tmp_path / "theirs")) == 0


def test_a_local_cluster_is_encrypted_and_not_on_the_network() -> None:
    from distributed import Client

    with Local(1).connect() as client:
        address = client.scheduler.address
        assert address.startswith("tls://127.0.0.1:")
        with pytest.raises((OSError, TypeError, ValueError)):
            Client(address, timeout="2s")

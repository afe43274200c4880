from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from vct import checkpoint  # noqa: E402
from vct.checkpoint import Checkpoint, load, save  # noqa: E402
from vct.errors import InputError  # noqa: E402


def example(kind="lowres", scale=1.0):
    generator = torch.Generator().manual_seed(0)
    tensors = {
        "net.weight": scale * torch.randn(30, 40, generator=generator),
        "net.bias": torch.randn(7, generator=generator),
        "labels": torch.arange(12, dtype=torch.uint8).reshape(3, 4),
    }
    return Checkpoint(kind=kind, config={"widths": [1, 2]}, training_data="forty phantom bodies", tensors=tensors)


def test_round_trip(tmp_path):
    digest = save(example(), tmp_path)
    found = load(tmp_path, "lowres")
    assert (found.config, found.training_data, found.hash) == ({"widths": [1, 2]}, "forty phantom bodies", digest)
    assert found.tensors.keys() == example().tensors.keys()
    assert all(torch.equal(found.tensors[name], tensor) for name, tensor in example().tensors.items())


def test_half_precision_halves_floats_only(tmp_path):
    save(example(), tmp_path, dtype=torch.bfloat16)
    found = load(tmp_path, "lowres")
    assert found.tensors["net.weight"].dtype == torch.bfloat16
    assert found.tensors["labels"].dtype == torch.uint8


def test_large_tensors_are_cut_and_put_together(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SHARD_BYTES", 1000)
    whole = save(example(), tmp_path)
    files = sorted(tmp_path.glob("*.safetensors"))
    assert len(files) > 4
    found = load(tmp_path, "lowres")
    assert found.hash == whole
    assert torch.equal(found.tensors["net.weight"], example().tensors["net.weight"])
    files[1].unlink()
    with pytest.raises(InputError, match=f"{len(files) - 1} of {len(files)} lowres shards"):
        load(tmp_path, "lowres")


def test_saving_again_removes_old_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SHARD_BYTES", 1000)
    save(example(), tmp_path)
    monkeypatch.setattr(checkpoint, "SHARD_BYTES", 10**6)
    save(example(scale=2.0), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lowres-00001-of-00001.safetensors"]


def test_nothing_there(tmp_path):
    with pytest.raises(InputError, match="holds no lowres weights"):
        load(tmp_path, "lowres")


def one_file(tmp_path):
    save(example(), tmp_path)
    return next(tmp_path.glob("*.safetensors"))


def test_a_flipped_bit_is_named(tmp_path):
    path = one_file(tmp_path)
    raw = bytearray(path.read_bytes())
    raw[-5] ^= 1
    path.write_bytes(bytes(raw))
    with pytest.raises(InputError, match=rf"{path.name}.*hash"):
        load(tmp_path, "lowres")


@pytest.mark.parametrize("keep", [0, 5, 200, 3000])
def test_a_short_file_is_named(tmp_path, keep):
    path = one_file(tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=f"{path.name}: not a readable"):
        load(tmp_path, "lowres")


def test_another_kind_and_another_program_are_named(tmp_path):
    from safetensors.torch import save_file

    path = one_file(tmp_path)
    path.rename(tmp_path / "superres-00001-of-00001.safetensors")
    with pytest.raises(InputError, match="'lowres' weights where 'superres'"):
        load(tmp_path, "superres")
    save_file({"a": torch.zeros(1)}, tmp_path / "anatomy-00001-of-00001.safetensors")
    with pytest.raises(InputError, match="not weights of this program"):
        load(tmp_path, "anatomy")


def test_shards_of_two_trainings_do_not_mix(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SHARD_BYTES", 1000)
    save(example(), tmp_path / "a")
    save(example(scale=2.0), tmp_path / "b")
    for path in sorted((tmp_path / "b").glob("*-00002-*")):
        (tmp_path / "a" / path.name).write_bytes(path.read_bytes())
    with pytest.raises(InputError, match="belongs to other weights"):
        load(tmp_path / "a", "lowres")


def strangers(path: Path, tensors: dict[str, torch.Tensor], **changed: str) -> None:
    """Rewrite a shard by hand, with other tensors or other words in its header."""
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    with safe_open(path, "pt") as held:
        meta = dict(held.metadata())
    save_file(tensors or load_file(path), path, meta | changed)


BENT = {
    "no JSON": ({}, {"config": "{width: 4}"}),
    "no mapping": ({}, {"config": "3"}),
    "JSON nested without end": ({}, {"config": "[" * 100_000}),
    "a piece without a number": ({"a#first": torch.zeros(2)}, {}),
    "pieces that do not fit": ({"a#0": torch.zeros(2, 3), "a#1": torch.zeros(2, 4)}, {}),
}


@pytest.mark.parametrize(("tensors", "changed"), BENT.values(), ids=BENT)
def test_what_a_stranger_wrote_is_refused_by_name(tmp_path, tensors, changed):
    path = one_file(tmp_path)
    strangers(path, tensors, **changed)
    with pytest.raises(InputError, match=f"{path.name}: not readable lowres weights"):
        load(tmp_path, "lowres")


@pytest.mark.parametrize("shard", ["", "1 of many"])
def test_a_number_of_shards_that_is_none(tmp_path, shard):
    strangers(one_file(tmp_path), {}, shard=shard)
    with pytest.raises(InputError, match=r"1 of .* lowres shards are there"):
        load(tmp_path, "lowres")

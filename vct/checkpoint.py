"""Weights on disk: safetensors shards that carry their configuration, what they were trained on, and their hash."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vct.errors import InputError
from vct.files import aside

FORMAT = "vct-weights-1"
SHARD_BYTES = 15 * 1024 * 1024
_PIECE = "#"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Weights of one `kind` ("lowres", "superres", "anatomy") by tensor name.

    `config` is plain data from which the model is built again; `training_data` says what the weights were learned from;
    `hash` is the BLAKE2b of names, types, shapes and bytes, and stands in `Scan.made_by`.
    """

    kind: str
    config: Mapping[str, Any]
    training_data: str
    tensors: Mapping[str, torch.Tensor]
    hash: str = ""


def save(checkpoint: Checkpoint, folder: Path, dtype: torch.dtype | None = None) -> str:
    """Write the shards `<kind>-00001-of-0000N.safetensors`, each under 16 MiB, aside and then in place; returns the
    hash.

    Floats are stored as `dtype` where one is given (float16 or bfloat16 halve the size). Old shards of the kind go.
    """
    from safetensors.torch import save as to_bytes

    tensors = {name: _stored(tensor, dtype) for name, tensor in sorted(checkpoint.tensors.items())}
    shards = _split(tensors)
    digest = digest_of(tensors)
    kept = set()
    with ExitStack() as stack:
        for number, shard in enumerate(shards, start=1):
            meta = {
                "format": FORMAT,
                "kind": checkpoint.kind,
                "config": as_json(checkpoint.config),
                "training_data": checkpoint.training_data,
                "hash": digest,
                "shard": f"{number} of {len(shards)}",
            }
            path = folder / f"{checkpoint.kind}-{number:05d}-of-{len(shards):05d}.safetensors"
            stack.enter_context(aside(path)).write_bytes(to_bytes(shard, meta))
            kept.add(path)
    for stale in set(folder.glob(f"{checkpoint.kind}-*-of-*.safetensors")) - kept:
        stale.unlink()
    return digest


def load(folder: Path, kind: str) -> Checkpoint:
    """Read the weights of `kind` from `folder`.

    Raises InputError, naming the file, when a shard is missing, damaged, of another kind, or not of this format.
    """
    paths = sorted(folder.glob(f"{kind}-*-of-*.safetensors"))
    if not paths:
        raise InputError(f"{folder}: holds no {kind} weights ({kind}-*.safetensors)")
    parts = [_read(path, kind) for path in paths]
    meta = parts[0][0]
    for path, (found, _) in zip(paths, parts, strict=True):
        if found["hash"] != meta["hash"]:
            raise InputError(f"{path}: belongs to other weights than {paths[0].name}")
    expected = meta["shard"].rpartition(" ")[2]
    if str(len(paths)) != expected:
        raise InputError(f"{folder}: {len(paths)} of {expected} {kind} shards are there")
    try:
        config = dict(json.loads(meta["config"]))
        tensors = _join({name: tensor for _, shard in parts for name, tensor in shard.items()})
        digest = digest_of(tensors)
    except (TypeError, ValueError, RuntimeError) as error:  # a RecursionError is a RuntimeError
        raise InputError(f"{paths[0]}: not readable {kind} weights ({error})") from error
    if digest != meta["hash"]:
        raise InputError(f"{paths[0]}: the {kind} weights do not match their hash; a shard is damaged")
    return Checkpoint(kind=kind, config=config, training_data=meta["training_data"], tensors=tensors, hash=meta["hash"])


def as_json(config: Any) -> str:
    """A configuration as it stands in a file: the same text for the same content."""
    return json.dumps(config, sort_keys=True)


def digest_of(tensors: Mapping[str, torch.Tensor]) -> str:
    """Hash of names, types, shapes and bytes, whatever the shards."""
    found = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _stored(tensor: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    tensor = tensor.detach().cpu().contiguous()
    return tensor.to(dtype) if dtype is not None and tensor.is_floating_point() else tensor


def _split(tensors: Mapping[str, torch.Tensor]) -> list[dict[str, torch.Tensor]]:
    """Greedy shards; a tensor that is larger than a shard is cut along its first axis into `name#0`, `name#1`, ..."""
    shards: list[dict[str, torch.Tensor]] = [{}]
    room = SHARD_BYTES
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        count = -(-size // SHARD_BYTES)
        pieces = {name: tensor}
        if count > 1:
            pieces = {f"{name}{_PIECE}{i}": piece.contiguous() for i, piece in enumerate(tensor.chunk(2 * count))}
        for key, piece in pieces.items():
            size = piece.numel() * piece.element_size()
            if size > room:
                shards.append({})
                room = SHARD_BYTES
            shards[-1][key] = piece
            room -= size
    return shards


def _join(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    whole = {name: tensor for name, tensor in tensors.items() if _PIECE not in name}
    cut: dict[str, dict[int, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if _PIECE in name:
            base, index = name.rsplit(_PIECE, 1)
            cut.setdefault(base, {})[int(index)] = tensor
    return whole | {name: torch.cat([pieces[i] for i in sorted(pieces)]) for name, pieces in cut.items()}


def _read(path: Path, kind: str) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    from safetensors import SafetensorError
    from safetensors.torch import load as from_bytes

    try:
        raw = path.read_bytes()
        tensors = from_bytes(raw)  # which bounds how deep the header is nested
        (length,) = struct.unpack("<Q", raw[:8])
        meta = json.loads(raw[8 : 8 + length]).get("__metadata__", {})
    except (OSError, ValueError, KeyError, RuntimeError, struct.error, AttributeError, SafetensorError) as error:
        raise InputError(f"{path}: not a readable safetensors file ({error})") from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise InputError(f"{path}: not weights of this program (format {meta.get('format')!r}, expected {FORMAT!r})")
    if meta.get("kind") != kind or not {"config", "training_data", "hash", "shard"} <= meta.keys():
        raise InputError(f"{path}: holds {meta.get('kind')!r} weights where {kind!r} is expected")
    return meta, tensors

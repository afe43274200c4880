"""Named random streams: a draw depends on its name only, never on order, batch or worker."""

from __future__ import annotations

import hashlib

import numpy as np

_SEPARATOR = "\x1f"


def stream(seed: int, *path: str) -> np.random.Generator:
    """The generator named `path` under `seed`.

    The same name gives the same numbers in every process. Leave the arm out of a name and the two arms share their luck
    (common random numbers); leave the visit out and both visits share the draw.

    >>> stream(7, "P0001", "body").integers(1000) == stream(7, "P0001", "body").integers(1000)
    True
    """
    digest = hashlib.blake2b(_SEPARATOR.join(path).encode(), digest_size=32).digest()
    words = [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 32, 4)]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))

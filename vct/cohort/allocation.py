"""Randomisation: which arm a patient gets. Unequal ratios are honoured; later patients never move earlier ones."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from vct.cohort.plan import Arm
from vct.cohort.strata import Factor, refuse_repeats, stratum
from vct.part import Part
from vct.records import Patient
from vct.rng import stream

Multiples = tuple[Annotated[int, Field(ge=1, le=50)], ...]
WHOLE = "all"


class Randomisation(Part):
    """Gives patients their arm."""

    @abstractmethod
    def assign(self, patients: Sequence[Patient], arms: Sequence[Arm], seed: int) -> tuple[Patient, ...]:
        """`patients`, who come in order of enrolment, with their `arm` and `stratum`.

        What one gets may depend on those before and never on those after.
        """


class Simple(Randomisation):
    """A coin toss for each patient."""

    kind: Literal["simple"] = "simple"

    def assign(self, patients: Sequence[Patient], arms: Sequence[Arm], seed: int) -> tuple[Patient, ...]:
        """Independent draws in proportion to the ratios."""
        shares = ratios(arms)
        upto = np.cumsum(shares) / shares.sum()
        luck = [stream(seed, patient.id, "randomisation").random() for patient in patients]
        picked = np.searchsorted(upto, luck, side="right")
        return tuple(replace(patient, arm=arms[index].name) for patient, index in zip(patients, picked, strict=True))


class PermutedBlocks(Randomisation):
    """Blocks in which the arms stand exactly in their ratio, in random order and of random length."""

    kind: Literal["permuted_blocks"] = "permuted_blocks"
    block_multiples: Multiples = Field(
        default=(2, 3),
        min_length=1,
        max_length=20,
        description="lengths to choose from, in units of the shortest block: with 1:1, 2 means a block of 4",
    )

    def assign(self, patients: Sequence[Patient], arms: Sequence[Arm], seed: int) -> tuple[Patient, ...]:
        """One sequence of blocks for the whole trial."""
        return _in_blocks(patients, arms, self.block_multiples, seed, lambda _: WHOLE)


class StratifiedBlocks(Randomisation):
    """Permuted blocks, a sequence of its own in each stratum."""

    kind: Literal["stratified_blocks"] = "stratified_blocks"
    factors: tuple[Factor, ...] = Field(min_length=1, max_length=10)
    block_multiples: Multiples = Field(default=(2, 3), min_length=1, max_length=20, description="see permuted_blocks")

    @model_validator(mode="after")
    def _factors_differ(self) -> Self:
        refuse_repeats(self.factors)
        return self

    def assign(self, patients: Sequence[Patient], arms: Sequence[Arm], seed: int) -> tuple[Patient, ...]:
        """A sequence of blocks for each combination of the factors' levels."""
        return _in_blocks(patients, arms, self.block_multiples, seed, lambda patient: stratum(self.factors, patient))


class Counterfactual(Randomisation):
    """Every patient enters every arm: twins who share id, body, disease and luck, and differ in the treatment only."""

    kind: Literal["counterfactual"] = "counterfactual"

    def assign(self, patients: Sequence[Patient], arms: Sequence[Arm], seed: int) -> tuple[Patient, ...]:  # noqa: ARG002
        """Each patient once on every arm, twins side by side; ratios mean nothing here."""
        return tuple(replace(patient, arm=arm.name) for patient in patients for arm in arms)


def ratios(arms: Sequence[Arm]) -> NDArray[np.int64]:
    """Allocation ratios in lowest terms, shape (arms,)."""
    found = np.array([arm.ratio for arm in arms], dtype=np.int64)
    return np.asarray(found // np.gcd.reduce(found))


def _in_blocks(
    patients: Sequence[Patient],
    arms: Sequence[Arm],
    multiples: Multiples,
    seed: int,
    stratum_of: Callable[[Patient], str],
) -> tuple[Patient, ...]:
    sequences: dict[str, Iterator[int]] = {}
    assigned = []
    for patient in patients:
        name = stratum_of(patient)
        if name not in sequences:
            sequences[name] = _sequence(ratios(arms), multiples, stream(seed, "randomisation", name))
        assigned.append(replace(patient, arm=arms[next(sequences[name])].name, stratum=name))
    return tuple(assigned)


def _sequence(shares: NDArray[np.int64], multiples: Multiples, rng: np.random.Generator) -> Iterator[int]:
    """Arm numbers without end, block after block."""
    while True:
        block = np.repeat(np.arange(shares.size), shares * rng.choice(multiples))
        yield from rng.permutation(block).tolist()

"""The reconstruction: unbiased in a uniform liver, steadier with counts, sharper with its PSF, exact projections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from vct.acquisition import Acquisition
from vct.acquisition.osem import Geometry, mu_per_mm, osem, scanned, system_matrix
from vct.errors import InputError
from vct.records import Scan
from vct.structures import STRUCTURES

SLICE = Geometry(size=64, pixel_mm=6.0, views=84)


def body() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A torso of water, 30 cm across, with a liver of 2.5 beside a background of 1; four slices alike."""
    at = (np.arange(SLICE.size) - (SLICE.size - 1) / 2) * SLICE.pixel_mm
    x, y = np.meshgrid(at, at, indexing="ij")
    inside, liver = np.hypot(x, y * 1.3) < 150.0, np.hypot(x - 55.0, y) < 55.0
    activity = np.where(liver, 2.5, np.where(inside, 1.0, 0.0))
    mu = mu_per_mm(np.where(inside, 0.0, -1000.0))
    core = np.hypot(x - 55.0, y) < 38.0
    return tuple(np.repeat(one.reshape(-1, 1), 4, axis=1) for one in (activity, mu, core))  # type: ignore[return-value]


def reconstructed(counts: float, seed: int = 1, psf_mm: float = 6.0) -> np.ndarray:
    activity, mu, _ = body()
    data = scanned(activity, mu, SLICE, counts=counts, background=0.4, psf_mm=psf_mm, rng=np.random.default_rng(seed))
    return osem(data, SLICE, iterations=2, subsets=21, psf_mm=psf_mm)


def test_projections_keep_the_activity() -> None:
    activity, _, _ = body()
    views = (system_matrix(SLICE) @ activity).reshape(SLICE.views, SLICE.size, -1).sum(axis=1)
    assert views == pytest.approx(activity[:, 0].sum() * SLICE.pixel_mm, rel=1e-9)


def test_a_ray_through_the_middle_is_as_long_as_the_body() -> None:
    _, mu, _ = body()
    ray = (system_matrix(SLICE) @ mu).reshape(SLICE.views, SLICE.size, -1)[0, SLICE.size // 2]
    assert ray == pytest.approx(0.0096 * 300.0 / 1.3, rel=0.05)


def test_a_uniform_liver_is_recovered_within_2_percent() -> None:
    core = body()[2][:, 0]
    assert reconstructed(5e6)[core].mean() == pytest.approx(2.5, rel=0.02)


def test_noise_falls_with_the_root_of_counts() -> None:
    core = body()[2][:, 0]

    def cov(counts: float) -> float:
        difference = reconstructed(counts, 1)[core] - reconstructed(counts, 2)[core]
        return float(difference.std() / np.sqrt(2.0) / 2.5)

    few, many = cov(2e5), cov(3.2e6)
    assert few / many == pytest.approx(4.0, rel=0.25)


def test_without_attenuation_correction_the_middle_is_dark() -> None:
    activity, mu, core = body()
    data = scanned(activity, mu, SLICE, counts=1e6, background=0.0, psf_mm=0.0, rng=None)
    blind = type(data)(
        counts=data.counts, survival=np.ones_like(data.survival), background=data.background, scale=data.scale
    )
    assert osem(blind, SLICE, iterations=2, subsets=21, psf_mm=0.0)[core[:, 0]].mean() < 1.0


def test_subsets_must_divide_the_views() -> None:
    activity, mu, _ = body()
    data = scanned(activity, mu, SLICE, counts=1e5, background=0.0, psf_mm=0.0, rng=None)
    with pytest.raises(ValueError, match="must divide the 84 views"):
        osem(data, SLICE, iterations=1, subsets=5, psf_mm=0.0)


def test_ct_numbers_become_attenuation() -> None:
    assert mu_per_mm(np.array([-1000.0, 0.0, 1000.0])) == pytest.approx([0.0, 0.0096, 0.0144])


def test_a_scanner_reconstructs_the_slices_asked_for(
    make_scan: Callable[..., Scan], make_acquisition: Callable[..., Acquisition]
) -> None:
    """A phantom of liver in the middle slices only; half the dose makes it noisier, and the mean stays."""
    scan = make_scan(suv=2.3, shape=(32, 32, 12), spacing_mm=6.0)
    assert scan.labels is not None
    labels, pet = scan.labels.data.copy(), scan.pet.data.copy()
    labels[:, :, :4] = STRUCTURES["body"]
    edge = np.ones((32, 32), dtype=np.bool_)
    edge[4:-4, 4:-4] = False
    pet[edge], labels[edge] = 0.0, 0
    ct = np.full(scan.ct.data.shape, 0.0, np.float32)
    ct[edge] = -1000.0
    scan = replace(
        scan,
        pet=replace(scan.pet, data=pet),
        labels=replace(scan.labels, data=labels),
        ct=replace(scan.ct, data=ct),
    )
    osem = {"kind": "osem", "views": 84}

    def middle(dose_mbq: float) -> np.ndarray:
        seen = make_acquisition({"dose_mbq": dose_mbq}, fwhm_mm=8.0, reconstruction=osem).acquire(scan, 1).pet.data
        plain = make_acquisition({"dose_mbq": dose_mbq}, fwhm_mm=8.0).acquire(scan, 1).pet.data
        assert (seen[:, :, :4] == plain[:, :, :4]).all()
        assert (seen[:, :, 4:] != plain[:, :, 4:]).any()
        return np.asarray(seen[10:-10, 10:-10, 6:10])

    much, little = middle(400.0), middle(10.0)
    assert much.mean() == pytest.approx(2.3, rel=0.02)
    assert little.std() > 2.0 * much.std()


def test_osem_needs_its_structure(make_scan: Callable[..., Scan], make_acquisition: Callable[..., Acquisition]) -> None:
    acquisition = make_acquisition(fwhm_mm=8.0, reconstruction={"kind": "osem", "structure": "spleen"})
    with pytest.raises(InputError, match="slices of 'spleen'"):
        acquisition.acquire(make_scan(shape=(16, 16, 8)), 1)
    with pytest.raises(ValidationError, match="subsets must divide"):
        make_acquisition(fwhm_mm=8.0, reconstruction={"kind": "osem", "subsets": 5})

"""The anatomy blueprint from a folder of labelled bodies: align, describe, regress, and train what remains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from vct.checkpoint import Checkpoint
from vct.engine.cascade.anatomy import FATS, SKIN_SCALE, VOLUME_SCALE, VOLUMES, Anatomy, AnatomyConfig
from vct.engine.cascade.blueprints import LOOKS
from vct.engine.cascade.blur import missing_blur
from vct.engine.cascade.codes import KNOTS, CodeConfig, CodeModel, features
from vct.engine.cascade.conditioning import demographics
from vct.engine.cascade.day import COMMON_SD, OWN_SD, OWN_SDS, DayToDay
from vct.engine.cascade.denoiser import SIGMA_DATA, draw_sigma, stratified
from vct.engine.cascade.grid import grid_for
from vct.engine.cascade.skin import axis_of, thickness
from vct.engine.cascade.spline import Spans
from vct.engine.cascade.tissues import tissue_table
from vct.engine.cascade.visit import base_of
from vct.engine.cascade.volumes import organ_log_ml
from vct.errors import InputError
from vct.plausibility import LOOK_SIZE, look
from vct.training.align import aligned, means_by_tissue, patterns, tissue_means
from vct.training.data import Bodies
from vct.training.grain import Seen, grain_of
from vct.training.loop import Draw
from vct.training.register import LEVELS
from vct.volume import Volume

FEWEST_BODIES = 8
_RIDGE = 1.0
_KEPT_VARIANCE = 0.999
_MOST_MODES = 64
_LEAST_KEPT = 0.3
"""Of a number's spread: with less the modes say nothing of it, and it stays as it is (assumed)."""
_EDGE = 0.2
_LEAST_OWN = 0.05
"""Of a tissue's variance: women's livers differ no more, once size and age are known, than one does from day to day
(assumed)."""
_LEAST_SUV = 0.02
_COMPARED = 64
_COMPARISON = "comparison"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A described population of one sex: the model, still without a trained network, and its bodies' white codes."""

    anatomy: Anatomy
    white: torch.Tensor
    condition: torch.Tensor


def describe(bodies: Bodies, sex: str, cache: Path, say: Callable[[str], None] = lambda _: None) -> Fitted:
    """Canonical body, regression, modes and codes of one sex.

    Raises InputError when the folder holds fewer than 8 bodies of it, or its labels know no fat.
    """
    indices = bodies.of_sex(sex)
    if len(indices) < FEWEST_BODIES:
        raise InputError(f"an anatomy of sex {sex} needs at least {FEWEST_BODIES} bodies (got {len(indices)})")
    canonical, coefficients = aligned(bodies, indices, cache, say)
    means = tissue_means(bodies, indices)
    pattern, relief = patterns(bodies, indices, canonical, coefficients, means)
    table, names = tissue_table()
    places = sorted(set(table[bodies.labels[canonical]].ravel().tolist()) - {0})
    if names.index("fat") not in places:
        who = bodies.patients[canonical].id
        raise InputError(f"{who}: labels need subcutaneous_fat and torso_fat, of which an anatomy makes lean and obese")
    factors = np.concatenate((_log_suv(means.suv[:, places]), _filled(means.hu[:, places]) / 100.0), axis=1)
    drawn = (*VOLUMES, *FATS)
    log_ml = torch.stack([organ_log_ml(_labels(bodies, index), drawn, bodies.spacing_mm) for index in indices])
    axis = axis_of(_labels(bodies, canonical))
    layer = torch.stack([thickness(_labels(bodies, index), axis).ravel() for index in indices])
    shape = torch.cat((coefficients.flatten(1), SKIN_SCALE * layer, VOLUME_SCALE * log_ml), dim=1)
    raw = torch.cat((shape, torch.from_numpy(factors).float()), dim=1)
    condition = demographics([bodies.patients[index] for index in indices])
    own = log_ml.shape[1] + factors.shape[1]
    code, white = fit_code(raw, condition, blocks=(shape.shape[1], factors.shape[1]), shaped=own)
    tissues = tuple(names[place] for place in places)
    _leave_out_the_day(code, tissues, shape.shape[1])
    config = AnatomyConfig(
        spans=_spans(coefficients),
        tissues=tissues,
        volumes=VOLUMES,
        code=code.config,
        spacing_mm=bodies.spacing_mm,
    )
    anatomy = Anatomy(config)
    anatomy.code = code
    anatomy.labels.copy_(_labels(bodies, canonical))
    anatomy.axis.copy_(axis)
    anatomy.pattern.copy_(torch.from_numpy(pattern))
    anatomy.relief.copy_(torch.from_numpy(relief))
    _compare(anatomy, bodies, indices, raw, factors)
    return Fitted(anatomy=anatomy, white=white, condition=condition)


@torch.no_grad()
def _compare(anatomy: Anatomy, bodies: Bodies, indices: Sequence[int], raw: torch.Tensor, factors: np.ndarray) -> None:
    """Calibrate blur, uptake and HU and measure texture on at most 64 bodies, rendered from their own fields and
    factors.

    Where bowel and fat trade places a painted PET is sharper than a scanner's; it is blurred until it is as smooth as
    the bodies'. The bodies' means were measured where PETs breathe apart from their CTs: what rendered bodies lose by
    that, tissue by tissue and in the mean SUV of all, will be painted on top. What bodies vary by more within a tissue
    is its texture.
    """
    rows = range(0, len(raw), -(-len(raw) // _COMPARED))
    anatomy.blur_mm.fill_(_missing_blur_mm(anatomy, bodies, {indices[row]: raw[row] for row in list(rows)[::8]}))
    tissues, names = len(anatomy.config.tissues), tissue_table()[1]
    own = [names.index(name) for name in anatomy.config.tissues]
    wanted, measured = [], []
    found, painted = [], []
    for row in rows:
        labels = _labels(bodies, indices[row])
        lag_mm = DayToDay().draw(bodies.patients[indices[row]].id, _COMPARISON, 0).lag_mm(base_of(labels))
        body = replace(anatomy.recovered(anatomy.split(raw[row])), lag_mm=lag_mm)
        seen = anatomy.render(body, anatomy.config.spacing_mm)
        suv, hu = means_by_tissue(seen.labels.numpy(), seen.pet.numpy(), seen.ct.numpy())
        there = ~np.isnan(suv[own])
        log_suv, hundreds = np.split(factors[row], 2)
        wanted.append(np.where(there, (np.exp(log_suv), hundreds), np.nan))
        measured.append(np.stack((suv[own], hu[own] / 100.0)))
        ct, pet = (part[0] for part in bodies.images([indices[row]]))
        place = anatomy.tissue_map(labels, tissues)
        found.append(Seen(ct=ct, pet=pet, place=place))
        painted.append(Seen(ct=seen.ct, pet=seen.pet, place=anatomy.tissue_map(seen.labels, tissues)))
    (suv, hu), (seen_suv, seen_hu) = _mean_known(np.array(wanted)), _mean_known(np.array(measured))
    lost = np.log(np.maximum(suv, _LEAST_SUV) / np.maximum(seen_suv, _LEAST_SUV))
    anatomy.lost.copy_(torch.from_numpy(lost))
    anatomy.code.mean[0, -tissues:] += torch.from_numpy(hu - seen_hu).float()
    anatomy.grain.copy_(grain_of(found, painted, anatomy.config.tissues, anatomy.config.spacing_mm))


def _missing_blur_mm(anatomy: Anatomy, bodies: Bodies, raw: Mapping[int, torch.Tensor]) -> float:
    """Standard deviation, the median body's, of the blur that rendered bodies lack; of some bodies by index."""
    spacing_mm = anatomy.config.spacing_mm
    found = [
        missing_blur(anatomy.render(anatomy.split(vector), spacing_mm).pet, bodies.images([index])[1][0])
        for index, vector in raw.items()
    ]
    return spacing_mm * float(np.median(found))


def _labels(bodies: Bodies, index: int) -> torch.Tensor:
    return torch.from_numpy(np.array(bodies.labels[index]))


def fit_code(
    raw: torch.Tensor, condition: torch.Tensor, blocks: Sequence[int], width: int = 128, shaped: int = 0
) -> tuple[CodeModel, torch.Tensor]:
    """A code model of bodies `raw` (N, sum of blocks), without a trained network, and their white codes (N, modes).

    Principal modes are found block by block (shape, uptake), their correlation is shrunk towards none. The last
    `shaped` numbers are replaced by their normal scores, of the same spread, before; after, they get back what the
    modes that are left out, and the shrinking, took off their spread.
    """
    design = features(condition).double()
    penalty = _RIDGE * torch.eye(design.shape[1], dtype=torch.float64)
    penalty[0, 0] = 0.0
    mean = torch.linalg.solve(design.T @ design + penalty, design.T @ raw.double())
    left = (raw.double() - design @ mean) * (len(raw) / max(len(raw) - design.shape[1], 1)) ** 0.5
    first = raw.shape[1] - shaped
    plain, own = left[:, :first], left[:, first:]
    spread = own.square().mean(dim=0).sqrt().clamp_min(1e-9)
    left = torch.cat((plain, _normal_scores(own) * spread), dim=1)
    scores, modes = [], []
    for number, part in enumerate(torch.split(left, list(blocks), dim=1)):
        found, axes = _principal(part)
        scores.append(found)
        wide = torch.zeros(len(axes), raw.shape[1], dtype=torch.float64)
        start = sum(blocks[:number])
        wide[:, start : start + blocks[number]] = axes
        modes.append(wide)
    score = torch.cat(scores, dim=1)
    model = CodeModel(CodeConfig(raw=raw.shape[1], shaped=shaped, modes=score.shape[1], width=width))
    model.mean.copy_(mean)
    model.modes.copy_(torch.cat(modes))
    model.mix.copy_(torch.linalg.cholesky(shrunk_correlation(score)))
    if shaped:
        model.quantiles.copy_(torch.quantile(own, torch.special.ndtr(KNOTS.double()), dim=0))
        kept = (model.mix.T @ model.modes[:, first:]).norm(dim=0)
        model.modes[:, first:] /= torch.where(kept > _LEAST_KEPT * spread.float(), kept, spread.float())
    margin = _EDGE * condition.std(dim=0)
    model.low.copy_(condition.amin(dim=0) - margin)
    model.high.copy_(condition.amax(dim=0) + margin)
    return model, model.whiten(score.float())


def _normal_scores(values: torch.Tensor) -> torch.Tensor:
    """(N, D) standard normal quantiles of the ranks of values (N, D) within their columns."""
    ranks = values.argsort(dim=0).argsort(dim=0).double()
    scores: torch.Tensor = torch.special.ndtri((ranks + 0.5) / len(values))
    return scores


@torch.no_grad()
def _leave_out_the_day(code: CodeModel, tissues: Sequence[str], start: int) -> None:
    """Take the day's variation, which every training scan holds and the engine adds again, off the modes of ln SUV.

    `start` is the first tissue's column. At least `_LEAST_OWN` of a tissue's variance stays the body's own.
    """
    columns = slice(start, start + len(tissues))
    score = (code.mix.T @ code.modes[:, columns]).square().sum(dim=0)
    middle = len(KNOTS) // 2
    first = start - (code.config.raw - code.config.shaped)
    ends = code.quantiles[[middle - 4, middle + 4], first : first + len(tissues)]
    spread = score * (ends.diff(dim=0)[0] / (KNOTS[middle + 4] - KNOTS[middle - 4])).square()
    day = torch.tensor([OWN_SDS.get(name, OWN_SD) ** 2 + COMMON_SD**2 for name in tissues])
    code.modes[:, columns] *= (1.0 - day / spread.clamp_min(1e-9)).clamp_min(_LEAST_OWN).sqrt()


def shrunk_correlation(scores: torch.Tensor) -> torch.Tensor:
    """Correlation of (N, D), shrunk towards the identity as Schaefer and Strimmer do (2005, doi
    10.2202/1544-6115.1175).

    The weight is the summed variance of the estimated correlations over their summed squares.
    """
    count = len(scores)
    z = (scores - scores.mean(dim=0)) / scores.std(dim=0)
    products = z[:, :, None] * z[:, None, :]
    mean = products.mean(dim=0)
    variance = (products - mean).square().sum(dim=0) * count / (count - 1) ** 3
    off = ~torch.eye(z.shape[1], dtype=torch.bool)
    weight = (variance[off].sum() / mean[off].square().sum().clamp_min(1e-12)).clamp(0.0, 1.0)
    return torch.where(off, mean * (1.0 - weight), torch.ones_like(mean))


class CodeTask:
    """Trains the diffusion over white codes; every fifth body is kept aside to tell learning from remembering."""

    def __init__(self, fitted: Fitted, sex: str, about: str) -> None:
        self.model = fitted.anatomy.code.denoiser
        self.kind, self.about, self.config = f"code-{sex}", about, fitted.anatomy.code.config
        held = torch.arange(len(fitted.white)) % 5 == 4
        self.train_white, self.train_condition = fitted.white[~held], fitted.condition[~held]
        self.held_white, self.held_condition = fitted.white[held], fitted.condition[held]

    def loss(self, model: nn.Module, draw: Draw, batch: int) -> torch.Tensor:
        """Mean weighted error on a batch of codes, a little jittered so that they are not learned by heart."""
        rows = torch.from_numpy(draw.numpy.integers(len(self.train_white), size=batch))
        white = self.train_white[rows]
        white = white + 0.1 * SIGMA_DATA * torch.randn(white.shape, generator=draw.torch)
        sigma = draw_sigma(stratified(batch, draw.torch), -0.6, 1.2)
        noise = torch.randn(white.shape, generator=draw.torch)
        device = next(model.parameters()).device
        drawn = [part.to(device) for part in (white, sigma, noise, self.train_condition[rows])]
        found: torch.Tensor = model.loss(*drawn[:3], condition=drawn[3])  # type: ignore[operator]
        return found.mean()

    @torch.no_grad()
    def held_out(self, repeats: int = 64) -> float:
        """The same error on the bodies kept aside, with fixed noise; 1 for a silent network on a Gaussian."""
        denoiser = self.model.cpu().eval()
        draw = Draw(0, 0)
        white, condition = self.held_white.repeat(repeats, 1), self.held_condition.repeat(repeats, 1)
        sigma = draw_sigma(
            stratified(len(white), draw.torch)[torch.randperm(len(white), generator=draw.torch)], -0.6, 1.2
        )
        noise = torch.randn(white.shape, generator=draw.torch)
        error = denoiser.loss(white, sigma, noise, condition=condition)
        denoiser.train()
        return float(error.mean())

    def checkpoint(self, tensors: dict[str, torch.Tensor]) -> Checkpoint:
        """The network alone; the engine reads it as a part of the anatomy."""
        return Checkpoint(
            kind=self.kind,
            config=self.config.model_dump(mode="json"),
            training_data=self.about,
            tensors=tensors,
        )


def anatomy_checkpoint(anatomies: dict[str, Anatomy], bodies: Bodies) -> Checkpoint:
    """Both sexes' models in one checkpoint of kind "anatomy"; noise is averaged away, blur is not."""
    tensors = {f"{sex}.{name}": value for sex, model in anatomies.items() for name, value in model.state_dict().items()}
    config = {
        "length": list(bodies.length()),
        "imaging": {"fwhm_mm": bodies.fwhm_mm},
        "sexes": {sex: model.config.model_dump(mode="json") for sex, model in anatomies.items()},
    }
    tensors[LOOKS] = _looks(bodies)
    return Checkpoint(kind="anatomy", config=config, training_data=bodies.about, tensors=tensors)


def _looks(bodies: Bodies) -> torch.Tensor:
    """(N, D) what the bodies look like, without those that lack an organ."""
    found = []
    for row, length in enumerate(bodies.lengths_mm):
        grid = grid_for(length, bodies.spacing_mm)
        found.append(look(Volume(data=np.asarray(bodies.labels[row]), grid=grid, unit="label")))
    whole = [item for item in found if item]
    return torch.tensor(whole, dtype=torch.float32).reshape(len(whole), LOOK_SIZE)


def _principal(part: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores (N, k) of unit spread and modes (k, columns) one standard deviation long, of centred rows."""
    u, s, axes = torch.linalg.svd(part, full_matrices=False)
    share = (s**2).cumsum(0) / (s**2).sum()
    count = min(int((share < _KEPT_VARIANCE).sum()) + 1, _MOST_MODES, int((s > 1e-6 * s[0]).sum()))
    scale = s[:count] / len(part) ** 0.5
    return u[:, :count] * len(part) ** 0.5, axes[:count] * scale[:, None]


def _log_suv(suv: np.ndarray) -> np.ndarray:
    return _filled(np.log(np.maximum(suv, _LEAST_SUV)))


def _filled(values: np.ndarray) -> np.ndarray:
    """Bodies that lack a tissue get its mean."""
    return np.asarray(np.where(np.isnan(values), _mean_known(values), values))


def _mean_known(values: np.ndarray) -> np.ndarray:
    """Means over the rows that are not NaN; 0 (SUV 1, 0 HU, no shift) where a tissue is too small in every body."""
    known = ~np.isnan(values)
    return np.asarray(np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


def _spans(coefficients: torch.Tensor) -> Spans:
    spans = LEVELS[-1].spans
    if tuple(coefficients.shape[2:]) != tuple(n + 3 for n in spans):
        raise InputError(f"cached fields have {tuple(coefficients.shape[2:])} coefficients; remove the cache")
    return spans

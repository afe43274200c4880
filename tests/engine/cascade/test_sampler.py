import pytest

torch = pytest.importorskip("torch")

from vct.engine.cascade import sampler  # noqa: E402
from vct.engine.cascade.sampler import DEFAULT, PUBLISHED, THOROUGH, Schedule, code_noise, volume_noise  # noqa: E402

MEAN = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64)
ROOT = torch.tensor([[0.5, 0.0, 0.0], [0.3, 0.4, 0.0], [-0.1, 0.2, 0.6]], dtype=torch.float64)
COVARIANCE = ROOT @ ROOT.T


def posterior_mean(x, sigma):
    """E[clean | x] for clean ~ N(MEAN, COVARIANCE): the exact denoiser."""
    gain = COVARIANCE @ torch.linalg.inv(COVARIANCE + sigma[0] ** 2 * torch.eye(3, dtype=x.dtype))
    return MEAN + (x - MEAN) @ gain.T


def flow_map(schedule):
    """The sampler is affine in the noise here: its offset and matrix, read off exactly."""
    probes = torch.cat((torch.zeros(1, 3), torch.eye(3))).double()
    ends = schedule.sample(posterior_mean, probes)
    return ends[0], (ends[1:] - ends[0]).T


@pytest.mark.parametrize(
    ("schedule", "tolerance"),
    [
        (PUBLISHED, 5e-3),
        (Schedule(solver="dpm_solver_2m", steps=100, sigma_min=0.002), 5e-3),
        (Schedule(solver="dpm_solver_2m", steps=16), 0.06),
        (THOROUGH, 0.03),
        (DEFAULT, 0.1),
    ],
    ids=["published", "dpm 100", "dpm 16", "thorough", "default"],
)
def test_a_gaussian_with_known_score_is_recovered(schedule, tolerance):
    mean, matrix = flow_map(schedule)
    assert torch.allclose(mean, MEAN, atol=tolerance)
    assert torch.linalg.norm(matrix @ matrix.T - COVARIANCE) / torch.linalg.norm(COVARIANCE) < tolerance


def test_the_default_keeps_the_spread_of_fine_and_coarse_structure():
    spread = torch.tensor([0.1, 0.2, 0.35, 0.5, 0.7, 1.0], dtype=torch.float64)
    noise = torch.ones(1, 6, dtype=torch.float64)
    for schedule, low, high in ((DEFAULT, 0.9, 1.07), (THOROUGH, 0.98, 1.02)):
        ratio = schedule.sample(lambda x, sigma: x * spread**2 / (spread**2 + sigma[0] ** 2), noise)[0] / spread
        assert low < ratio.min()
        assert ratio.max() < high


@pytest.mark.parametrize("solver", ["heun", "dpm_solver_2m"])
def test_both_solvers_are_of_second_order(solver):
    """Down to a fixed noise level, halving the step divides the error by four."""
    solve = getattr(sampler, solver)
    noise = torch.tensor([[0.7, -1.1, 0.4]], dtype=torch.float64)

    def end(steps):
        levels = Schedule(solver=solver, steps=steps + 1, sigma_min=0.1, sigma_max=10.0).sigmas()
        return solve(posterior_mean, noise, levels)

    exact = end(900)
    errors = [(end(steps) - exact).norm().item() for steps in (40, 80)]
    assert errors[0] / errors[1] > 3.2


def test_the_last_level_before_zero_is_sigma_min_and_evaluations_are_counted():
    assert DEFAULT.sigmas()[[0, -2, -1]].tolist() == pytest.approx([80.0, 0.02, 0.0])
    for schedule in (Schedule(solver="heun", steps=5), Schedule(steps=5)):
        seen = []

        def counting(x, sigma, seen=seen):
            seen.append(sigma)
            return posterior_mean(x, sigma)

        schedule.sample(counting, torch.zeros(1, 3, dtype=torch.float64))
        assert len(seen) == schedule.evaluations
    assert PUBLISHED.evaluations == 199


def test_noise_of_a_box_is_that_of_the_whole():
    whole = volume_noise((2, 12, 10, 40), (0, 0, 0), (12, 10, 40), 7, "P", "noise")
    box = volume_noise((2, 12, 10, 40), (3, 2, 13), (5, 6, 21), 7, "P", "noise")
    assert torch.equal(box, whole[:, 3:8, 2:8, 13:34])
    assert whole.std() == pytest.approx(1.0, abs=0.03)
    assert not torch.equal(whole, volume_noise((2, 12, 10, 40), (0, 0, 0), (12, 10, 40), 7, "Q", "noise"))


def test_noise_of_a_code_has_a_name():
    assert torch.equal(code_noise(9, 1, "P", "body"), code_noise(9, 1, "P", "body"))
    assert not torch.equal(code_noise(9, 1, "P", "body"), code_noise(9, 2, "P", "body"))

import pytest

torch = pytest.importorskip("torch")

from vct.engine.cascade.codes import FEATURES, CodeConfig, CodeModel, features  # noqa: E402
from vct.engine.cascade.sampler import THOROUGH  # noqa: E402


def model(modes=3, raw=6):
    generator = torch.Generator().manual_seed(0)
    made = CodeModel(CodeConfig(raw=raw, modes=modes, width=16, blocks=1))
    made.mean.copy_(torch.randn(FEATURES, raw, generator=generator))
    made.modes.copy_(torch.randn(modes, raw, generator=generator))
    made.mix.copy_(torch.linalg.cholesky(torch.tensor([[1.0, 0.5, 0.2], [0.5, 1.0, 0.0], [0.2, 0.0, 1.0]])))
    return made.eval()


def test_whitening_has_an_inverse():
    made, scores = model(), torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(made.unwhiten(made.whiten(scores)), scores, atol=1e-5)


@torch.no_grad()
def test_an_untrained_model_draws_the_gaussian_of_its_modes():
    """Mean and covariance are known exactly: regression, and modes mixed by their correlation."""
    made = model()
    condition = torch.tensor([[1.0, 0.3, -0.5, 0.8]])
    noise = torch.randn(20_000, 3, generator=torch.Generator().manual_seed(2))
    drawn = made.draw(condition.expand(len(noise), -1), noise, THOROUGH)
    root = made.mix.T @ made.modes
    exact = root.T @ root
    assert torch.allclose(drawn.mean(dim=0), made.expected(condition)[0], atol=0.05)
    assert torch.linalg.norm(torch.cov(drawn.T) - exact) / torch.linalg.norm(exact) < 0.05


def test_demographics_beyond_training_are_held_at_its_edge():
    made = model()
    made.high.fill_(1.0)
    inside, outside = torch.ones(1, 4), torch.full((1, 4), 5.0)
    assert torch.equal(made.expected(inside), made.expected(outside))


def test_features_leave_the_sex_out():
    assert features(torch.tensor([[1.0, 2.0, 3.0, 4.0]])).tolist() == [[1.0, 2.0, 3.0, 4.0, 4.0, 16.0]]

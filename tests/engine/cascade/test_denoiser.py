import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from vct.engine.cascade import denoiser  # noqa: E402
from vct.engine.cascade.denoiser import Denoiser, draw_sigma, scalings, stratified  # noqa: E402


class Silent(nn.Module):
    def forward(self, x, noise_code):
        return torch.zeros_like(x)


def test_scalings_are_those_of_the_paper():
    """Table 1 of arXiv 2206.00364 at sigma = sigma_data = 0.5, worked by hand."""
    scale = scalings(torch.tensor(0.5))
    assert scale.skip == 0.5
    assert scale.out == pytest.approx(0.5**0.5 / 2)
    assert scale.into == pytest.approx(2.0**0.5)
    assert scale.noise == pytest.approx(-0.1732868)
    assert scale.weight == pytest.approx(8.0)


def test_inputs_and_targets_have_unit_variance():
    """The conditions from which the paper derives the scalings (its appendix B.6)."""
    generator = torch.Generator().manual_seed(0)
    clean = 0.5 * torch.randn(200_000, generator=generator)
    noise = torch.randn(200_000, generator=generator)
    for sigma in torch.tensor([0.02, 0.5, 20.0]):
        scale, noisy = scalings(sigma), clean + sigma * noise
        assert (scale.into * noisy).std() == pytest.approx(1.0, abs=0.01)
        assert ((clean - scale.skip * noisy) / scale.out).std() == pytest.approx(1.0, abs=0.01)


def test_a_silent_network_is_the_wiener_filter_and_has_unit_loss():
    generator = torch.Generator().manual_seed(1)
    clean = 0.5 * torch.randn(4, 50_000, generator=generator)
    noise = torch.randn(4, 50_000, generator=generator)
    sigma = torch.tensor([0.05, 0.5, 2.0, 60.0])
    loss = Denoiser(Silent()).loss(clean, sigma, noise)
    assert loss.mean(dim=1) == pytest.approx(torch.ones(4), abs=0.03)


def test_loss_and_forward_share_one_set_of_scalings(monkeypatch):
    calls = []

    def counted(sigma, sigma_data=0.5):
        calls.append(sigma)
        return scalings(sigma, sigma_data)

    monkeypatch.setattr(denoiser, "scalings", counted)
    Denoiser(Silent()).loss(torch.zeros(2, 3), torch.ones(2), torch.ones(2, 3))
    assert len(calls) == 2


def test_noise_levels_are_log_normal_and_cover_their_range():
    sigma = draw_sigma(stratified(4000, torch.Generator().manual_seed(2)), 0.8, 1.6).log()
    assert sigma.mean() == pytest.approx(0.8, abs=0.01)
    assert sigma.std() == pytest.approx(1.6, abs=0.02)
    parts = (stratified(16, torch.Generator().manual_seed(3)) * 16).long()
    assert parts.tolist() == list(range(16))

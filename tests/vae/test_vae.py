"""The model as a whole, over all likelihoods and networks, and trained where the best value is known."""

from __future__ import annotations

import math

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from astro_vae.linear import Ppca, WeightedLinear
from astro_vae.vae import objectives
from astro_vae.vae.likelihoods import LIKELIHOODS, Gaussian
from astro_vae.vae.linear_path import LinearPath
from astro_vae.vae.networks import dense
from astro_vae.vae.vae import FILL_COMPONENTS, Vae, build_vae

SMALL = {"channels": (4, 6), "hidden": (8,)}


def small(**options: object) -> Vae:
    torch.manual_seed(1)
    return build_vae((10, 12), 3, 2, **{**SMALL, **options})


def images(n: int) -> Tensor:
    return torch.rand(n, 10, 12, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("likelihood", [name for name in LIKELIHOODS if not LIKELIHOODS[name].weighted])
@pytest.mark.parametrize("network", ["convolutional", "dense"])
def test_every_network_with_every_likelihood(network: str, likelihood: str, conditional: bool) -> None:
    model = small(network=network, likelihood=likelihood, conditional=conditional)
    x, label = images(4), torch.tensor([0, 1, 1, -1] if not conditional else [0, 1, 1, 0])
    posterior = model.encode(x, label)
    assert posterior.mu.shape == posterior.log_var.shape == (4, 3)
    assert model.decode(posterior.mu, label).shape == x.shape
    assert model.log_likelihood(x, posterior.mu, label).shape == (4,)
    found = objectives.elbo(model, x, label, torch.zeros(4, 3))
    found.objective.mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    assert objectives.label_log_evidence(model, x, 2, torch.Generator().manual_seed(1)).shape == (4, 2)


def test_a_conditional_model_must_be_told_the_label() -> None:
    model = small(conditional=True)
    with pytest.raises(ValueError, match="needs the label"):
        model.encode(images(2))
    with pytest.raises(RuntimeError):
        model.encode(images(2), torch.tensor([0, -1]))


def test_an_unconditional_model_ignores_the_label() -> None:
    model = small()
    assert torch.equal(model.encode(images(2), torch.tensor([1, -1])).mu, model.encode(images(2)).mu)


def test_the_label_matters_to_a_conditional_model() -> None:
    model = small(conditional=True)
    z = torch.zeros(2, 3)
    first, second = model.decode(z, torch.tensor([0, 1]))
    assert not torch.equal(first, second)


def test_a_seed_gives_the_same_weights() -> None:
    assert all(torch.equal(a, b) for a, b in zip(small().parameters(), small().parameters(), strict=True))


def test_probabilities_stay_in_32_bits_when_networks_do_not() -> None:
    model = small(conditional=True)
    x, label = images(2), torch.tensor([0, 1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        posterior = model.encode(x, label)
        value = model.log_likelihood(x, posterior.mu, label)
    assert posterior.mu.dtype == value.dtype == torch.float32
    assert model.decode(posterior.mu, label).dtype == torch.float32
    assert model.double().encode(x.double(), label).mu.dtype == torch.float64


def test_masked_pixels_do_not_count() -> None:
    model = small()
    x, z = images(1), torch.zeros(1, 3)
    weight = torch.full_like(x, 1e12)
    weight[:, 3:5] = 0
    spoilt = x.clone()
    spoilt[:, 3:5] = math.nan
    assert torch.equal(model.log_likelihood(x, z, weight=weight), model.log_likelihood(spoilt, z, weight=weight))


def linear_data() -> Tensor:
    generator = torch.Generator().manual_seed(3)
    mixing = torch.randn(2, 6, generator=generator)
    return torch.randn(400, 2, generator=generator) @ mixing + 0.4 * torch.randn(400, 6, generator=generator) + 1.0


def test_a_trained_linear_model_reaches_the_best_likelihood() -> None:
    """Its diagonal posterior costs nothing, since it can align its latents with the principal axes."""
    x = linear_data()
    best = Ppca.fit(x, 2)
    torch.manual_seed(1)
    model = Vae(*dense((6,), 2, 0, hidden=(), dropout=0.0), Gaussian(1.0, floor=0.0), shape=(6,), n_latents=2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 800)
    draws = torch.Generator().manual_seed(2)
    for _ in range(800):
        eps = torch.randn(400, 2, generator=draws)
        found = objectives.elbo(model, torch.cat([x, x]), None, torch.cat([eps, -eps]))  # opposite draws: less noise
        optimizer.zero_grad()
        (-found.objective.mean()).backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        many = objectives.elbo(model, x.repeat(1000, 1), None, torch.randn(400_000, 2, generator=draws)).elbo
        tight = objectives.importance_weighted_bound(model, x, None, 50, draws).mean().item()
    evidence = best.log_evidence(x).mean().item()
    assert many.mean().item() == pytest.approx(evidence, abs=0.01)
    assert tight == pytest.approx(evidence, abs=0.01)
    assert model.likelihood.variance.item() == pytest.approx(best.noise.item(), rel=0.03)


BINS, WEIGHTED = 30, {"likelihood": "gaussian_ivar", "hidden": (8,), "channels": (3, 4)}


def spectra(n: int) -> tuple[Tensor, Tensor]:
    """Return data and inverse variances, some of them zero, of dimension one."""
    draws = torch.Generator().manual_seed(2)
    x, weight = torch.randn(n, BINS, generator=draws), 1 + torch.rand(n, BINS, generator=draws)
    return x, weight * (torch.rand(n, BINS, generator=draws) > 0.2)


def weighted_vae(network: str = "dense", **options: object) -> Vae:
    torch.manual_seed(1)
    return build_vae((BINS,), 3, 2, network=network, **{**WEIGHTED, **options})


@pytest.mark.parametrize("path", ["none", "linear", "curved"])
@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("network", ["convolutional_1d", "dense"])
def test_networks_for_weighted_data(network: str, conditional: bool, path: str) -> None:
    model = weighted_vae(network, conditional=conditional, path=path)
    (x, weight), label = spectra(4), torch.tensor([0, 1, 1, 0])
    found = objectives.elbo(model, x, label, torch.zeros(4, 3), weight=weight)
    found.objective.mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    evidence = objectives.label_log_evidence(model, x, 2, torch.Generator().manual_seed(1), weight=weight)
    assert evidence.shape == (4, 2)


@pytest.mark.parametrize("path", ["none", "linear", "curved"])
@pytest.mark.parametrize("network", ["convolutional_1d", "dense"])
def test_data_without_weight_change_nothing(network: str, path: str) -> None:
    """Neither latents nor likelihood know what a masked datum was, be it NaN."""
    model, (x, weight) = weighted_vae(network, path=path), spectra(4)
    first, second = (
        objectives.elbo(model, torch.where(weight > 0, x, other), None, torch.ones(4, 3), weight=weight).elbo
        for other in (0.0, math.nan)
    )
    assert torch.isfinite(first).all()
    assert torch.equal(first, second)


def test_an_encoder_tells_a_masked_datum_from_a_zero() -> None:
    model, (x, weight) = weighted_vae(), spectra(1)
    x[0, 0] = 0.0
    seen, unseen = weight.clone(), weight.clone()
    seen[0, 0], unseen[0, 0] = 1.0, 0.0
    assert not torch.equal(model.encode(x, weight=seen).mu, model.encode(x, weight=unseen).mu)


@pytest.mark.parametrize("network", ["convolutional_1d", "dense"])
def test_with_a_linear_path_a_model_begins_as_the_linear_model(network: str) -> None:
    model, (x, weight) = weighted_vae(network, path="linear"), spectra(20)
    linear = WeightedLinear.fit(x.numpy(), weight.numpy(), 3)
    model.start_from(linear.path)
    expected, found = linear.encode(x, weight=weight), model.encode(x, weight=weight)
    assert torch.equal(found.mu, expected.mu)
    assert torch.equal(found.log_var, expected.log_var)
    assert torch.equal(model.decode(found.mu), linear.decode(expected.mu))
    assert torch.equal(
        model.log_likelihood(x, found.mu, None, weight), linear.log_likelihood(x, found.mu, None, weight)
    )


def test_a_linear_path_comes_back_from_a_state_dict() -> None:
    model, (x, weight) = weighted_vae(path="linear"), spectra(20)
    model.start_from(WeightedLinear.fit(x.numpy(), weight.numpy(), 3).path)
    again = weighted_vae(path="linear")
    again.load_state_dict(load(save({k: v.contiguous() for k, v in model.state_dict().items()})))
    assert torch.equal(again.encode(x, weight=weight).mu, model.encode(x, weight=weight).mu)


def test_weighted_models_ask_for_what_they_need() -> None:
    x, _ = spectra(2)
    with pytest.raises(ValueError, match="needs the inverse variance"):
        weighted_vae().encode(x)
    with pytest.raises(ValueError, match="linear path needs inverse variances"):
        weighted_vae(likelihood="gaussian", path="linear")
    with pytest.raises(ValueError, match="without a path"):
        weighted_vae().start_from(LinearPath(BINS, 3))
    with pytest.raises(ValueError, match="without masks"):
        build_vae((8, 8), 2, likelihood="gaussian_ivar")


@pytest.mark.parametrize("network", ["convolutional", "dense", "bastien"])
def test_a_bernoulli_decoder_begins_at_the_mean_of_the_data(network: str) -> None:
    model = build_vae((16, 16), 3, network=network, likelihood="bernoulli")
    model.start_at(0.02)
    began = model.eval().decode(torch.randn(8, 3))
    assert began.mean().item() == pytest.approx(0.02, rel=0.3)


def test_other_likelihoods_begin_as_the_network_does() -> None:
    model = build_vae((16, 16), 3)
    before = model.decode(torch.ones(1, 3))
    model.start_at(0.02)
    assert torch.equal(model.decode(torch.ones(1, 3)), before)


def test_what_is_not_valid_may_be_filled_from_components() -> None:
    generator = torch.Generator().manual_seed(1)
    components = LinearPath(BINS, FILL_COMPONENTS).requires_grad_(False)
    components.centre.copy_(torch.randn(BINS, generator=generator))
    components.loadings.copy_(torch.randn(FILL_COMPONENTS, BINS, generator=generator))
    x = components(torch.randn(5, FILL_COMPONENTS, generator=generator))
    weight = (torch.rand(x.shape, generator=generator) > 0.3).float()
    model = weighted_vae(conditional=False, fill="infill")
    model.fill_from(components)
    seen = model._seen(torch.where(weight > 0, x, math.nan), weight)
    torch.testing.assert_close(seen[:, 0], x, atol=1e-3, rtol=1e-3)  # the data are components, so their gaps are known
    assert torch.equal(seen[:, 1], weight)
    z = model.encode(x, weight=weight).mu
    other = torch.where(weight > 0, x, 7.0)
    assert torch.equal(model.log_likelihood(x, z, None, weight), model.log_likelihood(other, z, None, weight))
    model.decode(z).sum().backward()
    assert model.filler is not None
    assert all(parameter.grad is None for parameter in model.filler.parameters())


def test_a_filler_is_for_data_with_masks() -> None:
    with pytest.raises(ValueError, match="fill: infill needs data with masks, which the likelihood 'gaussian'"):
        small(fill="infill")
    with pytest.raises(ValueError, match="fills with zeros"):
        weighted_vae().fill_from(LinearPath(BINS, FILL_COMPONENTS))

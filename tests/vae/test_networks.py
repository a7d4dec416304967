"""Networks: shapes, labels and padding."""

from __future__ import annotations

import itertools

import pytest
import torch

from astro_vae.vae.networks import BASTIEN_HIDDEN, NETWORKS, convolutional, convolutional_1d, dense, zero_last_layer

SMALL = {"channels": (4, 6), "hidden": (8,), "dropout": 0.0}


@pytest.mark.parametrize("name", ["convolutional", "dense"])
@pytest.mark.parametrize("shape", [(16, 16), (17, 30), (5, 3)])
@pytest.mark.parametrize("n_labels", [0, 3])
def test_shapes_go_in_and_come_out(name: str, shape: tuple[int, int], n_labels: int) -> None:
    encoder, decoder = NETWORKS[name](shape, 5, n_labels, **SMALL)
    y = torch.zeros(2, n_labels)
    assert encoder(torch.rand(2, *shape), y).shape == (2, 10)
    assert decoder(torch.randn(2, 5), y).shape == (2, *shape)


def test_dense_networks_take_any_shape() -> None:
    for shape in ((7,), (2, 3, 4)):
        encoder, decoder = dense(shape, 2, 0, hidden=(8,), dropout=0.0)
        assert decoder(encoder(torch.rand(3, *shape), torch.zeros(3, 0))[:, :2], torch.zeros(3, 0)).shape == (3, *shape)


def test_without_hidden_layers_a_dense_network_is_linear() -> None:
    _, decoder = dense((4,), 2, 0, hidden=(), dropout=0.0)
    z, y = torch.randn(2, 2, generator=torch.Generator().manual_seed(1)), torch.zeros(2, 0)
    both = decoder(z[:1] + z[1:], y[:1]) + decoder(torch.zeros(1, 2), y[:1])
    assert torch.allclose(both, decoder(z[:1], y[:1]) + decoder(z[1:], y[1:]), atol=1e-6)


def test_convolutions_refuse_what_is_no_image() -> None:
    with pytest.raises(ValueError, match="takes images"):
        convolutional((100,), 2, 0, **SMALL)


@pytest.mark.parametrize("name", ["convolutional", "dense"])
def test_the_label_reaches_both_networks(name: str) -> None:
    torch.manual_seed(1)
    encoder, decoder = NETWORKS[name]((8, 8), 3, 2, **SMALL)
    labels = torch.eye(2)
    for network, inputs in ((encoder, torch.rand(1, 8, 8)), (decoder, torch.randn(1, 3))):
        first, second = (network(inputs, labels[i : i + 1]) for i in (0, 1))
        assert not torch.allclose(first, second)


def test_every_parameter_and_every_pixel_takes_part() -> None:
    torch.manual_seed(1)
    for name in ("convolutional", "dense"):
        encoder, decoder = NETWORKS[name]((9, 11), 3, 2, **SMALL)
        for parameter in itertools.chain(encoder.parameters(), decoder.parameters()):
            parameter.data += 0.1 * torch.randn_like(parameter)  # some begin at zero and hold back their neighbours
        x, z = torch.rand(2, 9, 11, requires_grad=True), torch.randn(2, 3, requires_grad=True)
        y = torch.eye(2)
        (encoder(x, y).square().sum() + decoder(z, y).square().sum()).backward()
        assert (x.grad != 0).all(), name
        assert (z.grad != 0).all(), name
        assert all(p.grad.abs().sum() > 0 for p in itertools.chain(encoder.parameters(), decoder.parameters())), name


def test_dropout_acts_in_training_only() -> None:
    torch.manual_seed(1)
    encoder, _ = dense((6,), 2, 0, hidden=(32,), dropout=0.5)
    x, y = torch.rand(1, 6), torch.zeros(1, 0)
    assert not torch.equal(encoder(x, y), encoder(x, y))
    encoder.eval()
    assert torch.equal(encoder(x, y), encoder(x, y))


def test_the_published_network_has_its_published_sizes() -> None:
    encoder, decoder = NETWORKS["bastien"]((4, 4), 3, 2, channels=(1,), hidden=(1,), dropout=0.0)
    sizes = [[m.out_features for m in net.modules() if isinstance(m, torch.nn.Linear)] for net in (encoder, decoder)]
    assert sizes == [[*BASTIEN_HIDDEN, 6], [*reversed(BASTIEN_HIDDEN), 16]]
    for network in (encoder, decoder):
        kinds = [type(m) for m in network.layers]
        assert kinds[1] is torch.nn.Softplus
        assert kinds.count(torch.nn.LeakyReLU) == 4
        assert {m.p for m in network.layers if isinstance(m, torch.nn.Dropout)} == {0.2}


@pytest.mark.parametrize("planes", [1, 2])
@pytest.mark.parametrize("size", [7, 64, 100])
@pytest.mark.parametrize("name", ["convolutional_1d", "dense"])
def test_networks_of_one_dimension_take_data_with_and_without_a_mask(name: str, size: int, planes: int) -> None:
    encoder, decoder = NETWORKS[name]((size,), 3, 2, **SMALL, planes=planes)
    x = torch.rand(2, size) if planes == 1 else torch.rand(2, 2, size)
    assert encoder(x, torch.zeros(2, 2)).shape == (2, 6)
    assert decoder(torch.randn(2, 3), torch.zeros(2, 2)).shape == (2, size)


def test_every_parameter_and_every_bin_of_one_dimension_takes_part() -> None:
    torch.manual_seed(1)
    encoder, decoder = convolutional_1d((37,), 3, 2, **SMALL, planes=2)
    x, z = torch.rand(2, 2, 37, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    encoder(x, torch.eye(2)).square().sum().backward()
    out = decoder(z, torch.eye(2))
    out.square().sum().backward()
    assert (x.grad != 0).all()
    assert (z.grad != 0).all()
    assert all((p.grad != 0).any() for p in itertools.chain(encoder.parameters(), decoder.parameters()))
    assert torch.autograd.functional.jacobian(lambda v: decoder(v, torch.eye(2)), z).abs().sum(dim=(0, 2, 3)).all()


def test_images_are_not_for_the_network_of_one_dimension() -> None:
    with pytest.raises(ValueError, match="one dimension"):
        convolutional_1d((8, 8), 2, 0, **SMALL)


@pytest.mark.parametrize(("name", "shape"), [("convolutional", (8, 8)), ("convolutional_1d", (20,)), ("dense", (20,))])
def test_a_network_begins_at_zero_when_its_last_layer_does(name: str, shape: tuple[int, ...]) -> None:
    for network, inputs in zip(
        NETWORKS[name](shape, 3, 0, **SMALL), (torch.rand(2, *shape), torch.randn(2, 3)), strict=True
    ):
        assert network(inputs, torch.zeros(2, 0)).any()
        zero_last_layer(network)
        assert not network(inputs, torch.zeros(2, 0)).any()

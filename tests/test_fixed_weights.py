"""Fixed weights: the output tells how a network is built, and nothing else."""

import pytest
import torch
from torch import nn

from cs231n.lab.fixed_weights import fixed_output


def network(*between):
    return nn.Sequential(nn.Linear(3, 5), *between, nn.Linear(5, 2), nn.BatchNorm1d(2))


def test_the_weights_it_had_do_not_matter():
    torch.testing.assert_close(
        fixed_output(network(nn.ReLU()), 7, 3), fixed_output(network(nn.ReLU()), 7, 3)
    )
    assert fixed_output(network(nn.ReLU()), 7, 3).shape == (7, 2)


@pytest.mark.parametrize(
    "other",
    [
        network(),
        network(nn.LeakyReLU(0.01)),
        network(nn.ReLU(), nn.Tanh()),
        network(nn.BatchNorm1d(5), nn.ReLU()),
        network(nn.ReLU(), nn.Linear(5, 5)),
    ],
)
def test_another_layer_shows(other):
    right = fixed_output(network(nn.ReLU()), 7, 3)
    assert float((fixed_output(other, 7, 3) - right).abs().max()) > 0.003


class Backwards(nn.Module):
    """The same network, whose layers were made in another order."""

    def __init__(self):
        super().__init__()
        *_, self.last = network()
        self.second, self.first = nn.Linear(5, 2), nn.Linear(3, 5)

    def forward(self, x):
        return self.last(self.second(self.first(x).clamp(min=0)))


def test_layers_are_told_by_the_order_in_which_they_run():
    torch.testing.assert_close(
        fixed_output(Backwards(), 7, 3), fixed_output(network(nn.ReLU()), 7, 3)
    )

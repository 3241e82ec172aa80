"""A small smooth network, the pretrained one, and photos for both, for tests."""

import functools
from itertools import count

import torch
from PIL import Image
from torch import nn

from cs231n.classifiers.squeezenet import load_squeezenet
from cs231n.embedded import photos
from cs231n.net_visualization_pytorch import preprocess
from tests.on_copies import ENDLESS, PASSES


class Tiny(nn.Module):
    """A smooth network of a few weights, in float64, for finite differences."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2), nn.Tanh(), nn.Conv2d(4, 6, 2), nn.Tanh()
        )
        self.classifier = nn.Conv2d(6, 5, 1)

    def forward(self, x):
        return self.classifier(self.features(x)).mean(dim=(2, 3))


def tiny_network():
    """Build the small network, always with the same weights."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return Tiny().double().requires_grad_(False)


def pretrained_network():
    """Load SqueezeNet with the weights that come with the requirements."""
    model = load_squeezenet("embedded", "cpu", verbose=False)
    return model.to(memory_format=torch.channels_last)


def square_photos():
    """Return the embedded photos as the network reads them, and their classes."""
    X, y = photos.load_squares()
    pixels = torch.cat([preprocess(Image.fromarray(x)) for x in X])
    return pixels, torch.as_tensor(y)


def with_an_end(function):
    """Return a function that fails where its loop would go on for ever.

    Args:
        function: A student's, of a picture, a class and a network.
    """

    @functools.wraps(function)
    def call(X, target_y, model):
        passes = count(1)

        def stop(*_):
            assert next(passes) <= PASSES, ENDLESS

        # Whoever leaves out forward() still uses the layers.
        first = next(layer for layer in model.modules() if not [*layer.children()])
        hook = first.register_forward_pre_hook(stop)
        try:
            return function(X, target_y, model)
        finally:
            hook.remove()

    return call

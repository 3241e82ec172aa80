"""A small smooth network, the pretrained one, and photos for both, for tests."""

import torch
from PIL import Image
from torch import nn

from cs231n.classifiers.squeezenet import load_squeezenet
from cs231n.embedded import photos
from cs231n.net_visualization_pytorch import preprocess


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

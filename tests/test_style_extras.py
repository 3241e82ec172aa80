"""Extra exercises of Q4: what other ways of painting promise."""

from itertools import count

import numpy as np
import pytest
import torch
from PIL import Image

from cs231n.extras.style_extras import (
    blend_targets,
    keep_colors,
    match_colors,
    paint_with_lbfgs,
)
from cs231n.lab.painting import LIMIT
from tests import apple_gpu

pytestmark = pytest.mark.extra


def pictures(rng, *sizes):
    return [torch.from_numpy(rng.normal(size=(1, 3, *size))).float() for size in sizes]


def test_blends_begin_and_end_at_the_two_styles(rng):
    first = [torch.from_numpy(rng.normal(size=(1, c, c))) for c in (2, 4)]
    second = [torch.from_numpy(rng.normal(size=(1, c, c))) for c in (2, 4)]
    for share, wanted in ((0, first), (1, second)):
        blended = blend_targets(first, second, share)
        assert len(blended) == 2
        for mine, other in zip(blended, wanted, strict=True):
            torch.testing.assert_close(mine, other)
    quarter = blend_targets(first, second, 0.25)[1]
    torch.testing.assert_close((quarter - first[1]) * 4, second[1] - first[1])


@pytest.mark.parametrize("sizes", [((5, 7), (9, 4)), ((30, 20), (8, 8))])
def test_matched_colors_have_the_photos_mean_and_covariance(sizes, rng):
    style, content = pictures(rng, *sizes)
    content[:, 1] = 0.5 * content[:, 0] + 0.2 * content[:, 1] + 3
    before = style.clone()
    result = match_colors(style, content)
    assert torch.equal(style, before)
    assert result.shape == style.shape
    assert result.dtype == style.dtype
    torch.testing.assert_close(
        result.mean((2, 3)), content.mean((2, 3)), rtol=0, atol=1e-4
    )
    covariances = [
        np.cov(img[0].flatten(1).numpy(), bias=True) for img in (result, content)
    ]
    np.testing.assert_allclose(*covariances, rtol=0, atol=1e-3)


def test_matching_colors_moves_no_edge(rng):
    style, content = pictures(rng, (6, 5), (7, 7))
    style[..., 3] = style[..., 2]
    result = match_colors(style, content)
    torch.testing.assert_close(result[..., 3], result[..., 2])
    same = match_colors(style, style)
    torch.testing.assert_close(same, style, rtol=0, atol=1e-4)


@pytest.mark.parametrize("white", [0, 1])
def test_colors_are_turned_as_little_as_possible(white, rng):
    pair = pictures(rng, (8, 9), (8, 9))
    pair[1 - white][:, 0] += 2 * pair[1 - white][:, 2]
    # Of unit covariance, so that one root is all there is to the map.
    colors = pair[white][0].flatten(1)
    colors = colors - colors.mean(1, keepdim=True)
    orthonormal = torch.linalg.qr(colors.T)[0].T
    pair[white] = (orthonormal * colors.shape[1] ** 0.5).view_as(pair[white])
    style, content = pair
    before, after = (
        (img[0] - img[0].mean((1, 2), keepdim=True)).flatten(1)
        for img in (style, match_colors(style, content))
    )
    turned = torch.linalg.lstsq(before.T, after.T).solution
    torch.testing.assert_close(turned, turned.T, rtol=0, atol=1e-4)
    assert torch.linalg.eigvalsh(turned).min() > 0


def test_colors_are_matched_on_a_device_without_float64(rng):
    style, content = pictures(rng, (6, 5), (7, 7))
    with apple_gpu.imitated():
        result = match_colors(style.to("mps"), content.to("mps"))
        assert str(result.device) == "mps"
    torch.testing.assert_close(result.cpu(), match_colors(style, content))


def test_gray_pictures_have_colors_that_can_be_matched(rng):
    style, content = pictures(rng, (6, 5), (7, 7))
    gray = content.mean(1, keepdim=True).expand(1, 3, 7, 7)
    assert torch.isfinite(match_colors(style, gray)).all()
    assert torch.isfinite(match_colors(gray, style)).all()


def test_kept_colors_are_the_photos_in_the_paintings_light(rng):
    painted, photo = (
        Image.fromarray(rng.integers(60, 190, size=(*size, 3), dtype=np.uint8))
        for size in ((8, 6), (8, 6))
    )
    result = keep_colors(painted, photo)
    assert (result.size, result.mode) == ((6, 8), "RGB")
    light, *colors = np.moveaxis(np.asarray(result.convert("YCbCr")).astype(int), 2, 0)
    wanted, *_ = np.moveaxis(np.asarray(painted.convert("YCbCr")).astype(int), 2, 0)
    _, *tints = np.moveaxis(np.asarray(photo.convert("YCbCr")).astype(int), 2, 0)
    assert np.median(np.abs(light - wanted)) <= 1
    assert np.median(np.abs(np.array(colors) - tints)) <= 1
    gray = keep_colors(painted, Image.new("L", (30, 40), 99))
    assert gray.size == painted.size
    assert np.ptp(np.asarray(gray).astype(int), axis=2).max() <= 1


def quadratic(target):
    scale = torch.linspace(1, 30, target.numel()).view_as(target)
    passes = count(1)

    def objective(img):
        assert next(passes) <= 5000, "It looks as if the loop had no end."
        return {"bowl": (scale * (img - target)).square().sum()}

    return objective


def test_lbfgs_finds_the_bottom_of_a_bowl(rng):
    (start,) = pictures(rng, (4, 5))
    target = torch.from_numpy(rng.uniform(-1, 1, size=(1, 3, 4, 5))).float()
    before = start.clone()
    painting = paint_with_lbfgs(start, quadratic(target), 150)
    assert torch.equal(start, before)
    torch.testing.assert_close(painting.image, target, rtol=0, atol=1e-3)
    losses = painting.losses["bowl"]
    assert len(losses) == len(painting.seconds)
    assert losses[-1] < 1e-4 * losses[0]
    assert not painting.image.requires_grad


def test_lbfgs_ends_when_it_should(rng):
    (start,) = pictures(rng, (4, 5))
    objective = quadratic(torch.zeros_like(start))
    assert len(paint_with_lbfgs(start, objective, 20).seconds) <= 20 + 30
    assert len(paint_with_lbfgs(start, objective, 10**6, 0.0).seconds) <= 40
    # Already there: nothing to improve, and an end all the same.
    assert len(paint_with_lbfgs(0 * start, objective, 12).seconds) >= 12


def test_lbfgs_keeps_pixels_within_limits(rng):
    (start,) = pictures(rng, (4, 5))
    far = torch.full_like(start, 9.0)
    image = paint_with_lbfgs(start, quadratic(far), 60).image
    assert float(image.abs().max()) <= LIMIT

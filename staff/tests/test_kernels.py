"""The compiled kernels: same numbers as NumPy, clear errors, and life without them."""

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cs231n import layers, optim
from cs231n.fast_layers import (
    col2im_6d_cython,
    col2im_cython,
    conv_backward_fast,
    conv_forward_fast,
    im2col_cython,
    max_pool_backward_fast,
    max_pool_forward_fast,
)
from cs231n.im2col import col2im_indices, im2col_indices
from cs231n.support.kernels import compiled
from tests.strategies import LAYOUTS, convolutions, laid_out

ROOT = Path(__file__).resolve().parents[2]
K = compiled.kernels()
needs_kernels = pytest.mark.skipif(K is None, reason="the kernels are not built")
DTYPES = [np.float32, np.float64]


def using(way):
    return compiled.only_numpy() if way == "numpy" else contextlib.nullcontext()


@pytest.fixture(params=["compiled", "numpy"])
def way(request):
    if request.param == "compiled" and K is None:
        pytest.skip("the kernels are not built")
    with using(request.param):
        yield


@pytest.mark.parametrize("way", ["compiled", "numpy"])
@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_columns_and_back_are_those_of_fancy_indexing(way, dtype, data):
    with using(way):
        columns_and_back(dtype, data)


def columns_and_back(dtype, data):
    inputs, param = data.draw(convolutions(dtype))
    x, (_, _, *field) = inputs["x"], inputs["w"].shape
    (N, C, H, W), pad, stride = x.shape, param["pad"], param["stride"]
    cols = im2col_cython(x, *field, pad, stride)
    assert cols.dtype == dtype
    np.testing.assert_array_equal(cols, im2col_indices(x, *field, pad, stride))

    given = laid_out(
        np.cos(np.arange(cols.size, dtype=dtype)).reshape(cols.shape),
        data.draw(st.sampled_from(LAYOUTS)),
    )
    back = col2im_cython(given, N, C, H, W, *field, pad, stride)
    limit = {"rtol": 1e-5, "atol": 1e-5} if dtype == np.float32 else {"rtol": 1e-12}
    expected = col2im_indices(given, x.shape, *field, pad, stride)
    np.testing.assert_allclose(back, expected, **limit)
    assert back.dtype == dtype

    out_h = (H + 2 * pad - field[0]) // stride + 1
    apart = given.reshape(C, *field, out_h, -1, N).transpose(0, 1, 2, 5, 3, 4)
    again = col2im_6d_cython(apart, N, C, H, W, *field, pad, stride)
    np.testing.assert_allclose(again, back, **limit)


@pytest.mark.usefixtures("way")
def test_columns_have_the_stored_values():
    x = np.arange(36.0).reshape(2, 2, 3, 3)
    cols = im2col_cython(x, 2, 2, 0, 1)
    assert cols.shape == (8, 8)
    assert cols[0].tolist() == [0, 18, 1, 19, 3, 21, 4, 22]
    assert cols[5].tolist() == [10, 28, 11, 29, 13, 31, 14, 32]


@pytest.mark.usefixtures("way")
def test_a_field_taller_than_wide_stays_inside_memory():
    x = np.ones((3, 2, 4, 4))
    assert im2col_cython(x, 2, 1, 0, 1).shape == (4, 36)
    assert im2col_cython(x, 4, 1, 3, 1).shape == (8, 210)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("kind", [np.int64, np.float16, np.complex128, ">f8"])
def test_other_numbers_are_a_type_error(kind):
    with pytest.raises((TypeError, ValueError) if kind == ">f8" else TypeError):
        im2col_cython(np.ones((1, 1, 3, 3)).astype(kind), 2, 2, 0, 1)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    "call",
    [
        lambda: im2col_cython(np.ones((1, 1, 3, 3)), 4, 1, 0, 1),
        lambda: im2col_cython(np.ones((1, 1, 3, 3)), 2, 2, 0, 0),
        lambda: im2col_cython(np.ones((1, 1, 3, 3)), 2, 2, -1, 1),
        lambda: im2col_cython(np.ones((1, 1, 0, 3)), 1, 1, 1, 1),
        lambda: im2col_cython(np.ones((1, 1, 3)), 2, 2, 0, 1),
        lambda: col2im_cython(np.ones((4, 5)), 1, 1, 3, 3, 2, 2, 0, 1),
        lambda: col2im_cython(np.ones((4, 4)), -1, -1, 3, 3, 2, 2, 0, 1),
        lambda: col2im_6d_cython(np.ones((1, 2, 2, 1, 2, 3)), 1, 1, 3, 3, 2, 2, 0, 1),
    ],
    ids=[
        "large-field",
        "stride",
        "pad",
        "no-rows",
        "axes",
        "columns",
        "negative",
        "six-axes",
    ],
)
def test_sizes_that_do_not_fit_are_errors_and_never_a_crash(call):
    with pytest.raises(ValueError, match=r"\w{4}"):
        call()


@needs_kernels
def test_inner_kernels_check_their_sizes_too():
    x, w, b = np.ones((2, 3, 5, 5)), np.ones((4, 3, 3, 3)), np.ones(4)
    out, columns = np.ones((2, 4, 3, 3)), np.ones((2, 3, 3, 3, 3, 3))
    wrong = [
        lambda: K.convolve(x, w, b, out[:, :3].copy(), 1, 0),
        lambda: K.convolve(x, w, b[:3], out, 1, 0),
        lambda: K.convolve(x, w, b, out, 0, 0),
        lambda: K.convolve_weights(out, x, w[:, :2].copy(), 1, 0),
        lambda: K.convolve_images(out, w, x[:, :, :4].copy(), 1, 0),
        lambda: K.gather(x, columns[:, :, :, :, :2], 0, 1),
        lambda: K.scatter(columns, x[:1], 0, 1),
        lambda: K.pool(x, out, 2, 2, 2),
        lambda: K.pool_backward(out, x, out, x, 2, 2, 2, True),
        lambda: K.adam(b, b, b, b[:3], 0.9, 0.9, 1.0, 1e-8),
        lambda: K.use_width(7),
    ]
    for call in wrong:
        with pytest.raises(ValueError, match=r"\w{4}"):
            call()
    scores, y = np.ones((2, 3), np.float32), np.array([0, 3])
    with pytest.raises(IndexError, match="Class 3"):
        K.softmax_loss(scores, y, np.ones(2, np.float32), scores)


@needs_kernels
@given(data=st.data())
def test_every_width_of_registers_gives_the_same_convolution(data):
    inputs, param = data.draw(convolutions(data.draw(st.sampled_from(DTYPES))))
    x, w, b = (np.array(v, order="C") for v in inputs.values())
    stride, pad = param["stride"], param["pad"]
    with compiled.only_numpy():
        out, cache = conv_forward_fast(x, w, b, param)
        dout = np.cos(np.arange(out.size, dtype=x.dtype)).reshape(out.shape)
        expected = [out, *conv_backward_fast(dout, cache)[:2]]
    limit = 1e-4 if x.dtype == np.float32 else 1e-11
    try:
        for width in range(K.WIDEST + 1):
            K.use_width(width)
            out, dx = np.full_like(out, np.nan), np.full_like(x, np.nan)
            dw = np.zeros_like(w)
            K.convolve(x, w, b, out, stride, pad)
            K.convolve_weights(dout, x, dw, stride, pad)
            K.convolve_images(dout, w, dx, stride, pad)
            for got, right in zip((out, dx, dw), expected, strict=True):
                np.testing.assert_allclose(got, right, rtol=limit, atol=limit)
    finally:
        K.use_width(K.WIDEST)


@needs_kernels
@pytest.mark.parametrize("V", [1, 3, 8, 9, 37, 1004])
def test_the_softmax_kernel_gives_numpys_numbers(V, rng):
    x = (10 * rng.normal(size=(40, V))).astype(np.float32)
    x[1] -= 1e4
    x[2, 0] = 200  # the others' share is nothing
    x[3, :1] = -np.inf if V > 1 else 0
    y = rng.integers(V, size=40)
    y[3] = V - 1
    weights = rng.random(40).astype(np.float32)
    out = np.empty_like(x)
    with compiled.only_numpy():
        expected = np.empty_like(x)
        right = layers.weighted_softmax_loss(x, y, weights, expected)
    try:
        for width in range(K.WIDEST + 1):
            K.use_width(width)
            loss = K.softmax_loss(x, y, weights, out)
            assert loss == pytest.approx(right, rel=1e-5, abs=1e-5)
            # A share of nearly 1 less 1 is as exact as numbers near 1 are.
            within = 2 * np.finfo(np.float32).eps
            np.testing.assert_allclose(out, expected, rtol=2e-5, atol=within)
    finally:
        K.use_width(K.WIDEST)
    in_place = x.copy()
    layers.weighted_softmax_loss(in_place, y, weights, in_place)
    np.testing.assert_array_equal(in_place, out)


@needs_kernels
def test_the_softmax_kernel_lets_nan_through_and_refuses_what_numpy_refuses():
    x = np.zeros((2, 9), np.float32)
    x[0, 4] = np.nan
    loss, dx = layers.softmax_loss(x, np.array([1, 2]))
    assert np.isnan(loss)
    assert np.isnan(dx[0]).all()
    assert np.isfinite(dx[1]).all()
    with pytest.raises(IndexError):
        layers.softmax_loss(x, np.array([1, 9]))


@needs_kernels
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("threads", [1, 2])
def test_the_adam_kernel_gives_numpys_numbers(dtype, threads, rng):
    size = 700_001
    w, dw, m = (rng.normal(size=size).astype(dtype) for _ in range(3))
    v = rng.random(size).astype(dtype)
    config = {"m": m.copy(), "v": v.copy(), "t": 5, "learning_rate": 1e-2}
    with compiled.using_threads(threads):
        mine, state = optim.adam(w.copy(), dw, config)
    other = {"m": m.copy(), "v": v.copy(), "t": 5, "learning_rate": 1e-2}
    with compiled.only_numpy():
        theirs, wanted = optim.adam(w.copy(), dw, other)
    limit = (
        {"rtol": 1e-6, "atol": 1e-7}
        if dtype == np.float32
        else {"rtol": 1e-12, "atol": 1e-15}
    )
    np.testing.assert_allclose(mine, theirs, **limit)
    for name in ("m", "v"):
        np.testing.assert_allclose(state[name], wanted[name], **limit)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("mean", ["float64", "sliced", "scalar"])
def test_adam_takes_arrays_that_do_not_suit_the_kernel(mean, rng):
    w, dw = rng.normal(size=(4, 6)).astype(np.float32), np.ones((4, 6), np.float32)
    config = {}
    if mean == "float64":
        config["m"] = np.zeros((4, 6))
    elif mean == "sliced":
        w, dw = w[:, ::2], dw[:, ::2]
    else:
        w, dw = np.full((), 2, np.float32), np.ones((), np.float32)
    before = np.array(w)
    after, _ = optim.adam(w, dw, config)
    np.testing.assert_allclose(after, before - 1e-3, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("place", range(4))
def test_nan_wins_a_pool(place, dtype):
    x = np.zeros((1, 1, 6, 78), dtype)  # wider than a register
    x[0, 0, place // 2 :: 2, place % 2 :: 6] = np.nan
    x[0, 0, (3 - place) // 2 :: 2, (3 - place) % 2 :: 6] = np.inf
    x[0, 0, :, 2::6] = -np.inf
    for stride in (1, 2, 3):
        size = {"pool_height": 2, "pool_width": 2, "stride": stride}
        out, cache = max_pool_forward_fast(x, size)
        parts = [
            x[..., i : i + stride * out.shape[2] : stride, j:][
                ..., : stride * out.shape[3] : stride
            ]
            for i, j in np.ndindex(2, 2)
        ]
        np.testing.assert_array_equal(out, np.max(parts, axis=0))
        assert np.isnan(out).any()
        assert np.isfinite(out).any()
        dx = max_pool_backward_fast(np.ones_like(out), cache)
        assert dx.shape == x.shape


def test_parts_make_up_the_whole_and_errors_come_through():
    seen, lock = [], threading.Lock()

    def note(part):
        with lock:
            seen.extend(range(part.start, part.stop))

    with compiled.using_threads(3):
        compiled.in_parts(note, 10, 1)
        assert sorted(seen) == list(range(10))

        def fail(part):
            if part.start:
                raise MemoryError("of a part")

        with pytest.raises(MemoryError, match="of a part"):
            compiled.in_parts(fail, 10, 1)


@needs_kernels
def test_two_threads_give_the_same_convolution(rng):
    x, w, b = (
        rng.normal(size=s).astype(np.float32)
        for s in ((9, 32, 20, 20), (30, 32, 3, 3), (30,))
    )
    param = {"stride": 1, "pad": 1}
    out, cache = conv_forward_fast(x, w, b, param)
    dx, dw, _ = conv_backward_fast(out, cache)
    with compiled.using_threads(2):
        again, cache = conv_forward_fast(x, w, b, param)
        dx2, dw2, _ = conv_backward_fast(out, cache)
    np.testing.assert_array_equal(again, out)
    np.testing.assert_array_equal(dx2, dx)
    assert np.abs(dw2 - dw).max() < 1e-5 * np.abs(dw).max()  # another order of sums


def run(code, tmp_path=None, **variables):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path or ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path or ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


IMPORT = "from cs231n.support.kernels import compiled"
CONVOLVE = f"""
import warnings
import numpy as np
{IMPORT}
from cs231n.fast_layers import conv_forward_fast, im2col_cython
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(3):
        out, _ = conv_forward_fast(
            np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)), np.zeros(1),
            {{"stride": 1, "pad": 0}},
        )
    im2col_cython(np.ones((1, 1, 3, 3)), 2, 2, 0, 1)
print(compiled.kernels() is None, out.ravel().tolist(), len(caught))
for each in caught:
    print(each.filename, each.message)
"""


def test_without_kernels_all_works_and_one_warning_says_so(tmp_path):
    shutil.copytree(
        ROOT / "cs231n",
        tmp_path / "cs231n",
        ignore=shutil.ignore_patterns("*.so", "*.pyd", "*.c", "datasets"),
    )
    done = run(CONVOLVE, tmp_path, CS231N_NO_EXTENSION="")
    first, *said = done.stdout.splitlines()
    assert first == "True [4.0, 4.0, 4.0, 4.0] 1", done.stderr
    assert "build_ext --inplace" in said[0]
    quiet = run(CONVOLVE, tmp_path, CS231N_NO_EXTENSION="1")
    assert quiet.stdout == "True [4.0, 4.0, 4.0, 4.0] 0\n"


def test_a_variable_leaves_the_kernels_aside():
    done = run(CONVOLVE, CS231N_NO_EXTENSION="1")
    assert done.stdout == "True [4.0, 4.0, 4.0, 4.0] 0\n", done.stderr


def test_kernels_of_another_version_are_not_taken(tmp_path):
    shutil.copytree(
        ROOT / "cs231n",
        tmp_path / "cs231n",
        ignore=shutil.ignore_patterns("*.so", "*.pyd", "*.c", "datasets"),
    )
    (tmp_path / "cs231n" / "im2col_cython.py").write_text("VERSION = 0\n")
    done = run(f"{IMPORT}; print(compiled.kernels())", tmp_path)
    assert done.stdout == "None\n", done.stderr


def build(tree, folder=".", **variables):
    """Copy the package to a folder and build its kernels there."""
    shutil.copy(ROOT / "setup.py", tree)
    shutil.copy(ROOT / "pyproject.toml", tree)
    shutil.copytree(
        ROOT / "cs231n",
        tree / "cs231n",
        ignore=shutil.ignore_patterns(
            "*.so", "*.pyd", "*.c", "datasets", "__pycache__"
        ),
    )
    subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=tree / folder,
        env=os.environ | variables,
        check=True,
        capture_output=True,
    )


@pytest.mark.skipif(os.name == "nt", reason="names of files differ")
@pytest.mark.slow
@pytest.mark.parametrize("folder", [".", "cs231n", "without a compiler"])
def test_the_classic_command_builds_in_place(folder, tmp_path, monkeypatch):
    if compiler := folder != "without a compiler":
        monkeypatch.delenv("CC", raising=False)
    else:
        monkeypatch.setenv("CC", "/bin/false")
        folder = "."
    build(tmp_path, folder)
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    assert (tmp_path / "cs231n" / f"im2col_cython{suffix}").exists() == compiler
    code = f"{IMPORT}; print(compiled.kernels() is not None)"
    assert run(code, tmp_path).stdout == f"{compiler}\n"


def test_an_old_setuptools_is_told_in_a_sentence(tmp_path):
    old = tmp_path / "setuptools"
    (old / "command").mkdir(parents=True)
    (old / "__init__.py").write_text(
        '__version__ = "65.5.0"\nclass Extension: pass\n'
        "def setup(**_): raise AssertionError('pages of validation')\n"
    )
    (old / "command" / "__init__.py").touch()
    (old / "command" / "build_ext.py").write_text("class build_ext: pass\n")
    done = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "setuptools 65.5.0 cannot read pyproject.toml, and 77 or newer is needed; "
        "run: python -m pip install 'setuptools>=77'"
    ]


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("gcc"), reason="needs gcc's sanitizers"
)
def test_no_kernel_reads_or_writes_beside_its_arrays(tmp_path):
    """Run the kernels' tests with checks of every address and of undefined behaviour.

    Any slip ends the program.
    """
    checks = "-fsanitize=address,undefined -fno-sanitize-recover=undefined"
    build(tmp_path, CC="gcc", CFLAGS=f"{checks} -O1 -g", LDFLAGS=checks)
    shutil.copytree(ROOT / "tests", tmp_path / "tests")
    shutil.copy(ROOT / "conftest.py", tmp_path)
    shutil.copy(__file__, tmp_path / "tests")
    preloaded = [
        subprocess.check_output(["gcc", f"-print-file-name={name}"], text=True).strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    variables = {
        "LD_PRELOAD": ":".join(preloaded),
        # Python itself keeps memory to the end, which is no leak of ours.
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",
    }
    files = ["tests/test_fast_layers.py", "tests/test_kernels.py"]
    # What starts programs on other trees has nothing to do with memory.
    others = "not without_kernels and not leaves_the_kernels and not another_version"
    command = ["-m", "pytest", "-q", "-k", others]
    done = subprocess.run(
        [sys.executable, *command, "-p", "no:cacheprovider", *files],
        cwd=tmp_path,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert " passed" in done.stdout

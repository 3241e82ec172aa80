"""Run the compiled kernels under a sanitizer: ``python -m staff.sanitize``.

Builds them in a folder of its own with checks of every address and of undefined
behaviour, then feeds them random shapes, layouts and wrong sizes. Any slip ends the
program. Needs gcc with its sanitizers, on Linux.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
CHECKS = "-fsanitize=address,undefined -fno-sanitize-recover=undefined"
# Python itself keeps memory to the end, which is no leak of ours.
OPTIONS = {"ASAN_OPTIONS": "detect_leaks=0", "PYTHONMALLOC": "malloc"}


def build(folder: Path) -> None:
    """Copy the package to a folder and build its kernels there, with the checks."""
    shutil.copy(ROOT / "setup.py", folder)
    skip = shutil.ignore_patterns("*.so", "*.c", "datasets", "__pycache__")
    for package in ("cs231n", "staff"):
        shutil.copytree(ROOT / package, folder / package, ignore=skip)
    subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=folder,
        env={**os.environ, "CFLAGS": f"{CHECKS} -O1 -g", "LDFLAGS": CHECKS},
        check=True,
        stdout=subprocess.DEVNULL,
    )


def preloaded() -> str:
    """Return the libraries that have to be there before Python is."""
    found = []
    for name in ("libasan.so", "libubsan.so"):
        command = ["gcc", f"-print-file-name={name}"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found.append(done.stdout.strip())
    return ":".join(found)


def fuzz(rounds: int, seed: int) -> None:
    """Call every kernel with random sizes, and compare with NumPy.

    Args:
        rounds: How often.
        seed: Of the sizes and numbers.
    """
    from cs231n import fast_layers, layers, optim
    from cs231n.support.kernels import compiled

    k = compiled.kernels()
    if k is None:
        raise RuntimeError("The kernels were not built.")
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> NDArray[np.floating]:
        """Draw numbers that may lie anyhow in memory."""
        x: NDArray[np.floating] = rng.normal(size=shape).astype(dtype)
        how = rng.integers(4)
        if how == 1:
            return np.asfortranarray(x)
        if how == 2:
            return np.repeat(x, 2, axis=-1)[..., ::2]
        return np.ascontiguousarray(x[..., ::-1])[..., ::-1] if how == 3 else x

    for number in range(rounds):
        dtype = (np.float32, np.float64)[number % 2]
        k.use_width(int(rng.integers(k.WIDEST + 1)))
        N, C, F, H, W = (int(v) for v in rng.integers(1, (9, 8, 15, 20, 20)))
        pad, stride = int(rng.integers(4)), int(rng.integers(1, 5))
        HH = int(rng.integers(1, min(H + 2 * pad, 6) + 1))
        WW = int(rng.integers(1, min(W + 2 * pad, 6) + 1))
        x, w, b = draw(N, C, H, W), draw(F, C, HH, WW), draw(F)
        param = {"stride": stride, "pad": pad}
        with compiled.only_numpy():
            out, cache = fast_layers.conv_forward_fast(x, w, b, param)
            dx, dw, _ = fast_layers.conv_backward_fast(out, cache)
        x_, w_, b_ = (np.array(a, order="C") for a in (x, w, b))
        for ours, right in (
            (np.empty_like(out), out),
            (np.zeros_like(w_), dw),
            (np.empty_like(x_), dx),
        ):
            if right is out:
                k.convolve(x_, w_, b_, ours, stride, pad)
            elif right is dw:
                k.convolve_weights(out, x_, ours, stride, pad)
            else:
                k.convolve_images(out, w_, ours, stride, pad)
            np.testing.assert_allclose(ours, right, rtol=1e-3, atol=1e-3)

        cols = k.im2col_cython(x, HH, WW, pad, stride)
        k.col2im_cython(cols, N, C, H, W, HH, WW, pad, stride)
        shape = (N, C, HH, WW, *out.shape[2:])
        room = draw(*shape)
        k.gather(x, room, pad, stride)
        k.scatter(room, np.zeros_like(x), pad, stride)
        apart = room.transpose(1, 2, 3, 0, 4, 5)
        k.col2im_6d_cython(apart, N, C, H, W, HH, WW, pad, stride)
        for wrong in ((HH + 40, WW, pad, stride), (HH, WW, pad, 0), (0, WW, pad, 1)):
            try:
                k.im2col_cython(x, *wrong)
            except ValueError:
                continue
            raise AssertionError(f"{wrong} passed for a field, padding and stride")

        tall, wide = min(HH, H), min(WW, W)
        pool = {"pool_height": tall, "pool_width": wide, "stride": stride}
        most, cache = fast_layers.max_pool_forward_fast(x, pool)
        fast_layers.max_pool_backward_fast(draw(*most.shape), cache)
        with compiled.only_numpy():
            right, _ = fast_layers.max_pool_forward_fast(x, pool)
        np.testing.assert_array_equal(most, right)

        size = int(rng.integers(1, 200))
        optim.adam(np.array(draw(size)), np.array(draw(size)), {})
        scores = np.array(draw(N, size), order="C")
        layers.softmax_loss(scores, rng.integers(size, size=N))


def main(argv: list[str] | None = None) -> int:
    """Build and run, or only run."""
    parser = argparse.ArgumentParser(prog="python -m staff.sanitize")
    parser.description = __doc__
    parser.add_argument("--rounds", type=int, default=2000, help="random shapes")
    parser.add_argument("--seed", type=int, default=231)
    parser.add_argument(
        "--here", action="store_true", help="take the kernels as they are built here"
    )
    args = parser.parse_args(argv)
    if args.here:
        fuzz(args.rounds, args.seed)
        print(f"{args.rounds} random shapes: nothing to complain of.")
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder)
        command = [sys.executable, "-m", "staff.sanitize", "--here"]
        command += ["--rounds", str(args.rounds), "--seed", str(args.seed)]
        variables = {**os.environ, **OPTIONS, "LD_PRELOAD": preloaded()}
        return subprocess.run(
            command, cwd=folder, env=variables, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main())

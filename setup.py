"""Build the compiled kernels in place: ``python setup.py build_ext --inplace``.

They are optional. Without a compiler the NumPy versions serve and give the same
numbers.
"""

import os
import sys
from pathlib import Path

import setuptools
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

OLDEST = 77  # of setuptools
FOLDER = "cs231n"
NAME = "im2col_cython"
HEADERS = tuple(
    f"support/kernels/{name}.h"
    for name in ("tiles", "tile_types", "tile_kernels", "softmax_kernel")
)
# Neither errno nor traps are asked for, so roots and choices can be vectorized.
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math"]


class BuildKernels(build_ext):
    """Give each compiler the flags that it knows."""

    def build_extension(self, ext: Extension) -> None:
        """Build one extension."""
        if self.compiler.compiler_type in {"unix", "mingw32", "cygwin"}:
            # Whoever sets a level of optimization in CFLAGS means it.
            chosen = "-O" in os.environ.get("CFLAGS", "")
            ext.extra_compile_args = FLAGS[1:] if chosen else FLAGS
        super().build_extension(ext)


def extensions(root: Path, module: str) -> list[Extension]:
    """Return what there is to compile in a folder, which may be nothing.

    Args:
        root: Where the source is looked for.
        module: What it will be imported as.
    """
    source = root / f"{NAME}.pyx"
    if not source.exists():
        return []
    try:
        from Cython.Build import cythonize
    except ImportError:
        print("Cython is missing, so no kernels are built; NumPy serves without them.")
        return []
    # Typed memoryviews are all that is used, so no header of NumPy is needed.
    kernel = Extension(
        module,
        [source.as_posix()],
        depends=[(root / header).as_posix() for header in HEADERS],
    )
    built: list[Extension] = cythonize([kernel])
    for each in built:
        each.optional = True  # set here, as cythonize would drop it
    return built


if __name__ == "__main__":
    if int(setuptools.__version__.partition(".")[0]) < OLDEST:
        sys.exit(
            f"setuptools {setuptools.__version__} cannot read pyproject.toml, and "
            f"{OLDEST} or newer is needed; run: "
            f"python -m pip install 'setuptools>={OLDEST}'"
        )
    setup(
        ext_modules=extensions(Path(FOLDER), f"{FOLDER}.{NAME}"),
        cmdclass={"build_ext": BuildKernels},
    )

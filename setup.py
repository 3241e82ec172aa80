"""Build the compiled kernels in place: ``python setup.py build_ext --inplace``.

They are optional. Without a compiler the NumPy versions serve and give the same numbers.
"""

from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

FOLDER = "cs231n"
NAME = "im2col_cython"
HEADERS = ("tiles.h", "tile_kernels.h")
# Neither errno nor traps are asked for, so roots and choices can be vectorized.
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math"]


class BuildKernels(build_ext):
    """Give each compiler the flags that it knows."""

    def build_extension(self, ext: Extension) -> None:
        """Build one extension."""
        if self.compiler.compiler_type in {"unix", "mingw32", "cygwin"}:
            ext.extra_compile_args = FLAGS
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
    from Cython.Build import cythonize

    # Typed memoryviews are all that is used, so no header of NumPy is needed.
    kernel = Extension(
        module,
        [source.as_posix()],
        depends=[(root / header).as_posix() for header in HEADERS],
        optional=True,
    )
    built: list[Extension] = cythonize([kernel])
    return built


if __name__ == "__main__":
    setup(
        ext_modules=extensions(Path(FOLDER), f"{FOLDER}.{NAME}"),
        cmdclass={"build_ext": BuildKernels},
    )

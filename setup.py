"""Build the compiled kernels in place: ``python setup.py build_ext --inplace``.

They are optional. Without a compiler, or before there is anything to compile, the NumPy
versions serve and give the same numbers.
"""

from pathlib import Path

from setuptools import Extension, setup

SOURCE = Path("cs231n", "im2col_cython.pyx")


def extensions() -> list[Extension]:
    """Return what there is to compile, which may be nothing."""
    if not (Path(__file__).parent / SOURCE).exists():
        return []
    from Cython.Build import cythonize

    # Typed memoryviews are all that is used, so no header of NumPy is needed.
    kernel = Extension("cs231n.im2col_cython", [SOURCE.as_posix()], optional=True)
    built: list[Extension] = cythonize(
        [kernel], compiler_directives={"language_level": 3}
    )
    return built


setup(ext_modules=extensions())

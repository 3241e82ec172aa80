"""Build the compiled kernels from in here: ``python setup.py build_ext --inplace``."""

import os
import runpy
from pathlib import Path

if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parents[1])
    runpy.run_path("setup.py", run_name="__main__")

"""Fetches in a process of its own, which tests may kill."""

import os
import signal
import sys
from dataclasses import replace

from cs231n.datasets.fetching import download, fetch, registry

PRELOAD = [
    *("requests", "h5py", "numpy", "filelock", "tqdm", "zipfile", "tarfile"),
    *("cs231n.coco_utils", "cs231n.data_utils", "cs231n.datasets.fetching.fetch"),
    "tests.fetch_worker",
]
"""What a fork server should have imported, so that processes start at once."""

TOUCHING = {
    *("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.chmod"),
    *("os.truncate", "shutil.move", "shutil.rmtree", "tempfile.mkdtemp"),
}


def get(table, name, folder, die_at=None, counted=None, largest=None):
    """Get a data set; the exit code is 0 if it is there, 3 after a clear error.

    Args:
        table: Path of the table of data sets.
        name: Of the data set.
        folder: The data folder.
        die_at: The number of the file operation before which the process is killed.
        counted: A shared number that receives how many operations there were.
        largest: The most bytes that a file may have here, as on a full disk.
    """
    os.environ["CS231N_DATA_DIR"] = str(folder)
    os.environ["NO_PROXY"] = "*"
    os.environ.pop("CS231N_OFFLINE", None)
    download.PATIENCE = replace(download.PATIENCE, pause=0.01)
    dataset = registry.load(table).datasets[name]
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 (to the end)
    if largest is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    count = 0

    def count_or_die(event, args):
        nonlocal count
        mine = event in TOUCHING and str(folder) in str(args)
        if mine:
            count += 1
            if count == die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    if die_at is not None or counted is not None:
        sys.addaudithook(count_or_die)
    try:
        fetch.get(dataset)
    except fetch.FetchError:
        os._exit(3)
    if counted is not None:
        counted.value = count
    os._exit(0)

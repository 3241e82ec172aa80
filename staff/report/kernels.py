"""Kernels that execute notebooks, as many at once as there are clients."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from staff.report.processes import end


class InterruptedRunError(Exception):
    """Somebody pressed Ctrl-C, or asked the process to end."""


class OwnPython(KernelSpecManager):
    """Starts kernels with this very Python, whatever else is installed elsewhere."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return a specification that names this interpreter."""
        del kernel_name
        command = [
            sys.executable,
            "-m",
            "ipykernel_launcher",
            "-f",
            "{connection_file}",
        ]
        return KernelSpec(argv=command, display_name="Python 3", language="python")


def client_of(
    notebook: nbformat.NotebookNode, root: Path, timeout: float
) -> NotebookClient:
    """Return a client that executes a notebook's cells whether or not some raise.

    Args:
        notebook: Whose cells get their outputs.
        root: The kernel's working directory.
        timeout: Seconds that a single cell may take.
    """
    return NotebookClient(
        notebook,
        km=AsyncKernelManager(kernel_spec_manager=OwnPython()),
        timeout=timeout,
        allow_errors=True,
        coalesce_streams=True,
        extra_arguments=["--log-level=40"],  # the kernel's own remarks are not a cell's
        resources={"metadata": {"path": str(root)}},
    )


@asynccontextmanager
async def kernel(
    client: NotebookClient, environment: dict[str, str], stop: asyncio.Event
) -> AsyncIterator[int]:
    """Start a client's kernel and yield its process's id; end all of it afterwards.

    nbclient's own way takes Ctrl-C for itself, and there are several of them here.

    Args:
        client: What ``client_of`` returned.
        environment: The kernel's.
        stop: When this is set, it is not waited for.

    Raises:
        InterruptedRunError: If ``stop`` was set before the kernel was there.
    """
    manager: Any = client.km
    pid, well = 0, False
    try:
        await client.async_start_new_kernel(env=environment)
        pid = manager.provisioner.process.pid
        await until(stop, client.async_start_new_kernel_client())
        yield pid
        well = True
    finally:
        if client.kc is not None:
            client.kc.stop_channels()
        if manager.has_kernel:
            politely = well and await manager.is_alive()
            await manager.shutdown_kernel(now=not politely)
        if pid:
            end(pid)


async def until(stop: asyncio.Event, work: Any) -> None:
    """Await ``work``, or raise InterruptedRunError as soon as ``stop`` is set."""
    task, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # nbclient turns the cancellation into an error of its own
        raise InterruptedRunError
    stopped.cancel()
    task.result()

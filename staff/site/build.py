"""Make the documents site: ``build/site``, which opens from disk and loads nothing.

There are two flavours. The students' is made from the hand-out and must pass its test
for leaks; the staff's has derivations, the bank of mistakes, the executed notebooks and
what graders and TAs read besides.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cs231n.support.files import replace
from staff.handout import archive
from staff.questions import ROOT
from staff.site import checks, making, sources
from staff.site.sources import FLAVOURS, SiteError

_ALWAYS = "315619200"  # 1980, as in zips: the same tree gives the same pages


def build(flavour: str, out: Path) -> list[str]:
    """Make one flavour.

    Args:
        flavour: ``students`` or ``staff``.
        out: Where its pages go; must not exist.

    Returns:
        What is wrong with it.

    Raises:
        SiteError: If Sphinx or a page stops it.
    """
    with tempfile.TemporaryDirectory(prefix="cs231n-site-") as name:
        scratch = Path(name)
        written = sources.collect(flavour)
        archive.write(written, scratch / "sources")
        for file in ("conf.py", "static"):
            source = ROOT / "docs" / file
            target = scratch / "sources" / file
            (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        tree = ROOT
        if flavour == "students":
            tree = scratch / "tree"
            tree.mkdir()
            archive.write(making.handed_out(), tree)
        _sphinx(scratch, out, flavour, tree)
        found = checks.told(out, [ROOT, scratch])
    for leftover in (".buildinfo", ".doctrees"):
        path = out / leftover
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    found += checks.problems(out)
    if flavour == "students":
        pages = {name: text for name, text in written.items() if name.endswith(".md")}
        found += checks.leaks(out, pages, making.handed_out())
    return found


def _sphinx(scratch: Path, out: Path, flavour: str, tree: Path) -> None:
    # The package comes from the tree, the settings' own modules from here.
    path = os.pathsep.join([str(tree), str(ROOT)])
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "sphinx", "-b", "html", "-W", "--keep-going"),
            *("-q", "-d", str(scratch / "doctrees")),
            *(str(scratch / "sources"), str(out)),
        ],
        env=os.environ
        | {
            "PYTHONPATH": path,
            "CS231N_SITE": flavour,
            "CS231N_NO_EXTENSION": "1",
            "SOURCE_DATE_EPOCH": _ALWAYS,
        },
        cwd=scratch,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.replace(f"{scratch / 'sources'}{os.sep}", "").strip()
        raise SiteError(said[-6000:] or f"Sphinx ended with {done.returncode}.")


def main(argv: list[str] | None = None) -> int:
    """Run ``python -m staff docs``."""
    parser = argparse.ArgumentParser(prog="python -m staff docs", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site")
    parser.add_argument(
        "flavours", nargs="*", metavar="FLAVOUR", help="students or staff; both if none"
    )
    args = parser.parse_args(argv)
    if unknown := set(args.flavours) - set(FLAVOURS):
        parser.error(
            f"{', '.join(sorted(unknown))} is no flavour; say students or staff"
        )

    args.out.mkdir(parents=True, exist_ok=True)
    for flavour in args.flavours or FLAVOURS:
        began = time.monotonic()
        draft = Path(tempfile.mkdtemp(dir=args.out, prefix=f".{flavour}-"))
        try:
            found = build(flavour, draft / "site")
            if found:
                raise SiteError("\n".join(found))
            target = args.out / flavour
            if target.exists():
                replace(target, draft / "old")
            replace(draft / "site", target)
        except SiteError as error:
            print(error, file=sys.stderr)
            print(f"\nThe site for {flavour} stays as it was.", file=sys.stderr)
            return 1
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        pages = sum(1 for _ in target.rglob("*.html"))
        seconds = time.monotonic() - began
        print(f"{target / 'index.html'}: {pages} pages, {seconds:.0f} s.")
    return 0

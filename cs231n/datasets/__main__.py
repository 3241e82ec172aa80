"""Fetch and check data sets: ``python -m cs231n.datasets list``."""

from cs231n.support import commands  # first, so that no scratch file comes before it

# isort: split
import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from cs231n import datasets
from cs231n.datasets.fetching import fetch, inventory, registry
from cs231n.datasets.fetching.registry import Dataset, Registry


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; 0 is success, 1 failure, 2 a wrong command."""
    args = _parse(argv)
    try:
        table = registry.load(args.registry)
        chosen = table.choose(args.names or _default(args.verb, table))
    except (OSError, ValueError, KeyError) as error:
        print(error.args[0], file=sys.stderr)
        return 2
    try:
        return int(args.run(args, chosen))
    except ModuleNotFoundError as error:
        print(f"{error}; run: pip install -r requirements.txt", file=sys.stderr)
        return 1
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; the same command goes on from here.", file=sys.stderr)
        return 130


def _list(args: argparse.Namespace, chosen: Sequence[Dataset]) -> int:
    """Say what is here, what stands in for it, and what can be had."""
    del args
    for dataset in chosen:
        print(f"{dataset.name}: {dataset.title}")
        if (path := datasets.find(dataset.target)) is not None:
            print(f"  is here     {path}")
        else:
            down, there = (_megabytes(size) for size in dataset.bytes)
            print(f"  can be had  about {down} to download, {there} on disk")
        missing = dataset.package and importlib.util.find_spec(dataset.package) is None
        note = f" (which is not installed: {dataset.package})" if missing else ""
        print(f"  embedded    {dataset.embedded}{note}")
        print(f"  licence     {dataset.licence}")
        print(f"  used by     {', '.join(dataset.used_by)}")
    print(f"Data folder: {datasets.search_path()[0]}; verify checks what is here.")
    return 0


def _get(args: argparse.Namespace, chosen: Sequence[Dataset]) -> int:
    """Fetch what is missing or damaged; one failure does not stop the others."""
    failed = []
    for dataset in chosen:
        try:
            path = fetch.get(dataset, force=args.force)
        except OSError as error:
            print(error, file=sys.stderr)
            failed.append(dataset.name)
        else:
            print(f"{dataset.name}: whole, in {path}")
    if failed and len(chosen) > 1:
        print(f"Not fetched: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


def _verify(args: argparse.Namespace, chosen: Sequence[Dataset]) -> int:
    """Check structure and hashes of what is here, and of all that is named."""
    wrong = 0
    for dataset in chosen:
        state = inventory.verify(dataset)
        if state.path is None:
            print(f"{dataset.name}: not here")
            wrong += dataset.name in args.names
        elif state.problem:
            print(f"{dataset.name}: DAMAGED, {state.problem}")
            wrong += 1
        else:
            note = "; hashes recorded, verify compares with them" * state.recorded
            print(f"{dataset.name}: whole, in {state.path}{note}")
    if wrong:
        print("Fetch again what is wrong: get --force NAME.", file=sys.stderr)
    return 1 if wrong else 0


def _where(args: argparse.Namespace, chosen: Sequence[Dataset]) -> int:
    """Print the folders that are searched, and where each data set was found."""
    del args
    print(f"fetched and built data go to  {datasets.cache_dir()}")
    for folder in datasets.search_path():
        print(f"data are looked for in        {folder}")
    for dataset in chosen:
        print(f"{dataset.name:<28}  {datasets.find(dataset.target) or 'not here'}")
    return 0


def _clean(args: argparse.Namespace, chosen: Sequence[Dataset]) -> int:
    """Remove leftovers; with names also those data sets, if get fetched them."""
    failed = 0
    for dataset in chosen if args.names else ():
        try:
            path = inventory.remove(dataset)
        except OSError as error:
            print(error, file=sys.stderr)
            failed += 1
        else:
            print(f"{dataset.name}: {f'removed from {path}' if path else 'not here'}")
    freed = sum(inventory.remove_leftovers(dataset) for dataset in chosen)
    print(f"Unfinished downloads and damaged data: {_megabytes(freed)} freed.")
    return 1 if failed else 0


def _default(verb: str, table: Registry) -> Sequence[str]:
    if verb == "get":
        known = ", ".join([*table.datasets, *table.groups, "all"])
        raise KeyError(f"get needs the name of a data set or group: {known}.")
    return ["all"]


def _megabytes(size: int) -> str:
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.{1 if size < 1e7 else 0}f} MB"


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m cs231n.datasets",
        description="Fetch and check the course's data sets. Nothing needs them: where "
        "one is absent, loaders use what is embedded.",
        epilog="CS231N_DATA_DIR names the data folder; CS231N_OFFLINE=1 forbids the "
        "network.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, run, what in (
        ("list", _list, "what is here, what is embedded, what can be had"),
        ("get", _get, "fetch data sets that are not here whole"),
        ("verify", _verify, "check structure and hashes of what is here"),
        ("where", _where, "print the folders that are searched"),
        ("clean", _clean, "remove unfinished downloads and, if named, data sets"),
    ):
        verb = verbs.add_parser(name, help=what, description=run.__doc__)
        verb.set_defaults(run=run)
        verb.add_argument(
            "names", nargs="*", metavar="NAME", help="data set or group; see list"
        )
        verb.add_argument(
            "--registry",
            type=Path,
            default=registry.REGISTRY,
            metavar="FILE",
            help="another table of data sets, as with a mirror of your own",
        )
        if name == "get":
            verb.add_argument(
                "--force", action="store_true", help="fetch even what is here"
            )
    return parser.parse_args(argv)


if __name__ == "__main__":
    commands.run(main)

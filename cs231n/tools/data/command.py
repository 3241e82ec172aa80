"""Fetch, build and check data sets: ``python -m cs231n.datasets list``."""

from cs231n.support import commands  # first, so that no scratch file comes before it

# isort: split
import argparse
import importlib.util
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cs231n import datasets
from cs231n.datasets.captions import plan, record, unfinished, words
from cs231n.datasets.fetching import disk, fetch, inventory, registry
from cs231n.datasets.fetching.registry import Dataset, Registry


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; 0 is success, 1 failure, 2 a wrong command."""
    args = _parse(argv)
    try:
        table = registry.load(args.registry)
        # What was built is known by its folder, and not to be had anywhere.
        there = {} if args.verb in {"get", "build"} else record.built()
        args.built = {n: f for n, f in there.items() if n in (args.names or there)}
        names = [name for name in args.names if name not in args.built]
        if names or not args.names:
            chosen = table.choose(names or _default(args.verb, table))
        else:
            chosen = []
    except (OSError, ValueError, KeyError) as error:
        print(error.args[0], file=sys.stderr)
        return 2
    try:
        return int(args.run(args, chosen))
    except ModuleNotFoundError as error:
        print(f"{error}; run: pip install -r requirements.txt", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; the same command goes on from here.", file=sys.stderr)
        return 130


def _list(args: argparse.Namespace, chosen: Sequence[Dataset]) -> int:
    """Say what is here, what stands in for it, and what can be had."""
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
    for name, folder in args.built.items():
        known = record.read(folder)
        counts = known["counts"]
        print(f"{name}: captioned photos of your own")
        print(f"  is here     {folder}")
        print(f"  photos      {known['images']}")
        print(f"  holds       {_held(counts)}")
        print(f"  used by     CS231N_CAPTIONS={name}")
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
    for name, folder in args.built.items():
        if problem := record.problem(folder):
            print(f"{name}: DAMAGED, {problem}")
            print(f"Build {name} again: build captions --force.", file=sys.stderr)
            wrong += 1
        else:
            print(f"{name}: whole, in {folder}")
    return 1 if wrong else 0


def _where(args: argparse.Namespace, chosen: Sequence[Dataset]) -> int:
    """Print the folders that are searched, and where each data set was found."""
    print(f"fetched and built data go to  {datasets.cache_dir()}")
    for folder in datasets.search_path():
        print(f"data are looked for in        {folder}")
    for dataset in chosen:
        print(f"{dataset.name:<28}  {datasets.find(dataset.target) or 'not here'}")
    for name, folder in args.built.items():
        print(f"{name:<28}  {folder}")
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
    for name, folder in args.built.items() if args.names else ():
        disk.delete(folder)
        print(f"{name}: removed from {folder}")
    freed = sum(inventory.remove_leftovers(dataset) for dataset in chosen)
    if not args.names:
        freed += unfinished.remove_all()
    print(
        f"Unfinished downloads and builds, and damaged data: {_megabytes(freed)} freed."
    )
    return 1 if failed else 0


def _build(args: argparse.Namespace, chosen: Sequence[Dataset]) -> int:
    """Build a data set of captioned photos in the files of coco_captioning.

    A build that was stopped goes on where it was, by the same command.
    """
    from cs231n.embedded import captions, photo_captions

    taken = {name for data in chosen for name in (data.name, data.target)}
    record.require_name(args.name, {*taken, captions.FOLDER})
    begin = time.perf_counter()
    folder = photo_captions.build(
        args.images,
        args.annotations,
        (args.out or datasets.cache_dir()) / args.name,
        plan.Options(
            draw=args.split == "draw",
            val=tuple(args.val) if args.val else None,
            val_share=args.val_share,
            seed=args.seed,
            min_count=args.min_count,
            vocabulary=args.vocabulary,
            words=args.words,
            network=args.network,
            broken_share=args.broken_share,
        ),
        jobs=args.jobs,
        force=args.force,
    )
    held = _held(record.read(folder)["counts"])
    print(f"{folder}: {held} in {time.perf_counter() - begin:.0f} s")
    return 0


def _held(counts: Mapping[str, int]) -> str:
    parts = (
        f"{counts[f'{split} photos']:,} photos and {counts[f'{split} captions']:,} "
        f"captions to {what}"
        for split, what in (("train", "learn from"), ("val", "try"))
    )
    return f"{', '.join(parts)}, {counts['words']:,} words"


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
        description="Fetch and check the course's data sets, and build your own. "
        "Nothing needs them: where one is absent, loaders use what is embedded.",
        epilog="CS231N_DATA_DIR names the data folder; CS231N_OFFLINE=1 forbids the "
        "network.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, run, what in (
        ("list", _list, "what is here, what is embedded, what can be had"),
        ("get", _get, "fetch data sets that are not here whole"),
        ("verify", _verify, "check structure and hashes of what is here"),
        ("where", _where, "print the folders that are searched"),
        (
            "clean",
            _clean,
            "remove unfinished downloads and builds and, if named, data sets",
        ),
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
    _add_build(verbs)
    return parser.parse_args(argv)


def _add_build(verbs: Any) -> None:
    verb = verbs.add_parser(
        "build",
        help="captioned photos of your own, as captions --images … --annotations …",
        description=_build.__doc__,
    )
    verb.set_defaults(run=_build, names=(), registry=registry.REGISTRY)
    add = verb.add_argument
    add("what", choices=["captions"], metavar="captions", help="what to build")
    add("--images", type=Path, required=True, metavar="FOLDER", help="where photos are")
    add(
        "--annotations",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="COCO's captions_*.json, Karpathy's json, token files of Flickr8k or "
        "Flickr30k and lists such as Flickr_8k.trainImages.txt, or a csv or tsv file "
        "that begins with the line picture,caption",
    )
    add("--name", required=True, help="what the data set will be called")
    add("--out", type=Path, metavar="FOLDER", help="instead of the data folder")
    add(
        "--split",
        choices=["own", "draw"],
        default="own",
        help="the files' own parts if they name any (default), or a draw",
    )
    add(
        "--val",
        nargs="+",
        choices=["val", "test"],
        metavar="PART",
        help="which of the files' parts to try a model on: val, test or both",
    )
    add("--val-share", type=float, default=0.125, help="of a draw (default 0.125)")
    add("--seed", type=int, default=231, help="of a draw (default 231)")
    add(
        "--min-count",
        type=commands.positive,
        default=2,
        help="how often a word must come, rarer ones are <UNK> (default 2)",
    )
    add(
        "--vocabulary",
        type=commands.positive,
        default=words.SIZE,
        help=f"the most words, four marks included (default {words.SIZE})",
    )
    add(
        "--words",
        type=commands.positive,
        default=words.WORDS,
        help=f"the most words in a caption, longer ones are left out "
        f"(default {words.WORDS})",
    )
    add(
        "--network",
        default="squeezenet",
        help="what looks at the photos: squeezenet, or one of torchvision's whose "
        "weights are on disk, such as vgg16",
    )
    add(
        "--jobs",
        type=commands.positive,
        help="photos to look at a time, each on a thread of its own (default: one a "
        "core, at most 2)",
    )
    add(
        "--broken-share",
        type=float,
        default=0.05,
        help="of photos or captions that may be broken (default 0.05)",
    )
    add("--force", action="store_true", help="replace a data set of that name")


if __name__ == "__main__":
    commands.run(main)

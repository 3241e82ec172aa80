"""Staff's command line: ``python -m staff VERB``."""

import argparse
import sys

from staff import environment


def main(argv: list[str] | None = None) -> int:
    """Hand the arguments to the verb that comes first among them."""
    verbs = {
        "setup": "make the environment and install what is missing",
        "notebooks": "write the notebooks from their text sources",
        "run": "execute the notebooks and write the report",
        "table": "write what is made from the tables",
        "handout": "make what students get, and check it",
        "fingerprints": "write what check knows results and mistakes by",
        "new": "write the skeleton of a new question",
        "doctor": "list all that questions and data sets still lack",
        "calibrate": "measure how often checks of training fail by chance",
    }
    parser = argparse.ArgumentParser(
        prog="python -m staff",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"{verb:<14}{what}" for verb, what in verbs.items()),
    )
    parser.add_argument("verb", choices=verbs, metavar="VERB", help="one of these:")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="see VERB --help")
    args = parser.parse_args(argv)

    # The verbs' needs are installed by the first of them, so import what is called.
    if args.verb == "setup":
        return environment.main(args.arguments)
    if args.verb == "notebooks":
        from staff import convert

        return convert.main(args.arguments)
    if args.verb == "table":
        from staff import pages

        return pages.main(args.arguments)
    if args.verb == "handout":
        from staff.handout import build

        return build.main(args.arguments)
    if args.verb == "fingerprints":
        from staff.mistakes import fingerprints

        return fingerprints.main(args.arguments)
    if args.verb == "new":
        from staff import new

        return new.main(args.arguments)
    if args.verb == "doctor":
        from staff import doctor

        return doctor.main(args.arguments)
    if args.verb == "calibrate":
        from staff import calibrate

        return calibrate.main(args.arguments)
    from staff.report import run

    return run.main(args.arguments)


if __name__ == "__main__":
    sys.exit(main())

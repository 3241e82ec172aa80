"""Staff's command line: ``python -m staff VERB``."""

import argparse
import importlib
import sys

# Verb -> the module that does it, and what it does. Only the verb that is called is
# imported: the first one installs what the others need.
VERBS = {
    "setup": ("environment", "make the environment and install what is missing"),
    "lock": ("lock", "write the one version of each package that set-up installs"),
    "notebooks": ("convert", "write the notebooks from their text sources"),
    "diagrams": ("diagrams.command", "draw the pictures that explain"),
    "run": ("report.run", "execute the notebooks and write the report"),
    "table": ("pages", "write what is made from the tables"),
    "handout": ("handout.build", "make what students get, and check it"),
    "docs": ("site.build", "make the documents site, for students and for staff"),
    "fingerprints": (
        "mistakes.fingerprints",
        "write what check knows results and mistakes by",
    ),
    "new": ("new", "write the skeleton of a new question"),
    "doctor": ("doctor", "list all that questions and data sets still lack"),
    "grade": ("grading.command", "grade submissions: records, pages and tables"),
    "regrade": ("grading.regrade", "judge submissions again, from their records alone"),
    "class": ("grading.made_class", "make a class of submissions to try the grader on"),
    "margins": ("margins", "measure how far right and wrong are from what is allowed"),
    "calibrate": ("calibrate", "measure how often checks of training fail by chance"),
}


def main(argv: list[str] | None = None) -> int:
    """Hand the arguments to the verb that comes first among them."""
    parser = argparse.ArgumentParser(
        prog="python -m staff",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"{verb:<14}{what}" for verb, (_, what) in VERBS.items()),
    )
    parser.add_argument("verb", choices=VERBS, metavar="VERB", help="one of these:")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="see VERB --help")
    args = parser.parse_args(argv)

    module, _ = VERBS[args.verb]
    status: int = importlib.import_module(f"staff.{module}").main(args.arguments)
    return status


if __name__ == "__main__":
    sys.exit(main())

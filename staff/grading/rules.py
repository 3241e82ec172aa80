"""What a verdict depends on beside the submission: the files, and a hash of them."""

import hashlib
from pathlib import Path, PurePosixPath

from staff.handout.imports import closure
from staff.questions import ROOT, package_files, questions

# The judge, what runs beside students' code and around it, and what workers import.
_JUDGING = (
    "staff/grading/judge.py",
    "staff/grading/inside.py",
    "staff/grading/line.py",
    "staff/grading/sandbox/*.py",
    "staff/handout/files.py",
    "cs231n/tools/check/tries/*.py",
)
_DATA = (".json", ".toml")
_TABLES = ("staff/questions.toml", "staff/grading/*.toml", "staff/mistakes/*.toml")


def files(root: Path = ROOT) -> list[str]:
    """Return the paths of the files that may change a verdict.

    Those are the students' modules, what judges them, all that these import or only
    speak of, the data beside it, and the tables.

    Args:
        root: The project's root.
    """

    def there(*patterns: str) -> set[str]:
        found = [path for pattern in patterns for path in root.glob(pattern)]
        return {path.relative_to(root).as_posix() for path in found if path.is_file()}

    modules = {path for question in questions() for path in question.modules}
    starts = there(*_JUDGING, *modules)
    texts = {
        name: (root / name).read_text("utf-8")
        for name in there("staff/**/*.py") | set(package_files())
        if name.endswith(".py") and (root / name).is_file()
    }
    reached: set[str] = set()
    for name in sorted(starts):
        if name not in reached:
            reached |= closure(texts, name)
    folders = {PurePosixPath(n).parent for n in reached if n.startswith("cs231n/")}
    data = there(*(f"{folder}/*{end}" for folder in folders for end in _DATA))
    return sorted(reached | data | there(*_TABLES))


def digest(root: Path = ROOT) -> str:
    """Return a hash that changes with whatever may change a verdict.

    Args:
        root: The project's root.
    """
    seen = hashlib.sha256()
    for name in files(root):
        content = (root / name).read_bytes().replace(b"\r\n", b"\n")
        seen.update(f"{name} {len(content)}\n".encode() + content)
    return seen.hexdigest()

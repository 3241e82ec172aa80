"""The course: its name, its term and where its hand-out is published."""

import re
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from staff.questions import ROOT

FILE = "staff/course.toml"
_FIRST = "RNN_Captioning.ipynb"  # the notebook that a cloud shows first
_REPOSITORY = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?")
_FORMS = {
    "name": r"\S.*",
    "term": r"[\w.-]+",
    "edition": r"[\w.-]+",
    "repository": rf"({_REPOSITORY.pattern})?",
    "branch": r"[\w./-]+",
    "release": r"(https://\S+\.zip)?",
    "email": r"([^\s@<>]+@[^\s@<>]+\.[^\s@<>]+)?",
}


class CourseError(ValueError):
    """The course's settings cannot be used; the message says what to do about it."""


@dataclass(frozen=True)
class Course:
    """What ``staff/course.toml`` says; an address that is not set is empty.

    Attributes:
        name: What the course calls this assignment.
        term: Such as ``2026.1``.
        edition: The set of questions that students are asked for.
        repository: Address of a GitHub repository with the hand-out at its top.
        branch: Its branch that the badges open.
        release: Address of the hand-out's zip.
        email: Where students write.
    """

    name: str
    term: str
    edition: str
    repository: str
    branch: str
    release: str
    email: str

    def badges(self) -> str:
        """Return links that open the hand-out in the cloud, as Markdown."""
        found = []
        if match := _REPOSITORY.fullmatch(self.repository):
            where = f"{match[1]}/{match[2]}"
            if self.release:
                colab = f"github/{where}/blob/{self.branch}/colab/{_FIRST}"
                found.append(
                    f"[Open in Colab](https://colab.research.google.com/{colab})"
                )
            binder = f"gh/{where}/{self.branch}?labpath={_FIRST}"
            found += [
                f"[Open in Binder](https://mybinder.org/v2/{binder})",
                f"[Open in Codespaces](https://codespaces.new/{where}/tree/{self.branch})",
            ]
        return " · ".join(found)

    def links(self) -> str:
        """Return in one line where the hand-out and its people are; empty if unset."""
        said = [self.badges()]
        if self.release:
            said.append(f"[Download the hand-out]({self.release})")
        if self.email:
            said.append(f"[{self.email}](mailto:{self.email})")
        return " · ".join(part for part in said if part)


@cache
def course(root: Path = ROOT) -> Course:
    """Read the course's settings.

    Args:
        root: The tree.

    Raises:
        CourseError: If one is missing, unknown or of another form.
    """
    table = tomllib.loads((root / FILE).read_text("utf-8"))
    names = {field.name for field in fields(Course)}
    for name in sorted(names ^ table.keys()):
        what = "is missing; write it" if name in names else "is not known; strike it"
        raise CourseError(f"{FILE}: {name} {what}.")
    for name, form in _FORMS.items():
        if not re.fullmatch(form, table[name]):
            raise CourseError(
                f"{FILE}: {name} is {table[name]!r}, which is of another form than the "
                "file's comments ask for; mend it."
            )
    return Course(**table)


def heading(about: Course) -> str:
    """Return a course's name as a heading, and below it where its hand-out is."""
    return "\n\n".join(part for part in (f"# {about.name}", about.links()) if part)

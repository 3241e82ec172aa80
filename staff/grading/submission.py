"""One submission as the grader knows it: what was read of it, and what was left."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Left:
    """Something in a submission that the grader does not use.

    Attributes:
        path: Where it stood, as the submission spells it.
        why: One sentence.
    """

    path: str
    why: str


@dataclass(frozen=True)
class Submission:
    """What one student, or one group, handed in once.

    Attributes:
        name: What people call it: the name of its zip or folder.
        layout: Which official layout it has, such as ``2017 assignment3.zip``.
        edition: The set of questions it answers: a name in the table's ``sets``.
        modules: Path within the package, such as ``cs231n/rnn_layers.py`` -> source of
            modules that students write, their own helpers among them. Functions that
            stood in a notebook are here too, as a module under the path that the table
            names.
        notebooks: Notebook's name, without ``.ipynb`` -> its JSON.
        left: What was there and is not used.
        remarks: What the grader tells the student about the files, in sentences.
        student: What the platform says of whose it is, to be looked up in a roster:
            names of columns -> values, such as ``{"ID": "4711"}``.
        received: When it came, ISO 8601 with a zone; empty if nothing says so.
        late: Whether the platform says that it came late.
    """

    name: str
    layout: str
    edition: str
    modules: Mapping[str, str]
    notebooks: Mapping[str, bytes] = field(default_factory=dict)
    left: tuple[Left, ...] = ()
    remarks: tuple[str, ...] = ()
    student: Mapping[str, str] = field(default_factory=dict)
    received: str = ""
    late: bool = False

    @property
    def digest(self) -> str:
        """SHA-256 of all that counts for its points, whatever its zip looked like."""
        parts = {name: text.encode() for name, text in self.modules.items()}
        parts |= {f"{name}.ipynb": text for name, text in self.notebooks.items()}
        seen = hashlib.sha256(self.edition.encode())
        for name in sorted(parts):
            head = f"{len(name.encode())} {name} {len(parts[name])}\n"
            seen.update(head.encode() + parts[name])
        return seen.hexdigest()


@dataclass(frozen=True)
class Refused:
    """A submission that could not be read.

    Attributes:
        name: What people call it.
        why: One sentence that says what came, what was wanted and what to do.
        student: As in ``Submission``.
    """

    name: str
    why: str
    student: Mapping[str, str] = field(default_factory=dict)

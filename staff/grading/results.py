"""What the judge finds: one result a check, and all of one submission's together."""

from dataclasses import dataclass, field

ASKED, CARE = "asked", "care"  # tiers: verdicts.md, section 1
PASSED, FAILED, UNBEGUN = "passed", "failed", "not started"
STATES = (PASSED, FAILED, UNBEGUN)


@dataclass(frozen=True)
class Check:
    """One check of one function.

    Attributes:
        function: The function's key in the table.
        name: What is looked at, such as ``values`` or ``dWx``.
        tier: ``ASKED`` or ``CARE``.
        state: One of ``STATES``.
        points: What it earns.
        of: What it can earn.
        reason: Why it failed, in a sentence or two that a student may read; it gives
            no hidden input and no expected value away.
        mistakes: Sentences of the bank that name what went wrong.
        hidden: For graders alone: what was given and what came back.
        remark: What costs nothing and should be known, if it passed.
    """

    function: str
    name: str
    tier: str
    state: str
    points: float
    of: float
    reason: str = ""
    mistakes: tuple[str, ...] = ()
    hidden: str = ""
    remark: str = ""

    @property
    def id(self) -> str:
        """Names it for ever, whatever stands beside it."""
        return f"{self.function}/{self.name}"


@dataclass(frozen=True)
class Judged:
    """All checks of one submission.

    Attributes:
        checks: In the order of the table.
        isolation: The level at which students' code ran.
        seconds: A function's key -> wall time of its checks.
        speed: A function's key -> its speed class, the craft tier's word.
        peak: The largest memory that a worker had, in bytes.
        timed_out: Keys of functions that a time limit ended. Another program may have
            been in their way, so whoever keeps the verdict judges once more, alone.
        cpu: How long the workers computed, in seconds.
        counted: Question -> the one of it and its alternatives whose checks these are.
        remarks: Question -> what is to be said of its alternatives.
    """

    checks: tuple[Check, ...]
    isolation: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    speed: dict[str, str] = field(default_factory=dict)
    peak: int = 0
    timed_out: tuple[str, ...] = ()
    cpu: float = 0.0
    counted: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)

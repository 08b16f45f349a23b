"""The decorator that makes a function a check, and the Check that it becomes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from wheel_uploader.models import Finding, Profile, Severity

Subject = TypeVar("Subject")
#: A check yields a message, or (member, message) when one member of the archive is to blame.
Yielded = str | tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(Generic[Subject]):
    """A check: its id, how grave it is under each profile, what it says of itself, and the function."""

    id: str
    severity: Severity
    #: The severity where PyPI's own rules do not hold; the same unless the rule is PyPI's alone.
    severity_elsewhere: Severity
    title: str
    explanation: str
    function: Callable[[Subject], Iterable[Yielded]]

    @property
    def family(self) -> str:
        return self.id.partition("/")[0]

    def severity_for(self, profile: Profile) -> Severity:
        return self.severity if profile is Profile.PYPI else self.severity_elsewhere

    def findings(self, subject: Subject, label: str, profile: Profile) -> Iterator[Finding]:
        """What this check finds in ``subject``, which the findings call ``label``."""
        for yielded in self.function(subject):
            member, message = yielded if isinstance(yielded, tuple) else (None, yielded)
            yield Finding(
                check=self.id,
                severity=self.severity_for(profile),
                subject=label,
                message=message,
                member=member,
            )


def check(
    check_id: str, severity: Severity, *, elsewhere: Severity | None = None
) -> Callable[[Callable[[Subject], Iterable[Yielded]]], Check[Subject]]:
    """Make a function a check.

    Its docstring is the explanation: the first line is the title, the rest says why it matters, common
    causes, and what to do; ``--explain`` prints it. ``elsewhere`` is the severity outside the pypi profile.
    """

    def make(function: Callable[[Subject], Iterable[Yielded]]) -> Check[Subject]:
        title, _, rest = inspect.cleandoc(function.__doc__ or "").partition("\n")
        return Check(
            id=check_id,
            severity=severity,
            severity_elsewhere=elsewhere or severity,
            title=title.rstrip("."),
            explanation=rest.strip(),
            function=function,
        )

    return make

"""The decorator that makes a function a check, and the Check that it becomes."""

from __future__ import annotations

import inspect
import itertools
import typing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Any, Generic, TypeVar

from wheel_uploader.display import printable
from wheel_uploader.models import Finding, Profile, Severity

Subject = TypeVar("Subject")
#: A check yields a message, or (member, message) when one member of the archive is to blame.
Yielded = str | tuple[str, str]

#: Findings of one check on one subject that are told one by one; a hostile file has thousands.
MOST_FINDINGS = 50


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
    #: What the function is about, as its first parameter is annotated.
    subject: type | UnionType

    @property
    def family(self) -> str:
        return self.id.partition("/")[0]

    def severity_for(self, profile: Profile) -> Severity:
        return self.severity if profile is Profile.PYPI else self.severity_elsewhere

    def takes(self, subject: object) -> bool:
        """Whether this check is about such a thing at all (a wheel, an sdist)."""
        return isinstance(subject, self.subject)

    def findings(
        self, subject: Subject, label: str, profile: Profile, *, ignored: bool = False
    ) -> Iterator[Finding]:
        """What this check finds in ``subject``, which the findings call ``label``."""
        found = iter(self.function(subject))
        budget = getattr(subject, "budget", None)
        for yielded in itertools.islice(found, MOST_FINDINGS):
            member, message = yielded if isinstance(yielded, tuple) else (None, yielded)
            yield self._finding(label, message, member, profile, ignored)
        more = 0
        for _ in found:
            more += 1
            if budget:
                budget.tick()
        if more:
            yield self._finding(label, f"and {more} more of this kind", None, profile, ignored)

    def _finding(
        self, label: str, message: str, member: str | None, profile: Profile, ignored: bool
    ) -> Finding:
        return Finding(
            check=self.id,
            severity=self.severity_for(profile),
            subject=label,
            # Both may quote the archive.
            message=printable(message),
            member=None if member is None else printable(member, limit=300),
            ignored=ignored,
        )


def check(
    check_id: str, severity: Severity, *, elsewhere: Severity | None = None
) -> Callable[[Callable[[Subject], Iterable[Yielded]]], Check[Subject]]:
    """Make a function a check of whatever its first parameter is annotated with.

    Its docstring is the explanation: the first line is the title, the rest says why it matters, common
    causes, and what to do; ``--explain`` prints it. ``elsewhere`` is the severity outside the pypi profile.
    """

    def make(function: Callable[[Subject], Iterable[Yielded]]) -> Check[Subject]:
        title, _, rest = inspect.cleandoc(function.__doc__ or "").partition("\n")
        hints: dict[str, Any] = typing.get_type_hints(function)
        return Check(
            id=check_id,
            severity=severity,
            severity_elsewhere=elsewhere or severity,
            title=title.rstrip("."),
            explanation=rest.strip(),
            function=function,
            subject=next(iter(hints.values())),
        )

    return make


def pypi_check(check_id: str) -> Callable[[Callable[[Subject], Iterable[Yielded]]], Check[Subject]]:
    """Make a function a check of one of PyPI's own rules: an error there, a note elsewhere."""
    return check(check_id, Severity.ERROR, elsewhere=Severity.NOTE)

"""The decorator that turns a function into a check, and the Check class."""

from __future__ import annotations

import inspect
import itertools
import typing
from collections.abc import Callable, Iterable, Iterator
from types import UnionType
from typing import Any, Generic, TypeVar

from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import CheckProfile, Finding, Severity
from wheel_uploader.core.redaction import sanitize, sanitize_message

Subject = TypeVar("Subject")
#: A check yields a message, or (member, message) if the message is about one member of the archive.
Observation = str | tuple[str, str]

#: Maximum number of findings of one check on one subject that are reported individually; a hostile file
#: may cause thousands.
MAX_REPORTED_FINDINGS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(Generic[Subject]):
    """A check: its id, severity under each profile, title and explanation, and the function that runs it."""

    id: str
    severity: Severity
    #: The severity outside the pypi profile; it differs only for rules specific to PyPI.
    severity_off_pypi: Severity
    title: str
    explanation: str
    function: Callable[[Subject], Iterable[Observation]]
    #: The type that annotates the function's first parameter.
    subject: type | UnionType

    @property
    def family(self) -> str:
        """The part of the id before the slash."""
        return self.id.partition("/")[0]

    def severity_for(self, profile: CheckProfile) -> Severity:
        """Return the severity of this check's findings under ``profile``."""
        return self.severity if profile is CheckProfile.PYPI else self.severity_off_pypi

    def applies_to(self, subject: object) -> bool:
        """Return whether this check applies to the type of ``subject``, such as a wheel or an sdist."""
        return isinstance(subject, self.subject)

    def run(self, subject: Subject, label: str, profile: CheckProfile) -> Iterator[Finding]:
        """Yield this check's findings in ``subject``, with ``label`` as their subject."""
        observations = iter(self.function(subject))
        budget = getattr(subject, "budget", None)
        for observation in itertools.islice(observations, MAX_REPORTED_FINDINGS):
            member, message = observation if isinstance(observation, tuple) else (None, observation)
            yield self._make_finding(label, message, member, profile)
        remaining = 0
        for _ in observations:
            remaining += 1
            if budget:
                budget.count_work()
        if remaining:
            yield self._make_finding(
                label, f"and {format_count(remaining, 'more finding')} of this check", None, profile
            )

    def _make_finding(self, label: str, message: str, member: str | None, profile: CheckProfile) -> Finding:
        return Finding(
            check=self.id,
            severity=self.severity_for(profile),
            subject=label,
            # The message and the member may contain text from the archive.
            message=sanitize_message(message),
            member=None if member is None else sanitize(member, limit=300),
        )


def check(
    check_id: str, severity: Severity, *, severity_off_pypi: Severity | None = None
) -> Callable[[Callable[[Subject], Iterable[Observation]]], Check[Subject]]:
    """Turn a function into a check of the type that annotates its first parameter.

    The function's docstring is printed by ``--explain``: its first line is the title; the rest explains why
    the problem matters, its usual causes, and how to fix it. ``severity_off_pypi`` is the severity outside
    the pypi profile.
    """

    def decorate(function: Callable[[Subject], Iterable[Observation]]) -> Check[Subject]:
        title, _, rest = inspect.cleandoc(function.__doc__ or "").partition("\n")
        hints: dict[str, Any] = typing.get_type_hints(function)
        return Check(
            id=check_id,
            severity=severity,
            severity_off_pypi=severity_off_pypi or severity,
            title=title.rstrip("."),
            explanation=rest.strip(),
            function=function,
            subject=next(iter(hints.values())),
        )

    return decorate


def pypi_check(check_id: str) -> Callable[[Callable[[Subject], Iterable[Observation]]], Check[Subject]]:
    """Turn a function into a check of a PyPI-specific rule: an error for PyPI, a note elsewhere."""
    return check(check_id, Severity.ERROR, severity_off_pypi=Severity.NOTE)

"""What GitHub Actions gets beside the report: annotations, and the outputs of the step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wheel_uploader.display import printable
from wheel_uploader.models import Finding, Report, Severity, Stage
from wheel_uploader.report import files, marks
from wheel_uploader.report.files import State
from wheel_uploader.report.findings import by_message, grouped
from wheel_uploader.report.rule import RELEASE, Rules

#: Annotations of one level that GitHub shows for a step.
_MOST = 10
#: Sentences in one annotation, and files after a sentence.
_SHOWN = 5
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def render(report: Report, rules: Rules) -> str:
    """One line for each annotation; notes only under ``-v``. Empty when there is nothing to tell."""
    return "".join(f"{line}\n" for severity in Severity for line in _of_level(report, rules, severity))


def outputs(report: Report) -> dict[str, str]:
    """The outputs of the step by name: file names, or places of the matrix, one on each line."""
    rows = files.rows(report)
    posted = [row.filename for row in rows if row.state in (State.PUBLISHED, State.UPLOADED)]
    skipped = [row.filename for row in rows if row.state is State.ALREADY_THERE]
    lists = {"published": posted, "skipped": skipped, "missing": marks.missing(report, rows)}
    return {name: "\n".join(map(printable, lines)) for name, lines in lists.items()}


def _of_level(report: Report, rules: Rules, severity: Severity) -> Iterator[str]:
    if severity is Severity.NOTE and not report.options.verbose:
        return
    told = [
        (f"{check}: {rules[check].title}" if check in rules else check, _sentences(findings))
        for (each, check), findings in grouped(report.findings).items()
        if each is severity
    ]
    error = report.error if severity is Severity.ERROR else None
    if error and not (told and _stopped_by_checks(report)):
        details = error.details[:_SHOWN]
        told.insert(0, ("wheel-uploader", [error.message, *details, f"next: {error.hint}"]))
    rest = len(told) - _MOST
    if rest > 0:
        told[_MOST - 1 :] = [("wheel-uploader", [f"{rest + 1} more checks found something: see the log"])]
    for title, sentences in told:
        yield _command(_LEVELS[severity], title, sentences)


def _stopped_by_checks(report: Report) -> bool:
    """Whether the error only repeats what the findings say."""
    return Stage.CHECK in report.timings and (report.reached or Stage.LIST) < Stage.CHECK


def _sentences(findings: Sequence[Finding]) -> list[str]:
    """What one check has to say, with the files of each sentence."""
    sentences = []
    for message, same in by_message(findings).items():
        files = list(dict.fromkeys(finding.subject for finding in same if finding.subject != RELEASE))
        more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
        sentences.append(f"{message} ({', '.join(files[:_SHOWN])}{more})" if files else message)
    rest = len(sentences) - _SHOWN
    return sentences[:_SHOWN] + ([f"and {rest} more like these"] if rest > 0 else [])


def _command(level: str, title: str, sentences: list[str]) -> str:
    """A workflow command; whatever a wheel's author wrote stays within the text of it."""
    text = "\n".join(printable(sentence) for sentence in sentences)
    return f"::{level} title={_property(printable(title))}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

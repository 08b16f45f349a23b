"""A report in which every external text is an attempt at injection."""

from __future__ import annotations

import dataclasses

from packaging.version import Version

from tools.testing import reports
from wheel_uploader.core.errors import FileError
from wheel_uploader.core.models import (
    ExcludedFile,
    Finding,
    KeptFiles,
    Options,
    PrunedFile,
    PrunedRelease,
    PruneOutcome,
    Report,
    Severity,
    SmokeResult,
    TargetPruning,
)

PAYLOADS = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>'",
    "</style></title></pre></code><svg/onload=alert(1)>",
    "<!-- <a href='javascript:alert(1)'>x</a> ]]> &lt;b&gt;",
    "{{ 7 * 7 }}{% raw %}{# gone #}",
    "\x1b[31mred\x1b]0;title\x07\x00\x9b1m",
    "\u202eevil\u2066\u200bzero\ufeff",
    "\n::error::x\r\n\n# Heading\n\n- item\n\n| a | b |\n| --- | --- |\n",
    "`` ` ``` code ```\n```\n<b>out</b>\n",
    "[x](javascript:alert(1)) ![x](//evil.example/x.png) <https://evil.example> www.evil.example @somebody",
    "| a | <br> | \\| b \\",
    "`",
    " *a* _b_ ~~c~~ $d$ \\( e \\) &amp; <details>",
    "https://me:my-password@staging.example.com/?token=secret1",
    "EOF\nexit_code=0\nend-\n",
    "\ud800 lone",
    "a" * 100_000,
)
#: Characters that must not be in a report of any format: control, bidirectional and zero-width characters.
FORBIDDEN = [
    *map(chr, range(9)),
    "\x0b",
    "\x1b",
    "\x7f",
    "\x9b",
    "\u202e",
    "\u2066",
    "\u200b",
    "\ufeff",
    "\ud800",
]


def hostile_report(payload: str) -> Report:
    """Return a report with everything in it, and ``payload`` in place of every external text."""
    report = reports.everything()
    assert report.selection
    pairs = [
        (
            dataclasses.replace(name, filename=payload + name.filename) if number < 3 else name,
            dataclasses.replace(remote, filename=payload, url=payload, source=payload),
        )
        for number, (name, remote) in enumerate(report.selection.files)
    ]
    report = dataclasses.replace(
        report,
        selection=dataclasses.replace(
            report.selection,
            files=tuple(pairs),
            excluded_files=(
                ExcludedFile(filename=payload, source=payload, reason=payload, is_unavailable=True),
            ),
        ),
    )
    report = dataclasses.replace(
        report,
        downloaded_files=tuple(
            dataclasses.replace(
                each, verified_by=payload, remote=remote, file=dataclasses.replace(each.file, name=name)
            )
            for each, (name, remote) in zip(report.downloaded_files, pairs, strict=True)
        ),
    )
    report = dataclasses.replace(
        report,
        findings=report.findings
        + tuple(
            Finding(
                check=check,
                severity=severity,
                subject=subject,
                member=payload,
                message=payload,
                is_ignored=ignored,
            )
            for check in (payload, "record/untidy")
            for subject in (payload, "release", reports.WHEELS[0])
            for severity in Severity
            for ignored in (False, True)
        ),
    )
    report = dataclasses.replace(
        report,
        upload_results=tuple(dataclasses.replace(each, reason=payload) for each in report.upload_results),
    )
    report = dataclasses.replace(
        report,
        upload_plan=tuple(
            dataclasses.replace(each, other_name=payload, index_sha256=payload) for each in report.upload_plan
        ),
    )
    report = dataclasses.replace(
        report, signatures=tuple(dataclasses.replace(each, fingerprint=payload) for each in report.signatures)
    )
    report = dataclasses.replace(
        report,
        smoke_results=(SmokeResult(filename=payload, interpreter=payload, failure=payload, output=payload),),
    )
    report = dataclasses.replace(report, upload_url=payload)
    report = dataclasses.replace(report, checks_not_run=(payload,))
    report = dataclasses.replace(
        report, pruned_releases=(PrunedRelease(version=Version("1"), filenames=(payload,), size=1),)
    )
    report = dataclasses.replace(
        report,
        target_prunings=(
            TargetPruning(
                target=payload,
                labels=(payload,),
                files=tuple(
                    PrunedFile(
                        filename=payload, version=payload, outcome=outcome, labels=(payload,), reason=payload
                    )
                    for outcome in PruneOutcome
                ),
                kept=(KeptFiles(version=payload, count=1, reason=payload),),
                error=FileError(payload),
            ),
        ),
    )
    report = dataclasses.replace(report, error=FileError(payload, details=[payload] * 30, hint=payload))
    return dataclasses.replace(
        report,
        options=Options.unchecked(
            project=payload,
            version=payload,
            urls=(payload,),
            verbose=1,
            smoke=payload,
            ignore={payload: payload, "x/y": payload},
        ),
    )


def report_with_findings(count: int) -> Report:
    """Return a report with ``count`` findings, some of which share messages, members or files."""
    report = reports.everything()
    filenames = [each.file.filename for each in report.downloaded_files]
    return dataclasses.replace(
        report,
        findings=tuple(
            Finding(
                check=f"family/check-{number % 60}",
                severity=list(Severity)[number % 3],
                subject=filenames[number % len(filenames)] if number % 7 else f"other-{number}",
                message=f"sentence {number if number % 2 else number % 100}",
                member=f"path/{number}",
            )
            for number in range(count)
        ),
    )

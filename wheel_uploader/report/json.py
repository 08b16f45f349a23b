"""The report for programs: one JSON document; ``schema.json`` beside this file says what is in it."""

from __future__ import annotations

import io
import json
from typing import Any

from wheel_uploader import __version__
from wheel_uploader.display import bare_url, printable
from wheel_uploader.models import Report, SdistName, UploadOutcome, WheelName
from wheel_uploader.report import attestations, matrix
from wheel_uploader.report.files import rows
from wheel_uploader.report.matrix import Matrix
from wheel_uploader.report.rule import idle_ignores, reason

#: Raised when a key goes or changes its meaning; new keys may come without that, in ``schema.json`` too.
SCHEMA = 1


def render(report: Report) -> str:
    """The whole report as JSON, with a newline at the end. Sizes are bytes, times seconds."""
    text = io.StringIO()
    # json.dumps keeps a list of all pieces, which takes several times the memory of the text.
    json.dump(document(report), text, indent=2, ensure_ascii=True)
    return text.getvalue() + "\n"


def document(report: Report) -> dict[str, Any]:
    """The report as plain values."""
    selection = report.selection
    error = report.error
    return {
        "schema": SCHEMA,
        "program": f"wheel-uploader {__version__}",
        "project": str(selection.project) if selection else report.options.project,
        "version": str(selection.version) if selection else report.options.version,
        "sources": [printable(bare_url(url)) for url in report.options.urls],
        "target": report.target,
        "profile": report.profile,
        "began": report.began.isoformat(timespec="seconds") if report.began else None,
        "reached": report.reached.name.lower() if report.reached else None,
        "exit_code": report.exit_code,
        "error": error
        and {
            "message": printable(error.message),
            "details": [printable(detail) for detail in error.details],
            "next": printable(error.hint),
        },
        "files": _files(report),
        "refused": [
            {
                "filename": printable(refusal.filename),
                "source": printable(refusal.source),
                "reason": printable(refusal.reason),
            }
            for refusal in (selection.refused if selection else ())
        ],
        "matrix": _matrix(matrix.of(report)),
        "previous": [
            {"filename": printable(filename), "size": report.previous_sizes.get(filename)}
            for filename in report.previous
        ],
        "findings": _findings(report),
        "removed": [
            {"version": str(each.version), "filenames": list(each.filenames), "size": each.size}
            for each in report.removed
        ],
        "rehearsal": [
            {
                "python": each.python,
                "machine": each.machine,
                "installs": each.kind,
                "filename": each.filename,
                "before": each.before,
            }
            for each in report.rehearsal
        ],
        "trials": [
            {
                "filename": trial.filename,
                "interpreter": printable(trial.interpreter),
                "failure": printable(trial.failure),
                "output": [printable(line) for line in trial.output.splitlines()],
                "seconds": round(trial.seconds, 3),
            }
            for trial in report.trials
        ],
        "not_checked": [printable(sentence) for sentence in report.not_checked],
        "idle_ignores": [printable(check_id) for check_id in idle_ignores(report)],
        "timings": {stage.name.lower(): round(seconds, 3) for stage, seconds in report.timings.items()},
    }


def _files(report: Report) -> list[dict[str, Any]]:
    """One object for each file of the release, with all that each stage found out about it."""
    files = []
    for row in rows(report):
        name, remote = row.name, row.remote
        filename = row.filename
        entry: dict[str, Any] = {
            "filename": filename,
            "state": row.state,
            "kind": "sdist" if isinstance(name, SdistName) else "wheel",
            "tags": sorted(str(tag) for tag in name.tags) if isinstance(name, WheelName) else [],
            "url": bare_url(remote.url),
            "listed_size": remote.size,
            "listed_hashes": dict(remote.hashes),
        }
        if here := row.fetched:
            entry |= {
                "size": here.file.size,
                "sha256": here.file.sha256,
                "fetched": here.outcome,
                "vouched_by": here.vouched_by,
            }
        if signature := row.signature:
            entry["signed_by"] = signature.fingerprint
        if beside := _attestations(report, filename):
            entry["attestations"] = beside
        if state := row.index:
            entry["index"] = {
                "state": state.state,
                "sha256": state.index_sha256,
                "other_name": printable(state.other_name),
            }
        if result := row.result:
            entry["upload"] = {
                "outcome": result.outcome,
                "reason": printable(result.reason),
                "attempts": result.attempts,
            }
        if confirmation := row.confirmation:
            entry["confirmed_sha256"] = confirmation.sha256
        if row.before:
            entry["previous"] = {"filename": row.before.filename, "size": row.before.size}
        files.append(entry)
    return files


def _attestations(report: Report, filename: str) -> list[dict[str, Any]]:
    """What lies beside a file; only its name, until it was read."""
    if not report.attestations:
        listed = report.selection.companions if report.selection else ()
        return [{"filename": each.filename} for each in listed if each.about == filename]
    posted = {each.file.filename for each in report.results if each.outcome is UploadOutcome.UPLOADED}
    return [
        {
            "filename": each.filename,
            "predicate_type": printable(each.predicate_type),
            "kind": each.kind,
            "publisher": each.publisher,
            "verified": attestations.is_verified(each),
            "problem": each.problem or each.unverified,
            "made": each.made,
            "posted": report.attestations_sent and filename in posted and not each.problem,
        }
        for each in report.attestations
        if each.about == filename
    ]


def _matrix(found: Matrix) -> dict[str, Any]:
    """Pythons x platforms; places of which nothing is known have no cell."""
    return {
        "compared_with": found.compared_with or None,
        "pythons": list(found.pythons),
        "platforms": [str(platform) for platform in found.platforms],
        "cells": [
            {
                "python": place.python,
                "platform": str(place.platform),
                "state": cell.state,
                "files": list(cell.files),
            }
            for place, cell in sorted(found.cells.items())
        ],
    }


def _findings(report: Report) -> list[dict[str, Any]]:
    return [
        {
            "check": finding.check,
            "severity": finding.severity,
            "subject": printable(finding.subject),
            "member": printable(finding.member) if finding.member is not None else None,
            "message": printable(finding.message),
            "ignored": finding.ignored,
            "reason": printable(reason(report, finding)) if finding.ignored else "",
        }
        for finding in report.findings
    ]

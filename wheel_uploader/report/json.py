"""The report as JSON; ``schema.json`` in this directory describes the format."""

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

#: Incremented when a key is removed or changes its meaning. New keys do not change it.
SCHEMA = 1


def render(report: Report) -> str:
    """Return the report as JSON, with a newline at the end. Sizes are in bytes, times in seconds."""
    text = io.StringIO()
    # json.dumps keeps a list of all chunks, which needs several times the memory of the text.
    json.dump(document(report), text, indent=2, ensure_ascii=True)
    return text.getvalue() + "\n"


def document(report: Report) -> dict[str, Any]:
    """Return the report as a dictionary that json can serialize."""
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
        "files": _build_files(report),
        "refused": [
            {
                "filename": printable(refusal.filename),
                "source": printable(refusal.source),
                "reason": printable(refusal.reason),
            }
            for refusal in (selection.refused if selection else ())
        ],
        "matrix": _build_matrix(matrix.of(report)),
        "previous": [
            {"filename": printable(filename), "size": report.previous_sizes.get(filename)}
            for filename in report.previous
        ],
        "findings": _build_findings(report),
        "removed": [
            {"version": str(removal.version), "filenames": list(removal.filenames), "size": removal.size}
            for removal in report.removed
        ],
        "rehearsal": [
            {
                "python": install.python,
                "machine": install.machine,
                "installs": install.kind,
                "filename": install.filename,
                "before": install.before,
            }
            for install in report.rehearsal
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


def _build_files(report: Report) -> list[dict[str, Any]]:
    """Return one object per file of the release, with the results of every stage."""
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
        if fetched := row.fetched:
            entry |= {
                "size": fetched.file.size,
                "sha256": fetched.file.sha256,
                "fetched": fetched.outcome,
                "vouched_by": fetched.vouched_by,
            }
        if signature := row.signature:
            entry["signed_by"] = signature.fingerprint
        if file_attestations := _build_attestations(report, filename):
            entry["attestations"] = file_attestations
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


def _build_attestations(report: Report, filename: str) -> list[dict[str, Any]]:
    """Return the attestations of a file; until they have been read, only their names."""
    if not report.attestations:
        listed = report.selection.companions if report.selection else ()
        return [{"filename": companion.filename} for companion in listed if companion.about == filename]
    uploaded = {result.file.filename for result in report.results if result.outcome is UploadOutcome.UPLOADED}
    return [
        {
            "filename": attestation.filename,
            "predicate_type": printable(attestation.predicate_type),
            "kind": attestation.kind,
            "publisher": attestation.publisher,
            "verified": attestations.is_verified(attestation),
            "problem": attestation.problem or attestation.unverified,
            "made": attestation.made,
            "posted": report.attestations_sent and filename in uploaded and not attestation.problem,
        }
        for attestation in report.attestations
        if attestation.about == filename
    ]


def _build_matrix(release_matrix: Matrix) -> dict[str, Any]:
    """Return the matrix of Pythons and platforms, without its empty cells."""
    return {
        "compared_with": release_matrix.compared_with or None,
        "pythons": list(release_matrix.pythons),
        "platforms": [str(platform) for platform in release_matrix.platforms],
        "cells": [
            {
                "python": place.python,
                "platform": str(place.platform),
                "state": cell.state,
                "files": list(cell.files),
            }
            for place, cell in sorted(release_matrix.cells.items())
        ],
    }


def _build_findings(report: Report) -> list[dict[str, Any]]:
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

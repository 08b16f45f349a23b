"""The report as JSON; ``schema.json`` in this directory describes the format."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from wheel_uploader import __version__
from wheel_uploader.core.models import (
    ComparisonReference,
    FileComparison,
    FileStatus,
    Report,
    SdistName,
    TargetPruning,
    WheelName,
)
from wheel_uploader.core.models.changes import ReleaseChanges
from wheel_uploader.core.redaction import sanitize, sanitize_message, sanitize_source, strip_url
from wheel_uploader.report.views import attestations, matrix
from wheel_uploader.report.views.check_info import find_unused_ignores, get_ignore_reason
from wheel_uploader.report.views.file_rows import FileRow, build_file_rows
from wheel_uploader.report.views.file_status import Symbol
from wheel_uploader.report.views.matrix import Matrix
from wheel_uploader.report.views.matrix_view import build_cell_view

#: Incremented when a key is removed or changes its meaning. New keys do not change it.
SCHEMA_VERSION = 1
#: The values of ``state`` and ``outcome`` that differ from the word for the status.
_STATUS_VALUES: Mapping[FileStatus, str] = {
    FileStatus.DOWNLOADED: "here",
    FileStatus.SKIPPED: "already there",
    FileStatus.CONFIRMED: "published",
}
#: The values of ``state`` for a file that was compared with the index and has no upload result.
_COMPARISON_VALUES: Mapping[FileComparison, str] = {
    FileComparison.ABSENT: "absent",
    FileComparison.SAME: "same",
    FileComparison.REPLACE: "different",
    FileComparison.DIFFERENT: "different",
    FileComparison.SAME_BYTES_OTHER_NAME: "other name",
}
_PLANNED = (FileStatus.WOULD_UPLOAD, FileStatus.SKIPPED, FileStatus.CONFLICT)


def render_json(report: Report) -> str:
    """Return the report as JSON, with a newline at the end. Sizes are in bytes, times in seconds."""
    text = io.StringIO()
    # json.dumps keeps a list of all chunks, which needs several times the memory of the text.
    json.dump(build_json_document(report), text, indent=2, ensure_ascii=True)
    return text.getvalue() + "\n"


def build_json_document(report: Report) -> dict[str, Any]:
    """Return the report as a dictionary that json can serialize."""
    selection = report.selection
    error, rows = report.error, build_file_rows(report)
    return {
        "schema": SCHEMA_VERSION,
        "program": f"wheel-uploader {__version__}",
        "project": str(selection.project) if selection else report.options.project,
        "version": str(selection.version) if selection else report.options.version,
        "sources": [sanitize_source(url) for url in report.options.urls],
        "target": report.upload_url,
        "targets": [
            {
                "name": target.name,
                "url": target.url,
                "outcomes": {
                    result.file.filename: _STATUS_VALUES.get(result.outcome, result.outcome)
                    for result in target.upload_results
                },
                "confirmed": [confirmation.filename for confirmation in target.confirmations],
                "exit_code": target.error.exit_code if target.error else 0,
                "error": sanitize_message(target.error.message) if target.error else None,
            }
            for target in report.targets
        ],
        "verify": report.options.verify,
        "profile": report.profile,
        "began": report.started_at.isoformat(timespec="seconds") if report.started_at else None,
        "reached": report.last_stage.name.lower() if report.last_stage else None,
        "exit_code": report.exit_code,
        "error": error
        and {
            "message": sanitize_message(error.message),
            "details": [sanitize_message(detail) for detail in error.details],
            "next": sanitize_message(error.hint),
        },
        "files": _build_files(report, rows),
        "refused": [
            {
                "filename": sanitize(refusal.filename),
                "source": sanitize(refusal.source),
                "reason": sanitize_message(refusal.reason),
            }
            for refusal in (selection.excluded_files if selection else report.excluded_files)
        ],
        "matrix": _build_matrix(matrix.build_report_matrix(report), rows),
        "comparison": _build_comparison(report.comparison),
        "changes": _build_changes(report.changes),
        "previous": [
            {"filename": sanitize(filename), "size": report.previous_sizes.get(filename)}
            for filename in report.previous_filenames
        ],
        "findings": _build_findings(report),
        "removed": [
            {"version": str(removal.version), "filenames": list(removal.filenames), "size": removal.size}
            for removal in report.pruned_releases
        ],
        "pruned": [_build_pruning(pruning) for pruning in report.target_prunings],
        "rehearsal": [
            {
                "python": install.python,
                "machine": install.platform_label,
                "installs": install.kind,
                "filename": install.filename,
                "answered_by": install.answered_by,
                "before": install.previous_kind,
            }
            for install in report.install_outcomes
        ],
        "trials": [
            {
                "filename": trial.filename,
                "interpreter": sanitize(trial.interpreter),
                "failure": sanitize_message(trial.failure),
                "output": [sanitize(line) for line in trial.output.splitlines()],
                "seconds": round(trial.seconds, 3),
            }
            for trial in report.smoke_results
        ],
        "warnings": [sanitize_message(sentence) for sentence in report.warnings],
        "not_checked": [sanitize_message(sentence) for sentence in report.checks_not_run],
        "idle_ignores": [sanitize(check_id) for check_id in find_unused_ignores(report)],
        "timings": {stage.name.lower(): round(seconds, 3) for stage, seconds in report.stage_seconds.items()},
    }


def _build_pruning(pruning: TargetPruning) -> dict[str, Any]:
    """Return what a target lost and kept."""
    return {
        "target": sanitize(pruning.target),
        "labels": [sanitize(label) for label in pruning.labels],
        "files": [
            {
                "filename": sanitize(file.filename),
                "version": sanitize(file.version),
                "outcome": str(file.outcome),
                "labels": [sanitize(label) for label in file.labels],
                "reason": sanitize_message(file.reason),
            }
            for file in pruning.files
        ],
        "kept": [
            {"version": sanitize(each.version), "files": each.count, "reason": sanitize_message(each.reason)}
            for each in pruning.kept
        ],
        "error": sanitize_message(pruning.error.message) if pruning.error else None,
    }


def _build_files(report: Report, rows: Sequence[FileRow]) -> list[dict[str, Any]]:
    """Return one object per file of the release, with the results of every stage."""
    files = []
    for row in rows:
        name, remote = row.name, row.remote
        filename = row.filename
        entry: dict[str, Any] = {
            "filename": filename,
            "state": _get_state(row),
            **_build_status(row.symbol),
            "kind": "sdist" if isinstance(name, SdistName) else "wheel",
            "tags": sorted(str(tag) for tag in name.tags) if isinstance(name, WheelName) else [],
            "url": strip_url(remote.url),
            "listed_size": remote.size,
            "listed_hashes": dict(remote.hashes),
        }
        if remote.size is None and row.approximate_size:
            entry["approximate_size"] = row.approximate_size
        if fetched := row.download:
            entry |= {
                "size": fetched.file.size,
                "sha256": fetched.file.sha256,
                "fetched": fetched.outcome,
                "vouched_by": fetched.verified_by,
            }
        if signature := row.signature:
            entry["signed_by"] = signature.fingerprint
        if file_attestations := _build_attestations(report, filename):
            entry["attestations"] = file_attestations
        if state := row.index_state:
            entry["index"] = {
                "state": state.result,
                "sha256": state.index_sha256,
                "other_name": sanitize(state.other_name),
            }
        if result := row.upload_result:
            entry["upload"] = {
                "outcome": _STATUS_VALUES.get(result.outcome, result.outcome),
                "reason": sanitize_message(result.reason),
                "attempts": result.attempts,
            }
        if confirmation := row.confirmation:
            entry["confirmed_sha256"] = confirmation.sha256
            entry["confirmed_attestations"] = confirmation.attestation_count
        if row.previous:
            entry["previous"] = {"filename": row.previous.filename, "size": row.previous.size}
        files.append(entry)
    return files


def _get_state(row: FileRow) -> str:
    if row.index_state and not row.upload_result and row.status in _PLANNED:
        return _COMPARISON_VALUES[row.index_state.result]
    return _STATUS_VALUES.get(row.status, row.status)


def _build_attestations(report: Report, filename: str) -> list[dict[str, Any]]:
    """Return the attestations of a file; until they have been read, only their names."""
    if not report.attestations:
        listed = report.selection.attestation_files if report.selection else ()
        return [
            {"filename": companion.filename} for companion in listed if companion.subject_filename == filename
        ]
    uploaded = {
        result.file.filename for result in report.upload_results if result.outcome is FileStatus.UPLOADED
    }
    return [
        {
            "filename": attestation.filename,
            "predicate_type": sanitize(attestation.predicate_type),
            "kind": attestation.short_type,
            "publisher": attestation.publisher,
            "verified": attestations.is_verified(attestation),
            "problem": attestation.malformed_reason or attestation.verification_error,
            "made": attestation.is_new,
            "posted": report.uploads_attestations
            and filename in uploaded
            and not attestation.malformed_reason,
        }
        for attestation in report.attestations
        if attestation.subject_filename == filename
    ]


def _build_status(symbol: Symbol) -> dict[str, str]:
    """Return the sign, word and emphasis that the other formats show for the same status."""
    return {"sign": symbol.character, "word": symbol.label, "emphasis": symbol.emphasis}


def _build_matrix(release_matrix: Matrix, rows: Sequence[FileRow]) -> dict[str, Any]:
    """Return the matrix of Pythons and platforms, without its empty cells."""
    symbols = {row.filename: row.symbol for row in rows}
    return {
        "compared_with": release_matrix.compared_with or None,
        "pythons": list(release_matrix.pythons),
        "platforms": [str(platform) for platform in release_matrix.platforms],
        "cells": [
            {
                "python": place.python,
                "platform": str(place.platform),
                "state": cell.state,
                **_build_status(build_cell_view(cell, symbols).symbol),
                "files": list(cell.files),
            }
            for place, cell in sorted(release_matrix.cells.items())
        ],
    }


def _build_changes(changes: ReleaseChanges | None) -> dict[str, Any] | None:
    """Return the object for the changes since the previous release; None if it was not asked for."""
    if changes is None:
        return None
    return {
        "since": str(changes.version),
        "previous_filename": sanitize(changes.previous_filename),
        "filename": changes.filename,
        "values": [
            {"name": change.name, "added": list(change.added), "removed": list(change.removed)}
            for change in changes.values
        ],
        "sizes": [
            {"folder": change.folder, "previous": change.previous, "current": change.current}
            for change in changes.sizes
        ],
        "not_compared": list(changes.not_compared),
    }


def _build_comparison(reference: ComparisonReference | None) -> dict[str, Any] | None:
    """Return the release that this one was compared with, and the newer ones that are incomplete."""
    if reference is None:
        return None
    return {
        "version": str(reference.version),
        "files": reference.file_count,
        "page": sanitize(strip_url(reference.page_url)),
        "passed_over": [
            {"version": str(version), "files": count} for version, count in reference.passed_over.items()
        ],
    }


def _build_findings(report: Report) -> list[dict[str, Any]]:
    return [
        {
            "check": finding.check,
            "severity": finding.severity,
            "subject": sanitize(finding.subject),
            "member": sanitize(finding.member) if finding.member is not None else None,
            "message": sanitize_message(finding.message),
            "ignored": finding.is_ignored,
            "reason": sanitize(get_ignore_reason(report, finding)) if finding.is_ignored else "",
        }
        for finding in report.findings
    ]

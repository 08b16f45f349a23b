"""Hand-made reports, one for each way in which a run can end."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from packaging.version import Version

from wheel_uploader import checks
from wheel_uploader.core import filenames as core_filenames
from wheel_uploader.core.errors import ConflictError, FileError, NetworkError, NothingFoundError, PartialError
from wheel_uploader.core.formatting import format_count
from wheel_uploader.core.models import (
    CheckProfile,
    Confirmation,
    DownloadedFile,
    DownloadOutcome,
    ExcludedFile,
    FileComparison,
    FileStatus,
    Finding,
    IndexComparison,
    InstallKind,
    InstallOutcome,
    KeptFiles,
    LocalFile,
    Options,
    PrunedFile,
    PrunedRelease,
    PruneOutcome,
    RemoteFile,
    Report,
    Selection,
    Severity,
    Signature,
    SmokeResult,
    Stage,
    TargetPruning,
    UploadOutcome,
    UploadResult,
)

WHEELS = (
    "dipy-1.11.0-cp311-cp311-macosx_11_0_arm64.whl",
    "dipy-1.11.0-cp311-cp311-win_amd64.whl",
    "dipy-1.11.0-cp312-cp312-macosx_11_0_arm64.whl",
)
SDIST = "dipy-1.11.0.tar.gz"
STAGING = "https://staging.example.com/wheels/"
INDEX = "https://index.example.com/legacy/"
SECONDS = {Stage.LIST: 0.2, Stage.DOWNLOAD: 3.0, Stage.CHECK: 0.04, Stage.UPLOAD: 9.5, Stage.CONFIRM: 2.0}


def listed(filenames: Sequence[str] = (*WHEELS, SDIST), **options: Any) -> Report:
    """Return the report of a run that listed the staged files and excluded one more file."""
    pairs = tuple(
        (
            core_filenames.parse_filename(filename),
            RemoteFile(
                filename=filename,
                url=STAGING + filename,
                size=1_200_000 + number,
                hashes={"sha256": f"{number:064x}"},
                source=STAGING,
            ),
        )
        for number, filename in enumerate(filenames)
    )
    refused = (ExcludedFile(filename="notes.txt", source=STAGING, reason="neither a wheel nor an sdist"),)
    values: dict[str, Any] = {"project": "dipy", "version": "1.11.0", "urls": (STAGING,), **options}
    return Report(
        Options.unchecked(**values),
        last_stage=Stage.LIST,
        selection=Selection(
            project=pairs[0][0].project, version=pairs[0][0].version, files=pairs, excluded_files=refused
        ),
        stage_seconds=_until(Stage.LIST),
    )


def _until(stage: Stage) -> dict[Stage, float]:
    return {each: seconds for each, seconds in SECONDS.items() if each <= stage}


def fetched(*filenames: str, **options: Any) -> Report:
    """Return the report of a run that downloaded all files."""
    report = listed(filenames or (*WHEELS, SDIST), **options)
    assert report.selection
    report = dataclasses.replace(
        report,
        downloaded_files=tuple(
            DownloadedFile(
                file=LocalFile(
                    name=name,
                    path=Path("wheelhouse") / name.filename,
                    size=remote.size or 0,
                    sha256=remote.hashes["sha256"],
                ),
                remote=remote,
                outcome=DownloadOutcome.DOWNLOADED,
                verified_by="sha256 from the source",
            )
            for name, remote in report.selection.files
        ),
    )
    report = dataclasses.replace(report, last_stage=Stage.DOWNLOAD)
    return dataclasses.replace(report, stage_seconds=_until(Stage.DOWNLOAD))


def checked(*findings: Finding, filenames: Sequence[str] = (), **options: Any) -> Report:
    """Return the report of a run that checked its files; it failed if ``findings`` has errors."""
    report = fetched(*filenames, **options)
    report = dataclasses.replace(report, findings=findings)
    report = dataclasses.replace(report, stage_seconds=_until(Stage.CHECK))
    failed = {finding.subject for finding in findings if finding.severity is Severity.ERROR}
    failed -= {finding.subject for finding in findings if finding.is_ignored}
    if failed:
        report = dataclasses.replace(
            report,
            error=FileError(
                f"{len(failed)} of {format_count(len(report.downloaded_files), 'file')} failed the checks"
            ),
        )
    else:
        report = dataclasses.replace(report, last_stage=Stage.CHECK)
    return report


def with_findings(count: int) -> Report:
    """Return the report of a run with ``count`` findings of twenty checks in three files."""
    ids = [check.id for check in checks.CHECKS][:20]
    return checked(
        *(
            Finding(
                check=ids[number % len(ids)],
                severity=list(Severity)[number % 3],
                subject=WHEELS[number % len(WHEELS)],
                member=f"dipy/module_{number}.py",
                message=f"it has {number} faults",
            )
            for number in range(count)
        )
    )


def finding(
    check: str,
    message: str,
    subject: str = WHEELS[0],
    *,
    severity: Severity = Severity.ERROR,
    member: str | None = None,
    ignored: bool = False,
) -> Finding:
    return Finding(
        check=check, severity=severity, subject=subject, message=message, member=member, is_ignored=ignored
    )


def compared(*states: FileComparison, **options: Any) -> Report:
    """Return the report of a run that compared its files with the index; files without a state are absent."""
    report = checked(**options)
    report = dataclasses.replace(report, upload_url=INDEX, profile=CheckProfile.ANY)
    padded = [*states, *[FileComparison.ABSENT] * len(report.downloaded_files)]
    report = dataclasses.replace(
        report,
        upload_plan=tuple(
            IndexComparison(
                file=each.file,
                result=state,
                index_sha256="" if state is FileComparison.ABSENT else "c" * 64,
                other_name="dipy-1.10.0.tar.gz" if state is FileComparison.SAME_BYTES_OTHER_NAME else "",
            )
            for each, state in zip(report.downloaded_files, padded, strict=False)
        ),
    )
    return dataclasses.replace(
        report, stage_seconds=_until(Stage.CHECK) | {Stage.UPLOAD: SECONDS[Stage.UPLOAD]}
    )


def conflict() -> Report:
    report = compared(FileComparison.DIFFERENT, FileComparison.SAME, FileComparison.SAME_BYTES_OTHER_NAME)
    return dataclasses.replace(
        report, error=ConflictError(f"2 of 4 files conflict with {INDEX}; nothing was uploaded")
    )


def dry_run() -> Report:
    report = compared(FileComparison.SAME, dry_run=True)
    outcomes: dict[FileComparison, UploadOutcome] = {
        FileComparison.SAME: FileStatus.SKIPPED,
        FileComparison.ABSENT: FileStatus.WOULD_UPLOAD,
    }
    report = dataclasses.replace(
        report,
        upload_results=tuple(
            UploadResult(file=state.file, outcome=outcomes[state.result]) for state in report.upload_plan
        ),
    )
    return dataclasses.replace(report, last_stage=Stage.UPLOAD)


def partial() -> Report:
    report = compared()
    outcomes: tuple[tuple[UploadOutcome, str, int], ...] = (
        (FileStatus.UPLOADED, "", 1),
        (FileStatus.REJECTED, "400 Bad Request: no\n::error::x\x1b[31m", 2),
        (FileStatus.UNKNOWN, "no answer came", 6),
        (FileStatus.NOT_TRIED, "", 0),
    )
    report = dataclasses.replace(
        report,
        upload_results=tuple(
            UploadResult(file=each.file, outcome=outcome, reason=reason, attempts=attempts)
            for each, (outcome, reason, attempts) in zip(report.downloaded_files, outcomes, strict=True)
        ),
    )
    return dataclasses.replace(report, error=PartialError("1 of 4 files was posted, 1 was rejected"))


def published() -> Report:
    """Return the report of a complete run: signed, uploaded, confirmed."""
    report = compared(FileComparison.SAME)
    report = dataclasses.replace(
        report,
        signatures=tuple(
            Signature(
                content=b"-----BEGIN PGP SIGNATURE-----\n",
                filename=each.file.filename,
                path=Path(f"{each.file.path}.asc"),
                fingerprint="A" * 40,
                is_new=bool(number),
            )
            for number, each in enumerate(report.downloaded_files)
        ),
    )
    report = dataclasses.replace(
        report,
        upload_results=tuple(
            UploadResult(
                file=state.file,
                outcome=FileStatus.UPLOADED if state.result is FileComparison.ABSENT else FileStatus.SKIPPED,
                attempts=int(state.result is FileComparison.ABSENT),
            )
            for state in report.upload_plan
        ),
    )
    report = dataclasses.replace(
        report,
        confirmations=tuple(
            Confirmation(filename=each.file.filename, sha256=each.file.sha256, url=INDEX)
            for each in report.downloaded_files
        ),
    )
    report = dataclasses.replace(report, last_stage=Stage.CONFIRM)
    return dataclasses.replace(report, stage_seconds=dict(SECONDS))


def nothing_found() -> Report:
    """Return the report of a run that found no files; its staging URL has a password."""
    options = Options(
        project="dipy", version="latest", urls=("https://me:my-password@staging.example.com/?token=secret1",)
    )
    return Report(options, error=NothingFoundError("no files of dipy latest at staging.example.com"))


def incomplete() -> Report:
    """Return the report of a run with fewer files than expected and than the previous release."""
    report = listed(expect={"pythons": ["cp311"], "platforms": ["win_arm64"]})
    report = dataclasses.replace(report, expected_cells=(("cp311", "win_arm64"), ("cp311", "win_amd64")))
    report = dataclasses.replace(
        report,
        previous_filenames=(
            "dipy-1.10.0-cp311-cp311-macosx_11_0_arm64.whl",
            "dipy-1.10.0-cp310-cp310-win_amd64.whl",
            "dipy-1.10.0.tar.gz",
            "dipy-1.10.0.linux-x86_64.exe",
        ),
    )
    report = dataclasses.replace(report, missing_cells=(("cp310", "win_amd64"),))
    return dataclasses.replace(
        report, error=NothingFoundError("dipy 1.11.0 is not complete", details=["missing: a wheel for cp311"])
    )


def accepted(**options: Any) -> Report:
    """Return a report with findings of every severity, some ignored with a reason, and a skipped check."""
    report = checked(
        finding("metadata/thin", "no project URL", SDIST, severity=Severity.NOTE, ignored=True),
        finding("native/missing-library", "it needs x.dll", WHEELS[1], member="dipy/a.pyd", ignored=True),
        finding("native/missing-library", "it needs x.dll", WHEELS[1], member="dipy/b.pyd", ignored=True),
        finding("wheel/no-tag", "no Tag line", "release", severity=Severity.WARNING, ignored=True),
        finding("record/untidy", "a blank line", severity=Severity.WARNING),
        finding("metadata/thin", "no keywords", "release", severity=Severity.NOTE),
        ignore={"native": "the loader finds it", "wheel/no-tag": "", "metadata/thin": "old", "sdist": "x"},
        **options,
    )
    return dataclasses.replace(
        report, checks_not_run=("what the release before had: the index did not answer",)
    )


def everything() -> Report:
    """Return a report with everything: every state of a file and an install, every kind of finding."""
    tags = [
        f"cp3{minor}-cp3{minor}-{platform}"
        for minor in (11, 12, 13, 15)
        for platform in ("macosx_11_0_arm64", "manylinux_2_28_x86_64", "musllinux_1_2_x86_64", "win_amd64")
    ]
    filenames = [f"dipy-1.11.0-{tag}.whl" for tag in tags]
    report = checked(
        finding("native/missing-library", "it needs x.dll", filenames[0], member="dipy/a.pyd"),
        finding("record/untidy", "a blank line", filenames[1], severity=Severity.WARNING),
        finding("metadata/thin", "no keywords", "release", severity=Severity.NOTE),
        finding("wheel/no-tag", "no Tag line", filenames[2], severity=Severity.WARNING, ignored=True),
        filenames=(*filenames, SDIST),
        ignore={"wheel": "for <reasons>", "sdist": ""},
        smoke="python -c 'import dipy'",
    )
    report = dataclasses.replace(report, upload_url=INDEX)
    files = {each.file.filename: each.file for each in report.downloaded_files}
    report = dataclasses.replace(
        report,
        upload_plan=(
            IndexComparison(file=files[filenames[3]], result=FileComparison.DIFFERENT, index_sha256="c" * 64),
            IndexComparison(
                file=files[filenames[4]],
                result=FileComparison.SAME_BYTES_OTHER_NAME,
                other_name="dipy-1.10.0.tar.gz",
            ),
            IndexComparison(file=files[filenames[5]], result=FileComparison.SAME, index_sha256="d" * 64),
        ),
    )
    report = dataclasses.replace(
        report,
        upload_results=tuple(
            UploadResult(file=files[filename], outcome=outcome, reason="because", attempts=2)
            for filename, outcome in zip(filenames[6:14], get_args(UploadOutcome), strict=True)
        ),
    )
    report = dataclasses.replace(report, signatures=published().signatures)
    report = dataclasses.replace(
        report,
        confirmations=(
            Confirmation(filename=filenames[6], sha256="0" * 64, url=INDEX, page_formats=("json", "html")),
        ),
    )
    report = dataclasses.replace(
        report,
        previous_filenames=(
            *(name.replace("1.11.0", "1.10.0") for name in filenames[:-1]),
            "dipy-1.10.0-cp310-cp310-win_amd64.whl",
            "dipy-1.10.0.tar.gz",
        ),
    )
    report = dataclasses.replace(
        report,
        previous_sizes={
            name: 700_000 + 100_000 * number for number, name in enumerate(report.previous_filenames)
        },
    )
    report = dataclasses.replace(report, missing_cells=(("cp310", "win_amd64"),))
    report = dataclasses.replace(report, expected_cells=(("cp314", "macosx_arm64"),))
    report = dataclasses.replace(
        report,
        pruned_releases=(
            PrunedRelease(version=Version("1.9.0"), filenames=("dipy-1.9.0.tar.gz",), size=1_000),
        ),
    )
    report = dataclasses.replace(
        report,
        target_prunings=(
            TargetPruning(
                target="anaconda.org/nightlies",
                labels=("dev",),
                files=(
                    PrunedFile(
                        filename="dipy-1.9.0.dev1.tar.gz", version="1.9.0.dev1", outcome=PruneOutcome.REMOVED
                    ),
                    PrunedFile(
                        filename="dipy-1.9.0.dev2.tar.gz",
                        version="1.9.0.dev2",
                        outcome=PruneOutcome.FAILED,
                        labels=("dev",),
                        reason="api.anaconda.org returned 503",
                    ),
                ),
                kept=(KeptFiles(version="1.11.0", count=3, reason="the newest release"),),
                error=NetworkError("api.anaconda.org returned 503"),
            ),
        ),
    )
    report = dataclasses.replace(
        report, checks_not_run=("what the project has used of its room: the index does not say",)
    )
    kinds = [(now, before) for now in InstallKind for before in (None, *InstallKind)]
    report = dataclasses.replace(
        report,
        install_outcomes=tuple(
            InstallOutcome(
                python=f"cp3{11 + number % 4}",
                platform_label=f"Linux x86_64 glibc 2.{number // 4}",
                kind=now,
                previous_kind=before,
                filename=filenames[number] if now is InstallKind.WHEEL else "",
            )
            for number, (now, before) in enumerate(kinds)
        )[:-1],
    )
    report = dataclasses.replace(
        report,
        smoke_results=(
            SmokeResult(filename=filenames[0], interpreter="CPython 3.11.7 /usr/bin/python3", seconds=1.0),
            SmokeResult(
                filename=filenames[1],
                interpreter="CPython 3.12.1 /usr/bin/python3.12",
                failure="exit code 1",
                output="Traceback:\nImportError: <x>",
            ),
        ),
    )
    report = dataclasses.replace(report, started_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    return dataclasses.replace(
        report, error=FileError("1 of 13 files failed the checks", details=["native/missing-library: <x>"])
    )


#: All reports, by how the run ended.
ALL = {
    "nothing found": nothing_found,
    "listed": listed,
    "incomplete": incomplete,
    "fetched": fetched,
    "checked": checked,
    "accepted": accepted,
    "failed": lambda: checked(finding("name/platform-refused", "no index takes linux_x86_64")),
    "conflict": conflict,
    "dry run": dry_run,
    "partial": partial,
    "published": published,
    "everything": everything,
}

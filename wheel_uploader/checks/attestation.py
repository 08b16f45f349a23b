"""Checks of attestations (PEP 740): each describes a file of the release and is of a type PyPI accepts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)

from wheel_uploader.checks.registry import Observation, check, pypi_check
from wheel_uploader.checks.release_content import ReleaseContent
from wheel_uploader.core import builders
from wheel_uploader.core.models import Attestation, Severity


@pypi_check("attestation/malformed")
def malformed(release: ReleaseContent) -> Iterator[Observation]:
    """Malformed attestation.

    A PEP 740 attestation is a JSON document that contains a certificate, a transparency log entry and a
    signed statement about exactly one file. PyPI rejects the upload with anything else. Common causes are a
    Sigstore bundle under the attestation's name ("pypi-attestations convert" turns a bundle into an
    attestation), a single statement about all files of a release, and a saved error page. Create the
    attestation again, or remove it.
    """
    for attestation in release.attestations:
        if attestation.malformed_reason:
            yield attestation.subject_filename, f"{attestation.filename}: {attestation.malformed_reason}"


@check("attestation/stale", Severity.ERROR)
def stale(release: ReleaseContent) -> Iterator[Observation]:
    """Attestation describes a different file.

    The name or sha256 in the attestation differs from that of the file: either the file was rebuilt or
    repaired after it was attested, or it was replaced. Find out which; then attest the file that you want to
    publish, or restore the one that was attested.
    """
    sha256 = {file.filename: file.sha256 for file in release.files}
    for attestation in _select_well_formed(release):
        filename = attestation.subject_filename
        if not _is_same_name(attestation.statement_subject, filename):
            yield filename, f"{attestation.filename} describes {attestation.statement_subject}"
        elif attestation.statement_sha256 != sha256[filename]:
            signed = attestation.statement_sha256
            yield filename, f"{attestation.filename} is for sha256 {signed}, not {sha256[filename]}"


@pypi_check("attestation/predicate-type")
def predicate_type(release: ReleaseContent) -> Iterator[Observation]:
    """Attestation is of a type that PyPI does not accept.

    PyPI accepts two predicate types: its own publish attestation, and SLSA provenance version 1. Remove any
    other attestation.
    """
    for attestation in _select_well_formed(release):
        if not attestation.short_type:
            yield (
                attestation.subject_filename,
                f"{attestation.filename} is of type {attestation.predicate_type}",
            )


@pypi_check("attestation/duplicate")
def duplicate(release: ReleaseContent) -> Iterator[Observation]:
    """File has two attestations of the same type.

    PyPI accepts at most one attestation of each type for a file and rejects the upload otherwise. The usual
    cause is a workflow that ran twice and kept the artifacts of the first run. Remove the older attestation.
    """
    by_type: dict[tuple[str, str], list[str]] = defaultdict(list)
    for attestation in _select_well_formed(release):
        by_type[attestation.subject_filename, attestation.predicate_type].append(attestation.filename)
    for (filename, _), attestations in by_type.items():
        if len(attestations) > 1:
            yield filename, f"{' and '.join(sorted(attestations))} are of the same type"


@pypi_check("attestation/not-verified")
def not_verified(release: ReleaseContent) -> Iterator[Observation]:
    """Signature, certificate or log entry of an attestation is invalid.

    The attestation is verified on this machine, without network access, against the trust root of the
    installed sigstore package. PyPI does the same and rejects the upload. Verification fails if the
    attestation was modified, or if it was made with Sigstore's staging instance. If the attestation is newer
    than the trust root, "pip install -U sigstore" helps. Attest the file again, or remove the attestation.
    """
    for attestation in _select_well_formed(release):
        if attestation.verification_error:
            yield attestation.subject_filename, f"{attestation.filename}: {attestation.verification_error}"


@check("attestation/uneven", Severity.WARNING)
def uneven(release: ReleaseContent) -> Iterator[Observation]:
    """Only some files of the release have an attestation.

    Users who verify attestations will not find one for these files, and an index does not accept attestations
    later. Common causes are a job that attests only the files that it built itself, and a file that was added
    by hand. Attest the remaining files, or publish the whole release without attestations
    ("--attestations none").
    """
    if release.attestations and not release.attestations_required:
        for filename in _find_unattested(release):
            yield filename, "it has no attestation, but other files of the release do"


@check("attestation/required", Severity.ERROR)
def required(release: ReleaseContent) -> Iterator[Observation]:
    """File has no valid attestation, and --attestations is set to require.

    Every file of the release must have a valid attestation next to it or get one from --attest. A file that
    is not an attestation, or whose signature does not verify, does not count. Check why the job that creates
    the attestations did not create this one.
    """
    if release.attestations_required:
        invalid = {each.subject_filename for each in release.attestations if not _is_valid(each)}
        for filename in _find_unattested(release, is_counted=_is_valid):
            yield filename, f"it has no {'valid ' if filename in invalid else ''}attestation"


@check("attestation/built-by", Severity.ERROR)
def built_by(release: ReleaseContent) -> Iterator[Observation]:
    """File is not proven to be built by the repository, workflow and ref of --built-by.

    Each file needs a valid attestation of that identity: next to it (FILE.publish.attestation), or at GitHub,
    where "actions/attest-build-provenance" stores it. Either the file was built elsewhere, for example on
    someone's machine or in a fork, or it was changed after it was attested, or the job did not attest it.
    Publish the file that the workflow built, or correct --built-by.
    """
    yield from release.unproven_files


@check("attestation/other-repository", Severity.WARNING)
def other_repository(release: ReleaseContent) -> Iterator[Observation]:
    """Attestation is of another repository than the job that publishes the file.

    This job runs in GitHub Actions, and a valid attestation says that a workflow of another repository made
    the file. That is intended if one repository builds the wheels of another; state it with "--built-by
    OWNER/REPO", which also requires it of all files. Otherwise find out where the file came from.
    """
    for attestation in _select_well_formed(release) if release.job_repository else ():
        identity = attestation.identity
        if attestation.verification_error or identity is None or not identity.repository:
            continue
        if not builders.is_repository(identity, release.job_repository):
            origin = f"{attestation.filename} is of {builders.describe_identity(identity)}"
            yield attestation.subject_filename, f"{origin}, but this job runs in {release.job_repository}"


def _is_valid(attestation: Attestation) -> bool:
    return not (attestation.malformed_reason or attestation.verification_error)


def _find_unattested(
    release: ReleaseContent, is_counted: Callable[[Attestation], bool] = lambda _: True
) -> list[str]:
    """Return the names of the files that have no attestation and will not get one."""
    attested = {
        attestation.subject_filename for attestation in release.attestations if is_counted(attestation)
    }
    return [
        file.filename for file in release.files if file.filename not in attested and not release.will_attest
    ]


def _select_well_formed(release: ReleaseContent) -> list[Attestation]:
    return [attestation for attestation in release.attestations if not attestation.malformed_reason]


def _is_same_name(subject: str, filename: str) -> bool:
    """Return whether two names denote the same file; like PyPI, accept different spellings."""
    if subject == filename:
        return True
    parse = parse_wheel_filename if filename.endswith(".whl") else parse_sdist_filename
    try:
        return parse(subject) == parse(filename)
    except (InvalidWheelFilename, InvalidSdistFilename, ValueError):  # ValueError: too many digits.
        return False


CHECKS = (
    malformed,
    stale,
    predicate_type,
    duplicate,
    not_verified,
    uneven,
    required,
    built_by,
    other_repository,
)

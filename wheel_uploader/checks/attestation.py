"""Attestations (PEP 740): whether they are about these files, and of a kind that PyPI takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)

from wheel_uploader.checks.registry import Yielded, check, pypi_check
from wheel_uploader.checks.release_content import ReleaseContent
from wheel_uploader.models import Attestation, Severity

#: A check of a release yields a sentence about the release, or (file name, sentence).


@pypi_check("attestation/malformed")
def malformed(release: ReleaseContent) -> Iterator[Yielded]:
    """What lies beside a file as its attestation is none.

    An attestation is JSON as PEP 740 says: a certificate, an entry of a transparency log, and a signed
    statement about exactly one file. PyPI refuses the file with anything else. Common causes are a Sigstore
    bundle under that name ("pypi-attestations convert" makes an attestation of one), a statement about all
    files of a release at once, and an error page that was saved. Make it again, or take it away.
    """
    for each in release.attestations:
        if each.problem:
            yield each.about, f"{each.filename}: {each.problem}"


@check("attestation/stale", Severity.ERROR)
def stale(release: ReleaseContent) -> Iterator[Yielded]:
    """An attestation is about another file than the one that it lies beside.

    Its name or its sha256 is not that of the file: either the file was built again, or repaired, after it
    was attested, or somebody has put another file in its place. Find out which; then attest the file that
    is to be published, or restore the one that was attested.
    """
    sha256 = {file.filename: file.sha256 for file in release.files}
    for each in _read(release):
        if not _same_name(each.subject, each.about):
            yield each.about, f"{each.filename} is about {each.subject}"
        elif each.subject_sha256 != sha256[each.about]:
            ours = sha256[each.about]
            yield each.about, f"{each.filename} is about sha256 {each.subject_sha256}, and this is {ours}"


@pypi_check("attestation/predicate-type")
def predicate_type(release: ReleaseContent) -> Iterator[Yielded]:
    """An attestation is of a kind that PyPI does not take.

    It takes two: its own publish attestation, and SLSA provenance of version 1. Take the other away.
    """
    for each in _read(release):
        if not each.kind:
            yield each.about, f"{each.filename} is of the type {each.predicate_type}"


@pypi_check("attestation/duplicate")
def duplicate(release: ReleaseContent) -> Iterator[Yielded]:
    """A file has two attestations of one kind.

    PyPI takes at most one of each kind and refuses the file otherwise. The usual cause is a second run of a
    workflow that kept the first one's artifacts. Take the older one away.
    """
    seen: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in _read(release):
        seen[each.about, each.predicate_type].append(each.filename)
    for (about, _), filenames in seen.items():
        if len(filenames) > 1:
            yield about, f"{' and '.join(sorted(filenames))} are of one kind"


@pypi_check("attestation/not-verified")
def not_verified(release: ReleaseContent) -> Iterator[Yielded]:
    """The signature, the certificate or the log entry of an attestation does not hold.

    It is verified on this machine, without a network, with the root of trust that sigstore has; PyPI does
    the same and refuses the file. Whatever was changed in it, or made with a Sigstore for tests ("staging"),
    does not hold. Where it is newer than the root of trust, "pip install -U sigstore" helps. Attest the
    file again, or take the attestation away.
    """
    for each in _read(release):
        if each.unverified:
            yield each.about, f"{each.filename}: {each.unverified}"


@check("attestation/uneven", Severity.WARNING)
def uneven(release: ReleaseContent) -> Iterator[Yielded]:
    """Some files of a release have an attestation, and others have none.

    Who looks for attestations will not find any for these files, and an index takes none later. The usual
    causes are a job that attests only what it built itself, and a file that was added by hand. Attest the
    others too; or publish all without, with "--attestations none".
    """
    if release.attestations and not release.attestations_required:
        for filename in _bare(release):
            yield filename, "it has no attestation, as others have"


@check("attestation/required", Severity.ERROR)
def required(release: ReleaseContent) -> Iterator[Yielded]:
    """With --attestations require, a file has none.

    Every file of the release has to have an attestation beside it, or get one by --attest. See why the job
    that makes them did not.
    """
    if release.attestations_required:
        for filename in _bare(release):
            yield filename, "it has no attestation"


def _bare(release: ReleaseContent) -> list[str]:
    """The files that have no attestation, and will get none."""
    have = {each.about for each in release.attestations}
    return [file.filename for file in release.files if file.filename not in have and not release.attests]


def _read(release: ReleaseContent) -> list[Attestation]:
    return [each for each in release.attestations if not each.problem]


def _same_name(subject: str, filename: str) -> bool:
    """Whether two names stand for one file, as PyPI sees it: spellings may differ."""
    if subject == filename:
        return True
    parse = parse_wheel_filename if filename.endswith(".whl") else parse_sdist_filename
    try:
        return parse(subject) == parse(filename)
    except (InvalidWheelFilename, InvalidSdistFilename, ValueError):  # The last: too many digits.
        return False


CHECKS = (malformed, stale, predicate_type, duplicate, not_verified, uneven, required)

"""Checks of RECORD: it lists every file of the wheel with the correct hash and size, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.core.models import Severity, WheelContent
from wheel_uploader.core.string_cache import cached_for_short_strings
from wheel_uploader.facts.archive import record

_ABSOLUTE_PATH = re.compile(r"[/\\]|[A-Za-z]:")


def _parse_record(wheel: WheelContent) -> record.ParsedRecord:
    return record.find_record(wheel) or record.ParsedRecord((), ())


@check("record/missing", Severity.ERROR)
def missing(wheel: WheelContent) -> Iterator[Observation]:
    """Wheel has no RECORD file.

    RECORD lists every file with its hash; without it an installer can neither verify the wheel nor uninstall
    the project later. The usual cause is a script that packs the wheel with a plain zip program. Pack it with
    "wheel pack", which regenerates RECORD.
    """
    folder = record.find_dist_info(wheel)
    if folder and record.find_record(wheel) is None and not _is_present(wheel, f"{folder}/RECORD"):
        yield f"{folder}/RECORD is missing"


def _is_present(wheel: WheelContent, path: str) -> bool:
    """Return whether the member exists but could not be read, which another check reports."""
    return any(member.name == path for member in wheel.members)


@check("record/malformed", Severity.ERROR)
def malformed(wheel: WheelContent) -> Iterator[Observation]:
    """RECORD is malformed.

    Each line must consist of a path, a hash and a size, as CSV in UTF-8, and each path must occur once.
    Installers fail on anything else, or skip lines that they do not understand. The usual cause is a script
    that edits RECORD. Regenerate it with "wheel unpack" and "wheel pack".
    """
    path = f"{record.find_dist_info(wheel)}/RECORD"
    yield from (
        (path, problem.message) for problem in _parse_record(wheel).problems if not problem.is_harmless
    )


@check("record/untidy", Severity.WARNING)
def untidy(wheel: WheelContent) -> Iterator[Observation]:
    """RECORD has harmless format errors.

    A digest with padding, a hash without a size, or a hash of RECORD itself violates the specification but is
    accepted by all installers that we know of. A stricter installer may appear. Regenerate RECORD with
    "wheel unpack" and "wheel pack".
    """
    path = f"{record.find_dist_info(wheel)}/RECORD"
    parsed = _parse_record(wheel)
    yield from (
        (path, problem.message)
        for problem in parsed.problems
        if problem.is_harmless and not problem.is_blank_line
    )
    if any(row.path == path and row.algorithm for row in parsed.rows):
        yield path, "it lists a hash of itself, which cannot be correct"


@check("record/blank-line", Severity.ERROR, severity_off_pypi=Severity.WARNING)
def blank_line(wheel: WheelContent) -> Iterator[Observation]:
    """RECORD contains a blank line.

    PyPI's reader fails at a blank line, so the upload ends with a server error; installers skip such lines.
    The usual cause is a script that appends lines to RECORD. Regenerate it with "wheel unpack" and
    "wheel pack".
    """
    path = f"{record.find_dist_info(wheel)}/RECORD"
    yield from ((path, problem.message) for problem in _parse_record(wheel).problems if problem.is_blank_line)


@check("record/unlisted-file", Severity.ERROR)
def unlisted_file(wheel: WheelContent) -> Iterator[Observation]:
    """File in the wheel is not listed in RECORD.

    The file cannot be verified, strict installers reject the wheel, and pip leaves the file behind when the
    project is uninstalled. PyPI warns the project's owners by email. The usual cause is a file that was added
    to the finished wheel. Add it before the wheel is built, or repack the wheel with "wheel unpack" and
    "wheel pack".
    """
    if parsed := record.find_record(wheel):
        yield from (
            (path, "it is not listed in RECORD") for path in record.iter_unlisted_members(wheel, parsed)
        )


@check("record/absent-file", Severity.ERROR)
def absent_file(wheel: WheelContent) -> Iterator[Observation]:
    """File listed in RECORD is not in the wheel.

    A part of the project is missing, and PyPI warns the project's owners by email. The usual cause is a
    script that removes files from the finished wheel, or a file name that the archiver changed. Exclude the
    file from the build, or repack the wheel with "wheel unpack" and "wheel pack".
    """
    yield from (
        (path, "it is listed in RECORD but missing")
        for path in record.iter_missing_members(wheel, _parse_record(wheel))
    )


@check("record/hash-mismatch", Severity.ERROR)
def hash_mismatch(wheel: WheelContent) -> Iterator[Observation]:
    """File does not match its hash in RECORD.

    The file was modified after the wheel was built, and installers that verify hashes reject it; PyPI does
    not check. The usual cause is a repair step (strip, patchelf, code signing) that does not regenerate
    RECORD, but it may also be tampering. Regenerate RECORD in the last step of the build, with "wheel pack"
    or with the repair tool.
    """
    yield from record.iter_hash_mismatches(wheel, _parse_record(wheel))


@check("record/size-mismatch", Severity.ERROR)
def size_mismatch(wheel: WheelContent) -> Iterator[Observation]:
    """File does not match its size in RECORD.

    The file was modified after the wheel was built, or RECORD was written for different line endings. Strict
    installers reject the wheel; PyPI does not check. Regenerate RECORD in the last step of the build, with
    "wheel pack" or with the repair tool.
    """
    yield from record.iter_size_mismatches(wheel, _parse_record(wheel))


@check("record/no-hash", Severity.ERROR)
def no_hash(wheel: WheelContent) -> Iterator[Observation]:
    """RECORD lists a file without a hash.

    Only RECORD itself and its signatures may be listed without a hash; any other file cannot be verified. The
    usual cause is a script that adds lines to RECORD. Regenerate RECORD with "wheel unpack" and "wheel pack".
    """
    record_path = f"{record.find_dist_info(wheel)}/RECORD"
    for row in _parse_record(wheel).rows:
        # A directory has no content to hash.
        is_exempt = row.path == record_path or row.path.endswith("/") or record.is_record_signature(row.path)
        if not row.algorithm and not is_exempt:
            yield row.path, "RECORD lists it without a hash"


@check("record/weak-hash", Severity.ERROR)
def weak_hash(wheel: WheelContent) -> Iterator[Observation]:
    """RECORD uses a weak or unknown hash algorithm.

    The specification requires sha256 or better: md5 and sha1 can be forged, and installers do not support
    other algorithms. Only very old or home-made tools write them. Rebuild the wheel with a current tool.
    """
    for row in _parse_record(wheel).rows:
        if row.algorithm and row.algorithm not in record.STRONG_ALGORITHMS:
            yield row.path, f"RECORD lists it with the hash algorithm '{row.algorithm}'"


@check("record/unsafe-path", Severity.ERROR)
def unsafe_path(wheel: WheelContent) -> Iterator[Observation]:
    """RECORD lists a path outside the wheel.

    An installer that uninstalls the project removes the files that RECORD lists, and "../../bin/tool" belongs
    to another project. Build tools never write such a path into a wheel. Find out where it comes from before
    you publish anything.
    """
    for row in _parse_record(wheel).rows:
        if problem := _describe_unsafe_path(row.path):
            yield row.path, problem


@cached_for_short_strings
def _describe_unsafe_path(path: str) -> str:
    if _ABSOLUTE_PATH.match(path):
        return "RECORD lists an absolute path"
    return "RECORD lists a path that contains '..'" if ".." in re.split(r"[/\\]", path) else ""


@check("record/signature-listed", Severity.WARNING)
def signature_listed(wheel: WheelContent) -> Iterator[Observation]:
    """RECORD lists its own signature.

    RECORD.jws and RECORD.p7s are created from RECORD, so they cannot be listed in it; PEP 815 deprecated
    both. Some signing tools add the entries afterwards. Remove the two files from the wheel.
    """
    for row in _parse_record(wheel).rows:
        if record.is_record_signature(row.path):
            yield row.path, "it is a signature of RECORD but is listed in RECORD"


CHECKS = (
    missing,
    malformed,
    untidy,
    blank_line,
    unlisted_file,
    absent_file,
    hash_mismatch,
    size_mismatch,
    no_hash,
    weak_hash,
    unsafe_path,
    signature_listed,
)

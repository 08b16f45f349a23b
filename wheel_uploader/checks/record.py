"""RECORD: every file of the wheel listed, with its true hash and size, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wheel_uploader.archive import record
from wheel_uploader.checks.registry import Yielded, check
from wheel_uploader.memo import remembers
from wheel_uploader.models import Severity, WheelContent

_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:")


def _record(wheel: WheelContent) -> record.Record:
    return record.of(wheel) or record.Record((), ())


@check("record/missing", Severity.ERROR)
def missing(wheel: WheelContent) -> Iterator[Yielded]:
    """The wheel has no RECORD.

    RECORD lists every file with its hash; without it an installer cannot verify the wheel, nor remove the
    project later. The usual cause is a script that packs the wheel with a plain zip program. Pack it with
    "wheel pack", which writes RECORD anew.
    """
    folder = record.dist_info_of(wheel)
    if folder and record.of(wheel) is None and not _unread(wheel, f"{folder}/RECORD"):
        yield f"there is no {folder}/RECORD"


def _unread(wheel: WheelContent, path: str) -> bool:
    """Whether the member is there but could not be read, which another check says."""
    return any(member.name == path for member in wheel.members)


@check("record/malformed", Severity.ERROR)
def malformed(wheel: WheelContent) -> Iterator[Yielded]:
    """RECORD cannot be read as what it has to be.

    Each line is a path, a hash and a size, as CSV in UTF-8, and each path has one line; installers stop at
    anything else, or skip what they do not understand. The usual cause is a script that edits RECORD by
    hand. Have it written anew with "wheel unpack" and "wheel pack".
    """
    path = f"{record.dist_info_of(wheel)}/RECORD"
    yield from ((path, problem.message) for problem in _record(wheel).problems if not problem.harmless)


@check("record/untidy", Severity.WARNING)
def untidy(wheel: WheelContent) -> Iterator[Yielded]:
    """RECORD has a harmless fault.

    A blank line, a digest with padding, a hash without a size or a hash of RECORD itself break the
    specification, and no installer that is known to us. Strict ones may come. Have RECORD written anew with
    "wheel unpack" and "wheel pack".
    """
    path = f"{record.dist_info_of(wheel)}/RECORD"
    found = _record(wheel)
    yield from ((path, problem.message) for problem in found.problems if problem.harmless)
    if any(row.path == path and row.algorithm for row in found.rows):
        yield path, "it lists a hash of itself, which cannot be right"


@check("record/unlisted-file", Severity.ERROR)
def unlisted_file(wheel: WheelContent) -> Iterator[Yielded]:
    """A file is in the wheel and not in RECORD.

    Nobody vouches for it, strict installers refuse the wheel, and pip leaves the file behind when the
    project is removed. PyPI warns the project's owners by mail. The usual cause is a file that was added to
    the finished wheel. Add it before the wheel is built, or pack again with "wheel unpack" and "wheel
    pack".
    """
    if found := record.of(wheel):
        yield from ((path, "RECORD does not list it") for path in record.unlisted(wheel, found))


@check("record/absent-file", Severity.ERROR)
def absent_file(wheel: WheelContent) -> Iterator[Yielded]:
    """A file is in RECORD and not in the wheel.

    Something that belongs to the project is missing, and PyPI warns the project's owners by mail. The usual
    cause is a script that removes files from the finished wheel, or a file name that the archiver changed.
    Leave the file out of the build, or pack again with "wheel unpack" and "wheel pack".
    """
    yield from ((path, "RECORD lists it, and it is absent") for path in record.absent(wheel, _record(wheel)))


@check("record/hash-mismatch", Severity.ERROR)
def hash_mismatch(wheel: WheelContent) -> Iterator[Yielded]:
    """A file has another hash than RECORD says.

    The file was changed after the wheel was built, and installers that verify refuse it; PyPI does not
    look. The usual cause is a repair step (strip, patchelf, code signing) that does not write RECORD anew;
    it may also be tampering. Make RECORD the last step, with "wheel pack" or the repair tool's own.
    """
    yield from record.wrong_hashes(wheel, _record(wheel))


@check("record/size-mismatch", Severity.ERROR)
def size_mismatch(wheel: WheelContent) -> Iterator[Yielded]:
    """A file has another size than RECORD says.

    The file was changed after the wheel was built, or RECORD was written for other line endings; strict
    installers refuse it, and PyPI does not look. Make RECORD the last step of the build, with "wheel pack"
    or the repair tool's own.
    """
    yield from record.wrong_sizes(wheel, _record(wheel))


@check("record/no-hash", Severity.ERROR)
def no_hash(wheel: WheelContent) -> Iterator[Yielded]:
    """RECORD lists a file without a hash.

    Only RECORD itself and its signatures may stand there without one; nobody can verify the file. The usual
    cause is a script that adds lines to RECORD by hand. Have it written anew with "wheel unpack" and "wheel
    pack".
    """
    own = f"{record.dist_info_of(wheel)}/RECORD"
    for row in _record(wheel).rows:
        # A row for a directory has nothing to hash.
        without = row.path == own or row.path.endswith("/") or record.is_signature(row.path)
        if not row.algorithm and not without:
            yield row.path, "RECORD gives no hash for it"


@check("record/weak-hash", Severity.ERROR)
def weak_hash(wheel: WheelContent) -> Iterator[Yielded]:
    """RECORD uses a hash that is too weak, or unknown.

    The specification wants sha256 or better: md5 and sha1 can be forged, and installers do not know the
    others. Only very old or home-made tools write them. Build the wheel again with a current tool.
    """
    for row in _record(wheel).rows:
        if row.algorithm and row.algorithm not in record.STRONG:
            yield row.path, f"RECORD gives its hash by '{row.algorithm}'"


@check("record/unsafe-path", Severity.ERROR)
def unsafe_path(wheel: WheelContent) -> Iterator[Yielded]:
    """RECORD lists a path outside of the wheel.

    An installer that removes the project later removes what RECORD lists: "../../bin/tool" is somebody
    else's file. Build tools never write such a path into a wheel. Find out where it comes from before you
    publish anything.
    """
    for row in _record(wheel).rows:
        if why := _unsafe(row.path):
            yield row.path, why


@remembers
def _unsafe(path: str) -> str:
    if _ABSOLUTE.match(path):
        return "RECORD lists an absolute path"
    return "RECORD lists a path that leads upwards" if ".." in re.split(r"[/\\]", path) else ""


@check("record/signature-listed", Severity.WARNING)
def signature_listed(wheel: WheelContent) -> Iterator[Yielded]:
    """RECORD lists its own signature.

    RECORD.jws and RECORD.p7s are made from RECORD, so they cannot be listed in it; PEP 815 has retired
    both. Some signing tools write the list afterwards. Leave the two files out of the wheel.
    """
    for row in _record(wheel).rows:
        if record.is_signature(row.path):
            yield row.path, "it is a signature of RECORD, and listed in it"


CHECKS = (
    missing,
    malformed,
    untidy,
    unlisted_file,
    absent_file,
    hash_mismatch,
    size_mismatch,
    no_hash,
    weak_hash,
    unsafe_path,
    signature_listed,
)

"""Attestations (PEP 740): what lies beside the files is read and verified, and new ones are made in CI."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from wheel_uploader import stopping
from wheel_uploader.display import printable
from wheel_uploader.errors import SigningError, TransportError, UsageError
from wheel_uploader.http import retry
from wheel_uploader.models import (
    Attestation,
    Attestations,
    FetchOutcome,
    LocalCompanion,
    LocalFile,
    Options,
    Selection,
    Stage,
)
from wheel_uploader.names import PUBLISH_ATTESTATION
from wheel_uploader.progress import Progress
from wheel_uploader.publish.target import Target
from wheel_uploader.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from wheel_uploader.attest.notary import Notary

INSTALL = "pip install 'wheel-uploader[attestations]'"

_NOT_INSTALLED = "pypi-attestations is not installed"


def is_installed() -> bool:
    """Whether the extra is there, without which nothing can be read, verified or made."""
    return all(importlib.util.find_spec(name) for name in ("pypi_attestations", "sigstore"))


def notary_for(options: Options, target: Target | None) -> Notary | None:
    """Who makes attestations, if the person asks for new ones; that it can be done is known now.

    ``target``: where the files go; None when they go nowhere. Raises UsageError and SigningError.
    """
    if target and not target.is_pypi and options.attestations is Attestations.REQUIRE:
        raise UsageError(
            f"--attestations require: {printable(target.name)} takes no attestations, only PyPI does",
            hint="Publish there with --attestations auto, which leaves them out where they are not taken.",
        )
    if not options.attest or options.until < Stage.SIGN:
        return None
    if not is_installed():
        raise UsageError(
            f"--attest: {_NOT_INSTALLED}", hint=f"{INSTALL}; or leave --attest out: then nothing is attested."
        )
    from wheel_uploader.attest.notary import SigstoreNotary

    try:
        return SigstoreNotary()
    except TransportError as error:
        raise SigningError(f"the identity of this CI job cannot be had: {error}", hint=_LATER) from None


_LATER = "Nothing was posted: run the same command again; without --attest it does without."


def not_read(selection: Selection, options: Options, target: Target | None) -> tuple[str, ...]:
    """What will not be checked because the extra is missing.

    Raises UsageError where that would leave out what the target takes, or what is required.
    """
    required = options.attestations is Attestations.REQUIRE
    if is_installed() or not (selection.companions or required):
        return ()
    if required or (target and target.is_pypi):
        count = len(selection.companions)
        raise UsageError(
            f"attestations lie beside the files ({count}), and {_NOT_INSTALLED}"
            if count
            else f"--attestations require: {_NOT_INSTALLED}",
            hint=f"{INSTALL}; or publish without them: --attestations none.",
        )
    return (f"the attestations beside the files, for {_NOT_INSTALLED}: {INSTALL}",)


def read(companions: Sequence[LocalCompanion]) -> tuple[Attestation, ...]:
    """What each of them says, and whether it holds; nothing without the extra."""
    if not companions or not is_installed():
        return ()
    from wheel_uploader.attest import reading

    return tuple(map(reading.read, companions))


# --- new ones --------------------------------------------------------------------------------------


def make(
    files: Sequence[LocalFile],
    there: Sequence[Attestation],
    notary: Notary,
    house: Wheelhouse,
    *,
    retries: int,
    progress: Progress,
    sleep: Callable[[float], None] = stopping.sleep,
) -> tuple[Attestation, ...]:
    """``there`` and a verified publish attestation beside each of the ``files`` that has none.

    A good one that an earlier run made is kept. Raises SigningError; those that were finished stay.
    """
    have = {each.about for each in there if each.kind == "publish"}
    todo = [file for file in files if file.filename not in have]
    made = []
    with progress.total("attest", files=len(todo), size=None):
        for file in todo:
            with progress.file(file.filename, size=file.size) as bar:
                found = _kept(file, house)
                if found is None:
                    content = _attested(file, notary, retries=retries, progress=progress, sleep=sleep)
                    found = _written(file, content, house)
                made.append(found)
                bar.advance(file.size)
    return (*there, *made)


def _kept(file: LocalFile, house: Wheelhouse) -> Attestation | None:
    """What an earlier run made for these very bytes, when it holds."""
    name = file.filename + PUBLISH_ATTESTATION
    if not house.holds(name):
        return None
    found = _read(file, house.folder.read(name, _LIMIT) or b"", house, made=False)
    return None if _why_not(found, file) else found


def _written(file: LocalFile, content: bytes, house: Wheelhouse) -> Attestation:
    found = _read(file, content, house, made=True)
    if why := _why_not(found, file):
        raise SigningError(
            f"{file.filename}: the attestation that was made does not hold: {why}", hint=_LATER
        )
    house.write_small(found.filename, content)
    return found


#: Bytes; those that are made here have 5 kB.
_LIMIT = 512 * 1024


def _read(file: LocalFile, content: bytes, house: Wheelhouse, *, made: bool) -> Attestation:
    from wheel_uploader.attest import reading

    path = house.path / (file.filename + PUBLISH_ATTESTATION)
    outcome = FetchOutcome.IN_PLACE
    companion = LocalCompanion(about=file.filename, path=path, content=content, outcome=outcome)
    return reading.read(companion, made=made)


def _why_not(found: Attestation, file: LocalFile) -> str:
    """Why it is no good publish attestation of ``file``; empty when it is one."""
    if found.problem or found.kind != "publish":
        return found.problem or f"it says {found.predicate_type}"
    if (found.subject, found.subject_sha256) != (file.filename, file.sha256):
        return f"it is about {found.subject} with sha256 {found.subject_sha256}"
    return found.unverified


def _attested(
    file: LocalFile, notary: Notary, *, retries: int, progress: Progress, sleep: Callable[[float], None]
) -> bytes:
    try:
        return retry.retrying(
            f"attest {file.filename}",
            lambda: notary.attest(file),
            attempts=retries,
            progress=progress,
            sleep=sleep,
        )
    except TransportError as error:
        raise SigningError(
            f"{file.filename} could not be attested: {error}", details=error.details, hint=_LATER
        ) from None

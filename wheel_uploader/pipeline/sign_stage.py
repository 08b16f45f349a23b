"""The sign stage: make all signatures and attestations before the first byte is uploaded."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import Attestation, FileComparison, IndexComparison, LocalFile, Signature
from wheel_uploader.pipeline.check_stage import Verdict
from wheel_uploader.pipeline.context import RunContext
from wheel_uploader.pipeline.download_stage import DownloadedRelease
from wheel_uploader.signing import attestations, gpg_signer
from wheel_uploader.wheelhouse.wheelhouse import format_checksums


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRelease:
    """The signatures and attestations of the files, made in this run or before."""

    signatures: tuple[Signature, ...] = ()
    attestations: tuple[Attestation, ...]


def run(context: RunContext, downloaded: DownloadedRelease, verdict: Verdict) -> SignedRelease:
    """Sign and attest the files as the options ask; raise SigningError if anything cannot be signed."""
    signed = SignedRelease(attestations=verdict.attestations)
    if context.signer:
        signed = replace(signed, signatures=sign_files(downloaded, context.signer, context))
        context.record(signatures=signed.signatures)
    if context.attestation_signer and downloaded.wheelhouse and not context.options.dry_run:
        # The transparency log is public: fail on missing credentials before anything is entered there.
        if verdict.destination:
            verdict.destination.target.credentials()
        made = attestations.make_attestations(
            _select_files_to_attest(downloaded.files, verdict.upload_plan),
            verdict.attestations,
            context.attestation_signer,
            downloaded.wheelhouse,
            retries=context.options.retries,
            progress=context.progress,
        )
        signed = replace(signed, attestations=made)
        context.record(attestations=made)
    return signed


def sign_files(
    downloaded: DownloadedRelease, signer: gpg_signer.GpgSigner, context: RunContext
) -> tuple[Signature, ...]:
    """Sign the files and SHA256SUMS; each must still have the contents that were checked."""
    files, checksum_files = downloaded.files, downloaded.checksum_files
    sha256 = {file.path: file.sha256 for file in files}
    sha256 |= dict.fromkeys(checksum_files, hashlib.sha256(format_checksums(files)).hexdigest())
    return gpg_signer.sign_files(
        [*(file.path for file in files), *checksum_files],
        signer,
        sha256_by_path=sha256,
        progress=context.progress,
    )


def _select_files_to_attest(
    files: tuple[LocalFile, ...], plan: tuple[IndexComparison, ...]
) -> list[LocalFile]:
    """Return the files that will be uploaded; all files if they were not compared with an index."""
    on_index = {state.file.filename for state in plan if state.result is FileComparison.SAME}
    return [file for file in files if file.filename not in on_index]

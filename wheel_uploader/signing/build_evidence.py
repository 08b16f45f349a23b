"""Find out whether the expected workflow built each file, by attestations next to it or at GitHub."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence

from wheel_uploader.core import bounds
from wheel_uploader.core.builders import (
    GITHUB,
    Builder,
    BuildIdentity,
    describe_identity,
    find_api_url,
    get_job_server,
    parse_builder,
)
from wheel_uploader.core.errors import CredentialsError, HttpStatusError, NetworkError
from wheel_uploader.core.formatting import join_some
from wheel_uploader.core.models import Attestation, LocalFile, Options
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.redaction import register_secret, strip_url
from wheel_uploader.http.client import HttpClient

_TOKEN_VARIABLES = ("GH_TOKEN", "GITHUB_TOKEN")
_ENTERPRISE_TOKEN_VARIABLES = ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")
#: Attestations of one file at GitHub that are verified.
_MAX_BUNDLES = 30


class _Evidence:
    """The attestations of one file: proven identities, and the problems of the other attestations."""

    def __init__(self) -> None:
        self.identities: list[BuildIdentity] = []
        self.problems: list[str] = []

    def add(self, identity: BuildIdentity | None, problem: str, origin: str) -> None:
        """Add an attestation from ``origin``; its identity counts only without a problem."""
        if problem or identity is None:
            self.problems.append(f"{origin}: {problem or 'its certificate cannot be read'}")
        else:
            self.identities.append(identity)

    def describe(self, builder: Builder) -> str:
        """Return why the file is not proven to be built by ``builder``; empty if it is."""
        if any(map(builder.matches, self.identities)):
            return ""
        if self.identities:
            found = join_some(dict.fromkeys(map(describe_identity, self.identities)))
            return f"its attestation is of {found}, not of {builder}"
        if self.problems:
            return f"it has no valid attestation of {builder}: {join_some(self.problems, 2)}"
        return f"it has no attestation of {builder}, neither next to it nor at GitHub"


def find_unproven_files(
    options: Options, files: Sequence[LocalFile], attestations: Sequence[Attestation], progress: Progress
) -> tuple[tuple[str, str], ...]:
    """Return each file that is not proven to be built by ``--built-by``, with the reason.

    Raises NetworkError if GitHub was needed and did not respond, and StorageError.
    """
    if not options.built_by:
        return ()
    builder = parse_builder(options.built_by)
    evidence = {file.filename: _read_local_evidence(file, attestations) for file in files}
    unproven = [file for file in files if evidence[file.filename].describe(builder)]
    if unproven:
        with _GitHubAttestations(builder.server, options, progress) as api:
            for file in unproven:
                for content in api.fetch(builder.repository, file.sha256):
                    _add_bundle(evidence[file.filename], content, file)
    reasons = ((file.filename, evidence[file.filename].describe(builder)) for file in files)
    return tuple((filename, reason) for filename, reason in reasons if reason)


def _read_local_evidence(file: LocalFile, attestations: Sequence[Attestation]) -> _Evidence:
    evidence = _Evidence()
    for attestation in attestations:
        if attestation.subject_filename == file.filename:
            is_other = attestation.statement_sha256 != file.sha256 and "it is about another file"
            problem = attestation.malformed_reason or attestation.verification_error or is_other or ""
            evidence.add(attestation.identity, problem, attestation.filename)
    return evidence


def _add_bundle(evidence: _Evidence, content: str, file: LocalFile) -> None:
    from wheel_uploader.signing import attestation_verifier

    evidence.add(*attestation_verifier.verify_bundle(content, file.sha256), "an attestation at GitHub")


class _GitHubAttestations:
    """A client of GitHub's attestation API, which sends the token of the environment to it alone."""

    def __init__(self, server: str, options: Options, progress: Progress) -> None:
        # The variable is about the server of this job.
        given = os.environ.get("GITHUB_API_URL", "").strip() if server == get_job_server() else ""
        self._base_url = (given or find_api_url(server)).rstrip("/")
        self._progress = progress
        self._http = HttpClient(
            user_urls=(self._base_url,), timeout=options.timeout, retries=options.retries, progress=progress
        )
        tokens = (os.environ.get(name, "").strip() for name in _choose_token_variables(server))
        token = next(filter(None, tokens), "")
        if token:
            register_secret(token)
            self._http.add_headers(f"{self._base_url}/", {"authorization": f"Bearer {token}"})

    def __enter__(self) -> _GitHubAttestations:
        self._http.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._http.__exit__(*exception)

    def fetch(self, repository: str, sha256: str) -> Iterator[str]:
        """Yield the Sigstore bundles of the file with this hash. Raises NetworkError."""
        url = f"{self._base_url}/repos/{repository}/attestations/sha256:{sha256}?per_page={_MAX_BUNDLES}"
        with self._progress.waiting("check: asking GitHub who built the files"):
            try:
                value = bounds.load_json(self._http.get(url, accept="application/vnd.github+json").body)
            except HttpStatusError as error:
                if error.status == 404:
                    return
                raise _as_unavailable(url, error.message) from None
            except (NetworkError, CredentialsError) as error:
                raise _as_unavailable(url, error.message) from None
            except ValueError:
                raise _as_unavailable(url, "the response is not JSON") from None
        listed = value.get("attestations") if isinstance(value, dict) else None
        for each in (listed if isinstance(listed, list) else [])[:_MAX_BUNDLES]:
            if isinstance(each, dict) and isinstance(each.get("bundle"), dict):
                yield json.dumps(each["bundle"])


def _choose_token_variables(server: str) -> tuple[str, ...]:
    """Return the variables with a token for ``server``; GITHUB_TOKEN of Actions is for its own server."""
    is_own = server == get_job_server()
    if server == GITHUB:
        return _TOKEN_VARIABLES if is_own else _TOKEN_VARIABLES[:1]
    return (*_ENTERPRISE_TOKEN_VARIABLES, *(_TOKEN_VARIABLES[1:] if is_own else ()))


def _as_unavailable(url: str, reason: str) -> NetworkError:
    return NetworkError(
        f"--built-by: GitHub's attestations could not be read: {strip_url(url)}: {reason}",
        hint="Nothing was uploaded: run the same command again, or stage the attestations with the files. A "
        "private repository needs a token in GITHUB_TOKEN.",
    )

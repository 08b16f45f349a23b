"""The upload of single files with twine, and the resolution of the target.

Only the modules of this package import twine.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import requests
import rich
from packaging.utils import canonicalize_name
from requests.auth import AuthBase, HTTPBasicAuth
from twine import auth, utils
from twine.exceptions import TwineException
from twine.package import PackageFile
from twine.repository import TEST_WAREHOUSE, WAREHOUSE_WEB, Repository
from twine.settings import Settings

from wheel_uploader.core import bounds
from wheel_uploader.core.errors import CredentialsError, FileError, StorageError, UsageError
from wheel_uploader.core.models import Attestation, AttestationPolicy, LocalFile, Options, Signature
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.redaction import register_basic_auth, register_secret, sanitize, strip_url
from wheel_uploader.core.urls import urlsplit
from wheel_uploader.http.host_policy import parse_origin
from wheel_uploader.http.proxy_settings import ProxyServer
from wheel_uploader.http.requests_network import Network, find_proxy_problem
from wheel_uploader.index.target import (
    Target,
    find_certificate,
    is_interactive,
    option_or_variable,
    selected_repository,
    validate_upload_url,
)
from wheel_uploader.upload import requests_adapter
from wheel_uploader.upload import response as upload_response
from wheel_uploader.upload.attachments import Attachments
from wheel_uploader.upload.connection_pool import ConnectionPool
from wheel_uploader.upload.credential_values import TOKEN_PREFIX
from wheel_uploader.upload.credentials import PROMPT, CredentialOrigins, CredentialsResolver
from wheel_uploader.upload.package import VerifiedPackage, open_package
from wheel_uploader.upload.pypirc import Pypirc, is_readable_by_others, read_selected_pypirc
from wheel_uploader.upload.response import UploadResponse
from wheel_uploader.upload.response_rules import ResponseKind

# --- target ----------------------------------------------------------------------------------------


def resolve_target(options: Options) -> Target:
    """Return the index that the options, the TWINE_* variables or .pypirc select.

    Uses neither the network nor credentials. Raises UsageError for an index that is not configured or must
    not be uploaded to.
    """
    settings, resolver = _settings(options)
    url = str(settings.repository_config["repository"])
    return Target(
        url=url,
        is_pypi=resolver.is_pypi(),
        is_testpypi=url == utils.TEST_REPOSITORY,
        pages_url={utils.DEFAULT_REPOSITORY: WAREHOUSE_WEB, utils.TEST_REPOSITORY: TEST_WAREHOUSE}.get(
            url, ""
        ),
        name=selected_repository(options).label,
        cert=find_certificate(
            settings.cacert,
            "TWINE_CERT" if options.cert is None and settings.cacert == os.environ.get("TWINE_CERT") else "",
        ),
        client_cert=find_certificate(settings.client_cert),
    )


def _settings(options: Options) -> tuple[Settings, CredentialsResolver]:
    """Return twine's Settings for these options, and the credentials resolver to use with them."""
    selected = selected_repository(options)
    name = selected.name
    config_file = str(options.config_file or utils.DEFAULT_CONFIG_FILE)
    pypirc = read_selected_pypirc(options)
    section = pypirc.select(name) if pypirc else {}
    raw_url = selected.url or section["repository"]
    url, username, password = validate_upload_url(raw_url, options.allow_insecure_hosts)
    url = _canonicalize_pypi_url(url)
    try:
        settings = Settings(
            username=option_or_variable(options.username, "TWINE_USERNAME"),
            password=option_or_variable(options.password, "TWINE_PASSWORD"),
            config_file=config_file,
            cacert=option_or_variable(options.cert, "TWINE_CERT") or section.get("ca_cert"),
            client_cert=str(options.client_cert) if options.client_cert else section.get("client_cert"),
            # With a URL, twine does not read .pypirc, whose content is known already.
            repository_name=name,
            repository_url=url,
            disable_progress_bar=True,
        )
        config = settings.repository_config
        config["repository"] = utils.normalize_repository_url(url)
        config |= {key: section[key] for key in ("username", "password") if key in section}
        settings.check_repository_url()
    except (TwineException, ValueError):
        raise UsageError(
            f"unsupported upload URL: {sanitize(strip_url(url))}",
            hint="For PyPI omit the URL, or use -r pypi or -r testpypi.",
        ) from None
    if username and config.get("username") is None:
        config["username"], config["password"] = username, config.get("password") or password
    for secret in (settings.auth.input.password, config.get("password")):
        register_secret(secret)
    resolver = CredentialsResolver(
        config,
        settings.auth.input,
        is_interactive=is_interactive(options),
        client_cert=find_certificate(settings.client_cert),
    )
    resolver.origins = CredentialOrigins(
        username=_find_origin("username", options, resolver, section, f"[{name}] of {config_file}"),
        password=_find_origin("password", options, resolver, section, f"[{name}] of {config_file}"),
        pypirc_note=_pypirc_note(pypirc, name),
    )
    return settings, resolver


def _pypirc_note(pypirc: Pypirc | None, name: str) -> str:
    """Return why .pypirc has no password for the repository, if the reason may surprise; else nothing."""
    if pypirc is None:
        return ""
    section = f"the section [{sanitize(name)}] of {sanitize(pypirc.path)}"
    if name in pypirc.unlisted:
        return f"{section} is not used: it is not listed in index-servers"
    unknown = pypirc.unknown_keys.get(name)
    return f"{section} has keys that are not read: {', '.join(map(sanitize, unknown))}" if unknown else ""


def _canonicalize_pypi_url(url: str) -> str:
    """Return PyPI's or TestPyPI's upload URL as twine spells it, for any spelling of it.

    It may have capitals, the default port, a trailing dot of the host, or no trailing slash, with which PyPI
    would redirect.
    """
    for known_url in (utils.DEFAULT_REPOSITORY, utils.TEST_REPOSITORY):
        has_same_path = urlsplit(url).path.rstrip("/") == urlsplit(known_url).path.rstrip("/")
        if has_same_path and _parse_dotless_origin(url) == _parse_dotless_origin(known_url):
            return str(known_url)
    return url


def _parse_dotless_origin(url: str) -> tuple[str, str, int | None]:
    origin = parse_origin(url)
    return origin.scheme, origin.host.rstrip("."), origin.port


def _find_origin(
    name: str, options: Options, resolver: CredentialsResolver, section: Mapping[str, str], label: str
) -> str:
    """Return where the user name or password comes from; empty if no option, variable or file has it."""
    variable = f"TWINE_{name.upper()}"
    given = option_or_variable(getattr(options, name), variable)
    if given or (given is not None and not resolver.is_pypi()):
        return variable if getattr(options, name) is None else f"--{name}"
    if resolver.config.get(name) is None:
        return ""
    return label if name in section else "the upload URL"


# --- upload ----------------------------------------------------------------------------------------


class _Connection(Repository):
    """twine's Repository over a connection that is reused for several files."""

    def __init__(self, url: str, adapter: requests_adapter.UploadAdapter) -> None:
        super().__init__(url, None, None, disable_progress_bar=True)
        self.adapter = adapter
        # requests parses the Location of a redirect that it does not follow, and fails on some.
        self.session.get_redirect_target = lambda _response: None  # type: ignore[assignment]

    def send(self, package: VerifiedPackage) -> requests.Response:
        """Upload ``package`` once, as twine does, but from the file that is already open."""
        self._content = package.content
        return self.upload(package, max_redirects=1)

    def _upload(self, package: PackageFile) -> requests.Response:
        form = self._convert_metadata_to_list_of_tuples(package.metadata_dictionary())
        form += [(":action", "file_upload"), ("protocol_version", "1")]
        body = requests_adapter.encode_form(
            [*form, ("content", requests_adapter.file_field(package.basefilename, self._content))]
        )
        return self.session.post(
            self.url, data=body, allow_redirects=False, headers={"Content-Type": body.content_type}
        )


@contextlib.contextmanager
def preserved_host_state() -> Iterator[None]:
    """Give rich's console and twine's log, which twine changes, back to the host process at the end."""
    console, log = rich.get_console(), logging.getLogger("twine")
    quiet, handlers, level = console.quiet, log.handlers, log.level
    try:
        yield
    finally:
        console.quiet, log.handlers = quiet, handlers
        log.setLevel(level)


class TwineUploader:
    """Uploads files to one index, from any thread."""

    def __init__(self, options: Options, target: Target, progress: Progress) -> None:
        self._settings, self._resolver = _settings(options)
        self._target = target
        self._progress = progress
        self._timeout = options.timeout
        self._network = Network(str(target.cert) if target.cert else True)
        self._resolver.index_network = self._network
        self._along = Attachments(target)
        self._connections = ConnectionPool(self._connect)
        self._login: AuthBase | None = None
        self._credentials: tuple[str, str] | None = None
        #: The login of the run, for messages; empty if it is not known yet.
        self.login = ""
        self._reported: set[str] = set()
        rich.get_console().quiet = True
        logging.getLogger("twine").handlers = [requests_adapter.ProgressLogHandler(progress)]
        file = Path(options.config_file or utils.DEFAULT_CONFIG_FILE).expanduser()
        is_file_used = selected_repository(options).is_in_pypirc
        if is_file_used and self._resolver.config.get("password") and is_readable_by_others(file):
            progress.info(
                f"warning: {file} contains a password and is readable by other users; run: chmod 600 {file}"
            )

    def set_signatures(self, signatures: Sequence[Signature]) -> None:
        """Upload these signatures with their files, if the index stores them."""
        self._along.set_signatures(signatures)

    def set_attestations(self, attestations: Sequence[Attestation], mode: AttestationPolicy) -> bool:
        """Upload these with their files, or print why the index accepts none; call ``credentials`` before."""
        trusted = isinstance(self._login, auth.TrustedPublishingAuthenticator)
        reason = (
            self._along.set_attestations(attestations, mode, is_trusted_publisher=trusted)
            if attestations
            else ""
        )
        if reason:
            self._progress.info(f"attestations are not uploaded: {reason}")
        return bool(attestations) and not reason

    def prepare_login(self, *, is_required: bool) -> None:
        """Report how the run will log in, before anything slow begins; prompt if nothing else helps.

        Raises CredentialsError if there is no way, unless the login is not required.
        """
        resolver = self._resolver
        with self._progress.waiting("login: asking the keyring"):
            way = resolver.describe_known()
        self._report_warnings()
        self._require_token(resolver.input.password)
        if not way and not is_required:
            self._progress.info(f"no login is known for {self._target.name}; this run does not need one")
            return
        if not way:
            if not resolver.may_prompt:
                raise resolver.explain_missing()
            credentials = self.credentials()
            username, origins = (credentials or ("",))[0], resolver.origins
            way = resolver.describe(username, origins.username or PROMPT, origins.password or PROMPT)
        self.login = way
        self._progress.info(f"login: {way}")

    def _report_warnings(self) -> None:
        for warning in self._resolver.warnings:
            if warning not in self._reported:
                self._progress.info(f"warning: {warning}")
                self._reported.add(warning)

    def find_stored_password(self) -> tuple[str, str]:
        """Return the stored password and its origin, without a prompt; empty if there is none."""
        return self._resolver.find_stored_password()

    def credentials(self) -> tuple[str, str] | None:
        """Return user name and password; None for an index without authentication.

        The sources are the arguments, TWINE_*, .pypirc, keyring, trusted publishing and the prompt, in this
        order. They are searched once, in the thread that calls first. Raises CredentialsError if there are
        none.
        """
        if self._login is None:
            self._credentials = self._find_credentials()
            self._login = self._authenticator()
        return self._credentials

    def _find_credentials(self) -> tuple[str, str] | None:
        resolver = self._resolver
        resolver.check_known_values()
        try:
            username, password = resolver.username or "", resolver.password or ""
        except CredentialsError:
            if self._target.client_cert:
                return None
            raise
        if not username and not password:
            return None
        register_basic_auth(username, password)
        resolver.check_pair(username, password)
        self._report_warnings()
        self._require_token(password)
        return username, password

    def _require_token(self, password: str | None) -> None:
        if self._target.is_pypi and password is not None and not password.startswith(TOKEN_PREFIX):
            raise CredentialsError(
                f"{self._target.name} accepts only API tokens, and this password does not start with "
                f"'{TOKEN_PREFIX}'",
                hint="Create an API token in the account settings and set TWINE_PASSWORD to it.",
            )

    def _authenticator(self) -> AuthBase:
        if self._credentials is None:
            return requests_adapter.NoAuth()
        authenticator = self._resolver.authenticator if all(self._credentials) else None
        if isinstance(authenticator, auth.TrustedPublishingAuthenticator):
            # It requests a new token when the first one expires after 15 minutes.
            return authenticator
        # Bytes, because requests would encode text as Latin-1.
        username, password = (text.encode() for text in self._credentials)
        return HTTPBasicAuth(username, password)

    def upload(self, file: LocalFile) -> UploadResponse:
        """Upload ``file`` once, without retries, and return the response.

        Raises FileError if it has changed since the check, StorageError if it cannot be read,
        CredentialsError if there are no credentials.
        """
        self.credentials()
        with self._package(file) as package, self._progress.file(file.filename, size=file.size) as bar:
            connection = self._connections.acquire()
            with contextlib.ExitStack() as cleanup:
                cleanup.callback(connection.close)
                connection.adapter.start_file(file.size, bar)
                answer = self._send(connection, package)
                if answer.kind is ResponseKind.ACCEPTED:
                    cleanup.pop_all()
                    self._connections.release(connection)
            if answer.kind is not ResponseKind.ACCEPTED:
                bar.advance(-connection.adapter.sent_bytes)
        return answer

    def close(self) -> None:
        """Close the connections after the last file."""
        self._connections.close()

    @contextlib.contextmanager
    def _package(self, file: LocalFile) -> Iterator[VerifiedPackage]:
        """Open the verified file for an upload. Raises FileError if it has changed or twine rejects it."""
        with contextlib.ExitStack() as stack:
            try:
                package = stack.enter_context(open_package(file))
                name, version = package.metadata["name"], package.metadata["version"]
                expected = (file.name.project, file.name.version)
                is_expected = (canonicalize_name(name), bounds.parse_pep440_version(version)) == expected
            except (FileError, StorageError):
                raise
            except Exception as error:  # noqa: BLE001 (metadata parsers raise anything)
                raise FileError(
                    f"twine rejects {file.filename}: {sanitize(str(error))}", hint=_REBUILD
                ) from None
            if not is_expected:
                raise FileError(
                    f"{file.filename}: the metadata is that of {sanitize(f'{name} {version}')}",
                    hint=_REBUILD,
                )
            self._along.attach_to(package, file)
            yield package

    def _connect(self) -> _Connection:
        adapter = requests_adapter.UploadAdapter(self._timeout, self._network)
        repository = _Connection(self._target.url, adapter)
        if self._target.client_cert:
            repository.set_client_certificate(str(self._target.client_cert))
        session = repository.session
        session.auth = self._login
        # The adapter knows proxies and certificates.
        session.trust_env = False
        session.headers["Accept"] = "application/json"
        for scheme in ("https://", "http://"):
            session.mount(scheme, adapter)
        return repository

    @property
    def _forwarding_proxy(self) -> ProxyServer | None:
        """The proxy whose answers look like those of the index, because it is sent whole requests."""
        proxy = self._network.proxies.find_proxy(self._target.url)
        is_forwarding = proxy and not proxy.is_socks and self._target.url.lower().startswith("http:")
        return proxy if is_forwarding else None

    def _send(self, connection: _Connection, package: VerifiedPackage) -> UploadResponse:
        try:
            response = connection.send(package)
        except requests.RequestException as error:
            if proxy_problem := find_proxy_problem(error):
                return upload_response.prevented_by_proxy(proxy_problem)
            problem = requests_adapter.certificate_problem(error)
            return (
                upload_response.untrusted_certificate(problem, self._network.certificates.hint)
                if problem
                else upload_response.missing_response(
                    requests_adapter.failure_cause(error), is_incomplete=not connection.adapter.sent_all
                )
            )
        except OSError as error:
            raise StorageError(f"cannot read {package.filename}: {error.strerror}") from None
        with response:
            return upload_response.classify_response(
                response.status_code,
                response.reason or "",
                response.headers,
                _decode_body(response),
                url=self._target.url,
                proxy=self._forwarding_proxy,
            )


def _decode_body(response: requests.Response) -> str:
    """Return the text of a body. Without a stated encoding, requests takes HTML for Latin-1."""
    if "charset" not in response.headers.get("Content-Type", "").lower():
        with contextlib.suppress(UnicodeDecodeError):
            return response.content.decode("utf-8-sig")
    return response.text


_REBUILD = "Rebuild the file, then run the command again."

"""Where to upload to, and one file posted: with resolver.py the one home of twine (and requests)."""

from __future__ import annotations

import configparser
import contextlib
import logging
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import requests
import rich
from packaging.utils import canonicalize_name
from requests.auth import AuthBase, HTTPBasicAuth
from twine import auth, utils
from twine.exceptions import TwineException, UnableToReadConfigurationFile
from twine.package import PackageFile
from twine.repository import TEST_WAREHOUSE, WAREHOUSE_WEB, Repository
from twine.settings import Settings

from wheel_uploader import bounded
from wheel_uploader.display import bare_url, printable, remember_basic_auth, remember_secret
from wheel_uploader.errors import CredentialsError, FileError, StorageError, UsageError
from wheel_uploader.models import Attestation, Attestations, LocalFile, Options, Signature
from wheel_uploader.ownership import untrusted
from wheel_uploader.progress import Progress
from wheel_uploader.publish import answers, sending
from wheel_uploader.publish.along import Along
from wheel_uploader.publish.answer_rules import Kind
from wheel_uploader.publish.answers import Answer
from wheel_uploader.publish.connections import Connections
from wheel_uploader.publish.package import Package, opened
from wheel_uploader.publish.resolver import Resolver
from wheel_uploader.publish.target import (
    Target,
    certificate,
    checked_url,
    given,
    may_ask,
    wanted,
)

# --- where to --------------------------------------------------------------------------------------


def resolve_target(options: Options) -> Target:
    """The index that the options, the TWINE_* variables and .pypirc name; no network, no credentials.

    Raises UsageError for one that is not configured, or that must not be posted to.
    """
    settings = _settings(options)
    name, given_url = wanted(options)
    url = str(settings.repository_config["repository"])
    return Target(
        url=url,
        is_pypi=settings.auth.is_pypi(),
        is_trial=url == utils.TEST_REPOSITORY,
        pages={utils.DEFAULT_REPOSITORY: WAREHOUSE_WEB, utils.TEST_REPOSITORY: TEST_WAREHOUSE}.get(url, ""),
        name=bare_url(url) if given_url else name,
        cert=certificate(settings.cacert),
        client_cert=certificate(settings.client_cert),
    )


def _settings(options: Options) -> Settings:
    """twine's Settings for these options, with our way to find credentials."""
    name, given_url = wanted(options)
    config_file = str(options.config_file or utils.DEFAULT_CONFIG_FILE)
    if not (options.config_file or given_url):
        _require_own(Path(config_file).expanduser())
    raw_url = given_url or _configured_url(name, config_file)
    url, username, password = checked_url(raw_url, options.allow_insecure_hosts)
    if f"{url}/" in (utils.DEFAULT_REPOSITORY, utils.TEST_REPOSITORY):
        url += "/"  # PyPI would answer with a redirect
    try:
        settings = Settings(
            username=given(options.username, "TWINE_USERNAME"),
            password=given(options.password, "TWINE_PASSWORD"),
            config_file=config_file,
            cacert=given(options.cert, "TWINE_CERT") or None,
            client_cert=str(options.client_cert) if options.client_cert else None,
            repository_name=name,
            repository_url=url if given_url else None,
            disable_progress_bar=True,
        )
        config = settings.repository_config
        config["repository"] = utils.normalize_repository_url(url)
        settings.check_repository_url()
    except (TwineException, ValueError):
        raise UsageError(
            f"{printable(bare_url(url))} is not an upload URL that can be used",
            hint="For PyPI itself give no URL at all, or -r pypi or -r testpypi.",
        ) from None
    if username and config.get("username") is None:
        config["username"], config["password"] = username, config.get("password") or password
    for secret in (settings.auth.input.password, config.get("password")):
        remember_secret(secret)
    settings.auth = Resolver(config, settings.auth.input, asks=may_ask(options))
    return settings


def _require_own(path: Path) -> None:
    """Raise UsageError if other users could have written .pypirc: it names the index that gets the token."""
    try:
        reason = untrusted(path)
    except OSError:
        return  # There is none, or it cannot be read, which is told where it is read.
    if reason:
        raise UsageError(
            f"{printable(str(path))} is not used: {printable(reason)}",
            hint=f"If it is the right file, name it: --config-file {printable(str(path))}.",
        )


def _readable_by_others(path: Path) -> bool:
    try:
        return hasattr(os, "geteuid") and bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False


def _configured_url(name: str, config_file: str) -> str:
    """The upload URL of a repository in .pypirc. Raises UsageError, without a word of the file's content."""
    shown = printable(config_file)
    try:
        config = utils.get_config(config_file)
    except OSError as error:
        raise UsageError(f"{shown} cannot be read: {error.strerror}", hint="Correct --config-file.") from None
    except (configparser.Error, UnableToReadConfigurationFile):
        raise UsageError(
            f"{shown} is not a .pypirc: it cannot be parsed",
            hint="It has a [distutils] section with index-servers, and a section for each of them.",
        ) from None
    if name not in config:
        raise UsageError(
            f"{shown} has no repository '{printable(name)}'",
            hint=f"It has {', '.join(map(printable, sorted(config)))}. Or give a URL with --repository-url.",
        )
    url = config[name].get("repository")
    if not url:
        raise UsageError(
            f"the section [{printable(name)}] of {shown} has no upload URL",
            hint="Add a line 'repository = URL' to it.",
        )
    return url


# --- one file posted -------------------------------------------------------------------------------

_TOKEN_PREFIX = "pypi-"  # noqa: S105 (not a secret: what every token of PyPI begins with)


class _Connection(Repository):
    """twine's way to post, over a connection that one file after another may use."""

    def __init__(self, url: str, adapter: sending.Adapter) -> None:
        super().__init__(url, None, None, disable_progress_bar=True)
        self.adapter = adapter

    def _upload(self, package: PackageFile) -> requests.Response:
        """Post as twine does, the bytes that are open already."""
        assert isinstance(package, Package)  # noqa: S101
        form = self._convert_metadata_to_list_of_tuples(package.metadata_dictionary())
        form += [(":action", "file_upload"), ("protocol_version", "1")]
        body = sending.body([*form, ("content", sending.as_field(package.basefilename, package.content))])
        return self.session.post(
            self.url, data=body, allow_redirects=False, headers={"Content-Type": body.content_type}
        )


class Uploader:
    """Posts files to one index, from any thread."""

    def __init__(self, options: Options, target: Target, progress: Progress) -> None:
        self._settings = _settings(options)
        self._target = target
        self._progress = progress
        self._timeout = options.timeout
        self._along = Along(target)
        self._connections = Connections(self._connect)
        self._login: AuthBase | None = None
        self._credentials: tuple[str, str] | None = None
        rich.get_console().quiet = True
        file = Path(options.config_file or utils.DEFAULT_CONFIG_FILE).expanduser()
        if self._settings.repository_config.get("password") and _readable_by_others(file):
            progress.say(f"warning: {file} has a password, and other users can read it: chmod 600 {file}")
        logging.getLogger("twine").handlers = [sending.TalkHandler(progress)]

    def attach(self, signatures: Sequence[Signature]) -> None:
        """Post these along, where the index keeps them."""
        self._along.sign(signatures)

    def send_along(self, attestations: Sequence[Attestation], wanted: Attestations) -> bool:
        """Post these along, or say why the index takes none; ``credentials`` come first."""
        trusted = isinstance(self._login, auth.TrustedPublishingAuthenticator)
        why = self._along.attest(attestations, wanted, trusted=trusted) if attestations else ""
        if why:
            self._progress.say(f"attestations stay here: {why}")
        return bool(attestations) and not why

    def credentials(self) -> tuple[str, str] | None:
        """User name and password: argument, TWINE_*, .pypirc, keyring, trusted publishing, or the person.

        They are looked for once, in the thread that calls first. None for an index that asks nobody. Raises
        CredentialsError when there are none.
        """
        if self._login is None:
            self._credentials = self._find()
            self._login = self._authenticator()
        return self._credentials

    def _find(self) -> tuple[str, str] | None:
        resolver = self._settings.auth
        try:
            username, password = resolver.username or "", resolver.password or ""
        except CredentialsError:
            if self._target.client_cert:
                return None
            raise
        if not username and not password:
            return None
        remember_basic_auth(username, password)
        if self._target.is_pypi and not password.startswith(_TOKEN_PREFIX):
            raise CredentialsError(
                f"{self._target.name} takes API tokens only, and this password is none: tokens begin with "
                f"'{_TOKEN_PREFIX}'",
                hint="Make an API token in the account settings and give it as TWINE_PASSWORD.",
            )
        return username, password

    def _authenticator(self) -> AuthBase:
        if self._credentials is None:
            return sending.Nobody()
        found = self._settings.auth.authenticator if all(self._credentials) else None
        if isinstance(found, auth.TrustedPublishingAuthenticator):
            # Asks for a new token when the first, of 15 minutes, runs out.
            return found
        username, password = (text.encode() for text in self._credentials)
        return HTTPBasicAuth(username, password)  # bytes: requests would take text for Latin-1

    def post(self, file: LocalFile) -> Answer:
        """Post ``file`` once and say what came back; no retry.

        Raises FileError when it is no longer what was checked, StorageError when it cannot be read,
        CredentialsError when there are none.
        """
        self.credentials()
        with self._package(file) as package, self._progress.file(file.filename, size=file.size) as bar:
            connection = self._connections.take()
            with contextlib.ExitStack() as open_one:
                open_one.callback(connection.close)
                connection.adapter.begin(file.size, bar)
                answer = self._send(connection, package)
                if answer.kind is Kind.ACCEPTED:
                    open_one.pop_all()
                    self._connections.keep(connection)
            if answer.kind is not Kind.ACCEPTED:
                bar.advance(-connection.adapter.sent)
        return answer

    def close(self) -> None:
        """Close the connections; no more files come."""
        self._connections.close()

    @contextlib.contextmanager
    def _package(self, file: LocalFile) -> Iterator[Package]:
        """Open the file for posting, with the bytes that were checked. Raises FileError for others."""
        with contextlib.ExitStack() as open_one:
            try:
                package = open_one.enter_context(opened(file))
                name, version = package.metadata["name"], package.metadata["version"]
                belongs = (canonicalize_name(name), bounded.version(version)) == (
                    file.name.project,
                    file.name.version,
                )
            except (FileError, StorageError):
                raise
            except Exception as error:  # noqa: BLE001 (whatever parsers of metadata raise)
                raise FileError(
                    f"{file.filename} cannot be posted: {printable(str(error))}", hint=_REBUILD
                ) from None
            if not belongs:
                raise FileError(
                    f"{file.filename}: twine reads metadata of {printable(f'{name} {version}')} in it",
                    hint=_REBUILD,
                )
            self._along.add_to(package, file)
            yield package

    def _connect(self) -> _Connection:
        adapter = sending.Adapter(self._timeout, cert=self._target.cert)
        repository = _Connection(self._target.url, adapter)
        if self._target.client_cert:
            repository.set_client_certificate(str(self._target.client_cert))
        session = repository.session
        session.auth = self._login
        session.headers["Accept"] = "application/json"
        for scheme in ("https://", "http://"):
            session.mount(scheme, adapter)
        return repository

    def _send(self, connection: _Connection, package: Package) -> Answer:
        try:
            response = connection.upload(package, max_redirects=1)
        except requests.RequestException as error:
            why = sending.distrust(error)
            return answers.not_trusted(why) if why else answers.no_answer(sending.cause(error))
        except OSError as error:
            raise StorageError(f"{package.filename} cannot be read: {error.strerror}") from None
        with response:
            return answers.understand(
                response.status_code,
                response.reason or "",
                response.headers,
                response.text,
                url=self._target.url,
            )


_REBUILD = "Rebuild the file, then run this again."

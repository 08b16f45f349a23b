"""The files of a release in the store of a static index: each with its core metadata and its signature."""

from __future__ import annotations

import contextlib
import hashlib
import io
import threading
from collections.abc import Mapping, Sequence

from wheel_uploader.core.errors import (
    ConflictError,
    CredentialsError,
    HttpStatusError,
    NetworkError,
    TransportError,
)
from wheel_uploader.core.models import FileComparison, IndexComparison, IndexFile, LocalFile
from wheel_uploader.core.progress import Progress
from wheel_uploader.core.verified_file import VerifiedFile
from wheel_uploader.http.retry import RETRYABLE_STATUSES
from wheel_uploader.targets.static_index.file_facts import FileFacts, read_file_facts
from wheel_uploader.targets.static_index.new_file import NewFile
from wheel_uploader.targets.static_index.object_store import NewObject, PreconditionFailed, StoredFile
from wheel_uploader.targets.static_index.static_index import StaticIndex
from wheel_uploader.upload.response import UploadResponse
from wheel_uploader.upload.response_rules import ResponseKind

_BINARY, _TEXT = "application/octet-stream", "text/plain; charset=utf-8"


class StoredFiles:
    """Creates the files of a release, and compares them with the objects of the store."""

    def __init__(self, static: StaticIndex, progress: Progress) -> None:
        self._static = static
        self._store = static.store
        self._progress = progress
        #: Signatures to store, by the name of the signed file.
        self.signatures: Mapping[str, bytes] = {}
        self._facts: dict[str, FileFacts] = {}
        #: Keys of metadata and signatures that the store has with our bytes.
        self._stored_companions: set[str] = set()
        self._told: set[str] = set()
        #: The files of each project that was read, before this run changed its pages.
        self._listed_files: dict[str, Sequence[IndexFile]] = {}
        self._lock = threading.Lock()

    def remember(self, project: str, files: Sequence[IndexFile]) -> None:
        """Remember the files that the pages of a project list: they show where files are."""
        with self._lock:
            self._listed_files[project] = files

    def tell(self, problem: str) -> None:
        """Print a warning, once."""
        if problem not in self._told:
            self._told.add(problem)
            self._progress.info(f"warning: {problem}")

    def compare_with_companions(self, project: str, file: LocalFile) -> IndexComparison:
        """Compare a file with the object of its name.

        It is absent as long as its metadata or signature is: the next attempt then creates these.
        """
        comparison = self.compare_stored(project, file)
        if comparison.result is FileComparison.SAME and not self._has_companions(project, file):
            return IndexComparison(file=file, result=FileComparison.ABSENT)
        return comparison

    def _has_companions(self, project: str, file: LocalFile) -> bool:
        key = self.find_key(project, file)
        companions = self._find_companions(file, self._read_facts(file))
        return all(
            f"{key}{suffix}" in self._stored_companions or self.stat(f"{key}{suffix}")
            for suffix in companions
        )

    def compare_stored(self, project: str, file: LocalFile) -> IndexComparison:
        """Compare a file with the bytes of the object of its name."""
        key = self.find_key(project, file)
        facts = self.stat(key)
        if facts is None:
            return IndexComparison(file=file, result=FileComparison.ABSENT)
        digest = self.hash(key)
        result = FileComparison.SAME if digest == file.sha256 else FileComparison.DIFFERENT
        return IndexComparison(file=file, result=result, index_sha256=digest)

    def stat(self, key: str) -> StoredFile | None:
        """Return the facts of an object, or None if it does not exist."""
        return self._static.attempt(f"look for {key}", lambda: self._store.stat(key))

    def hash(self, key: str) -> str:
        """Return the sha256 of an object, computed from its bytes."""
        return self._static.attempt(f"hash {key}", lambda: self._store.compute_sha256(key))

    def find_key(self, project: str, file: LocalFile) -> str:
        """Return the key of a file: the one that a page links to, else one in the folder for new files."""
        with self._lock:
            if project not in self._listed_files:
                self._listed_files[project] = self._static.read(project, ()).files
            files = self._listed_files[project]
        layout = self._static.find_layout(project)
        for listed in files:
            if listed.filename == file.filename and (key := layout.find_key(listed.url)):
                return key
        return f"{layout.find_folder(project, files, str(file.name.version))}{file.filename}"

    def upload(self, file: LocalFile) -> UploadResponse:
        """Create the file, its core metadata and its signature, unless they are there with the same bytes."""
        key = self.find_key(str(file.name.project), file)
        with (
            VerifiedFile(file.path, file.sha256) as content,
            self._progress.file(file.filename, size=file.size) as bar,
        ):
            facts = self._read_facts(file, content)
            sent: list[int] = []

            def count(size: int) -> None:
                sent.append(size)
                bar.advance(size)

            new = NewObject(
                content=io.BufferedReader(content),
                size=file.size,
                sha256=file.sha256,
                content_type=_BINARY,
                on_sent=count,
            )
            response = self._create(key, new)
            if response.kind is not ResponseKind.ACCEPTED:
                bar.advance(-sum(sent))
        for companion, data in self._find_companions(file, facts).items():
            if response.kind is ResponseKind.ACCEPTED:
                response = self._create_companion(f"{key}{companion}", data)
        return response

    def _find_companions(self, file: LocalFile, facts: FileFacts) -> dict[str, bytes]:
        """Return the contents of the metadata and the signature of a file, by suffix."""
        companions = {".metadata": facts.metadata, ".asc": self.signatures.get(file.filename, b"")}
        return {suffix: data for suffix, data in companions.items() if data}

    def _create_companion(self, key: str, data: bytes) -> UploadResponse:
        """Create the metadata or the signature of a file; another one that is there is left."""
        response = self._create(key, _make_object(data, _TEXT))
        if response.kind is ResponseKind.EXISTS:
            self.tell(f"{response.diagnosis}; it is left as it is")
            return UploadResponse(kind=ResponseKind.ACCEPTED, status=200)
        if response.kind is ResponseKind.ACCEPTED:
            with self._lock:
                self._stored_companions.add(key)
        return response

    def _create(self, key: str, new: NewObject) -> UploadResponse:
        """Create one object, and return the meaning of what the store answered."""
        try:
            try:
                self._store.create(key, new)
            except PreconditionFailed:
                digest = self._store.compute_sha256(key)
                if digest != new.sha256:
                    return self._conflict(key, digest, new.sha256)
        except CredentialsError as error:
            return UploadResponse(
                kind=ResponseKind.REJECTED,
                status=403,
                diagnosis=error.message,
                hint=error.hint,
                error_type=CredentialsError,
                is_final=True,
            )
        except HttpStatusError as error:
            is_temporary = error.status in RETRYABLE_STATUSES
            return UploadResponse(
                kind=ResponseKind.RETRY if is_temporary else ResponseKind.REJECTED,
                status=error.status,
                diagnosis=error.message,
                retry_after=error.retry_after,
                error_type=NetworkError,
            )
        except TransportError as error:
            return UploadResponse(kind=ResponseKind.RETRY, status=0, diagnosis=error.message)
        return UploadResponse(kind=ResponseKind.ACCEPTED, status=200)

    def _conflict(self, key: str, digest: str, expected: str) -> UploadResponse:
        return UploadResponse(
            kind=ResponseKind.EXISTS,
            status=412,
            diagnosis=f"{self._store.location}{key} has other bytes: sha256 {digest}, not {expected}",
            error_type=ConflictError,
            is_final=True,
        )

    def describe(self, project: str, file: LocalFile) -> NewFile:
        """Return the file as the pages list it."""
        facts, key = self._read_facts(file), self.find_key(project, file)
        is_stored = bool(facts.metadata) and self._is_stored(f"{key}.metadata", facts.metadata)
        return NewFile(
            filename=file.filename,
            href=self._static.find_layout(project).make_link(project, key),
            sha256=file.sha256,
            size=file.size,
            version=str(file.name.version),
            requires_python=facts.requires_python,
            metadata_sha256=hashlib.sha256(facts.metadata).hexdigest() if is_stored else "",
            has_signature=file.filename in self.signatures,
        )

    def _is_stored(self, key: str, data: bytes) -> bool:
        """Return whether the store has these bytes: installers reject a file with other metadata."""
        if key in self._stored_companions:
            return True
        return self.stat(key) is not None and self.hash(key) == hashlib.sha256(data).hexdigest()

    def _read_facts(self, file: LocalFile, content: VerifiedFile | None = None) -> FileFacts:
        if file.filename not in self._facts:
            with contextlib.ExitStack() as stack:
                stream = content or stack.enter_context(VerifiedFile(file.path, file.sha256))
                self._facts[file.filename] = read_file_facts(file, stream)
        return self._facts[file.filename]


def _make_object(data: bytes, content_type: str) -> NewObject:
    digest = hashlib.sha256(data).hexdigest()
    return NewObject(content=io.BytesIO(data), size=len(data), sha256=digest, content_type=content_type)

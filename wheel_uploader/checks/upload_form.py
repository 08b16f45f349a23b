"""The core metadata of a file as PyPI receives it: the fields of the upload form.

PyPI judges the form, not METADATA or PKG-INFO, in wheels and sdists alike. twine fills it in with the values
of the file, unchanged, and PyPI drops placeholders from it before it validates anything.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence

from wheel_uploader.checks import core_metadata
from wheel_uploader.checks.core_metadata import ArchiveContent, CoreMetadata
from wheel_uploader.core.lazy_dataclass import dataclass

#: Fields that twine does not send.
_NOT_SENT = frozenset({"import_names", "import_namespaces"})
#: twine sends License-File only from this metadata version on; setuptools wrote it before it existed.
_FIRST_WITH_LICENSE_FILES = (2, 4)
_PLACEHOLDER = "UNKNOWN"
#: Characters that twine replaces in a project name.
_UNSAFE_IN_NAME = re.compile(r"[^A-Za-z0-9.]+")
_NUL, _ESCAPED_NUL = "\0", "\\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadForm:
    """Values by field, named as in ``packaging.metadata``; neither stripped nor normalized."""

    values: Mapping[str, tuple[str, ...]]

    def get_text(self, field: str) -> str:
        """Return the value of a single-use field; empty if PyPI does not receive it."""
        return next(iter(self.values.get(field, ())), "")

    def get_values(self, field: str) -> tuple[str, ...]:
        """Return the values of a multiple-use field that PyPI receives."""
        return self.values.get(field, ())

    @property
    def project_urls(self) -> list[tuple[str, str]]:
        """The label and the URL of each Project-URL."""
        pairs = (value.partition(",") for value in self.get_values("project_urls"))
        return [(label.strip(), url.strip()) for label, _, url in pairs]


def read_upload_form(content: ArchiveContent) -> UploadForm:
    """Return the form for ``content``; it has no fields if the metadata cannot be parsed."""
    data = content.retained_members.get(core_metadata.get_metadata_path(content))
    return UploadForm(values={}) if data is None else _parse_upload_form(data)


@functools.lru_cache(maxsize=64)
def _parse_upload_form(data: bytes) -> UploadForm:
    metadata = core_metadata.parse_core_metadata(data)
    return fill_in_form(metadata) if metadata else UploadForm(values={})


def fill_in_form(metadata: CoreMetadata) -> UploadForm:
    """Return the fields that twine sends, as PyPI reads them."""
    values: dict[str, tuple[str, ...]] = {}
    for field, value in metadata.fields.items():
        if field in _NOT_SENT or (field == "license_files" and metadata.version < _FIRST_WITH_LICENSE_FILES):
            continue
        if received := _receive(_format_for_form(field, value)):
            values[field] = received
    return UploadForm(values=values)


def _format_for_form(field: str, value: str | Sequence[str] | Mapping[str, str]) -> list[str]:
    """Return the values of one field as twine writes them into the form."""
    if isinstance(value, Mapping):
        return [f"{label}, {url}" for label, url in value.items()]
    if not isinstance(value, str):
        return [", ".join(value)] if field == "keywords" else list(value)
    return [_UNSAFE_IN_NAME.sub("-", value) if field == "name" else value]


def _receive(sent: Sequence[str]) -> tuple[str, ...]:
    """Return the values of one field as PyPI reads them.

    It decides by the last value: UNKNOWN removes all of them, and one with NUL characters, which it escapes,
    replaces all of them. An empty value counts as none.
    """
    if not sent or sent[-1].strip() == _PLACEHOLDER:
        return ()
    if _NUL in sent[-1]:
        return (sent[-1].replace(_NUL, _ESCAPED_NUL),)
    return () if list(sent) == [""] else tuple(sent)

"""The upload of a file's bytes to the storage of anaconda.org, which never gets the token."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence

from wheel_uploader.core.errors import NetworkError
from wheel_uploader.core.progress import ProgressCounter
from wheel_uploader.core.redaction import sanitize_url
from wheel_uploader.core.verified_file import VerifiedFile
from wheel_uploader.http.client import HttpClient, Page

_MAX_FIELDS, _MAX_FIELD_LENGTH = 100, 20_000


def check_form(post_url: object, form_data: object) -> tuple[str, dict[str, str]]:
    """Return the URL and the fields of the form that the API asks for. Raises NetworkError."""
    if not isinstance(post_url, str) or not isinstance(form_data, dict) or len(form_data) > _MAX_FIELDS:
        raise NetworkError("the API returned no form for the upload")
    fields = {}
    for name, value in form_data.items():
        text = str(value) if isinstance(value, int) else value
        if not isinstance(text, str) or len(text) + len(name) > _MAX_FIELD_LENGTH or _breaks_header(name):
            raise NetworkError("the API returned an invalid form for the upload")
        fields[name] = text
    return post_url, fields


def _breaks_header(name: str) -> bool:
    return any(character in name for character in '\r\n"') or not name.isprintable()


def post_form(
    http: HttpClient,
    url: str,
    fields: Mapping[str, str],
    filename: str,
    content: VerifiedFile,
    bar: ProgressCounter,
) -> Page:
    """Post the form with the verified bytes as its last field, and return the answer. Raises NetworkError."""
    boundary = secrets.token_hex(16)
    head = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    head += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    start, end = head.encode(), f"\r\n--{boundary}--\r\n".encode()
    pieces = _iter_pieces([start], content, [end], bar)
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    try:
        return http.send(
            "POST", url, content=pieces, size=len(start) + content.size + len(end), headers=headers
        )
    except NetworkError as error:
        raise error.with_details(f"while sending {filename} to {sanitize_url(url)}") from error.__cause__


def _iter_pieces(
    before: Sequence[bytes], content: VerifiedFile, after: Sequence[bytes], bar: ProgressCounter
) -> Iterator[bytes]:
    yield from before
    for block in content.iter_blocks():
        yield block
        bar.advance(len(block))
    yield from after

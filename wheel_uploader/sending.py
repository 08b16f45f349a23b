"""One POST on its way: limits, progress, and why no answer came. With upload.py the home of requests."""

from __future__ import annotations

import contextlib
import io
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests_toolbelt import MultipartEncoderMonitor  # type: ignore[import-untyped]

from wheel_uploader.progress import Bar

#: An index needs time to store what it got: PyPI stops a worker after 240 s, 8 times the usual silence.
ANSWER_FACTOR = 8
#: Bytes of an answer that are read.
_LONGEST_ANSWER = 64 * 1024


class Nobody(AuthBase):
    """No credentials at all: without it requests would look into netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class Adapter(HTTPAdapter):
    """Sends one request once, with limits and a progress bar of our own; reads only so much of the answer."""

    def __init__(self, timeout: float, *, cert: Path | None, size: int, bar: Bar) -> None:
        """``timeout``: seconds without a byte taken; the answer may take ANSWER_FACTOR times as long."""
        super().__init__(max_retries=0)
        self._fixed: dict[str, Any] = {"timeout": (timeout, timeout * ANSWER_FACTOR), "stream": True}
        if cert:
            # Here, for requests lets REQUESTS_CA_BUNDLE win over what a session was told.
            self._fixed["verify"] = str(cert)
        self._size = size
        self._bar = bar
        #: Bytes of the file that are on their way.
        self.sent = 0

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        # What twine sends, and nothing else, comes this way.
        body: Any = request.body
        body.callback = self._progress
        response = super().send(request, *args, **{**kwargs, **self._fixed})
        raw, answer = response.raw, b""
        with contextlib.suppress(urllib3.exceptions.HTTPError):  # The status is here; the rest is only words.
            answer = raw.read(_LONGEST_ANSWER, decode_content=True)
        raw.close()
        response.raw = io.BytesIO(answer)
        return response

    def _progress(self, monitor: MultipartEncoderMonitor) -> None:
        # The form's other fields come first, the file last.
        done = min(max(0, monitor.bytes_read - (monitor.len - self._size)), self._size)
        self._bar.advance(done - self.sent)
        self.sent = done


def distrust(error: BaseException) -> str:
    """Why a certificate did not verify; empty when that was not the trouble."""
    return next(
        (each.verify_message for each in _chain(error) if isinstance(each, ssl.SSLCertVerificationError)), ""
    )


def cause(error: BaseException) -> str:
    """Why no answer came, in a clause without URLs and addresses of objects."""
    if isinstance(error, requests.exceptions.ReadTimeout):
        return "the index did not answer in time"
    chain = list(_chain(error))
    if any(isinstance(each, urllib3.exceptions.NameResolutionError) for each in chain):
        return "the name of the index cannot be resolved"
    why = next((each.strerror for each in reversed(chain) if isinstance(each, OSError) and each.strerror), "")
    unreached = (urllib3.exceptions.NewConnectionError, requests.exceptions.ConnectTimeout)
    if any(isinstance(each, unreached) for each in chain):
        return f"the index cannot be reached ({why or 'it took too long'})"
    return f"the connection broke before an answer came ({why or type(chain[-1]).__name__})"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and those that it wraps, in whichever of the ways that requests and urllib3 use."""
    waiting, seen = [error], set()
    while waiting:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        inner = [*each.args, getattr(each, "reason", None), each.__cause__, each.__context__]
        waiting += [other for other in inner if isinstance(other, BaseException)]

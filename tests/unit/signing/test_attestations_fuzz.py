"""Mutated attestations: reading, verifying and checking them never raises, and none of them verifies."""

from __future__ import annotations

import base64
import copy
import functools
import json
import logging
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version
from pypi_attestations import Attestation as SignedAttestation
from sigstore.models import Bundle

from tests.support.sigstores import Sigstore, statement
from tools.testing import wheels
from tools.testing.staging import sha256
from wheel_uploader import checks
from wheel_uploader.checks.release_content import ReleaseContent
from wheel_uploader.core.filenames import parse_filename
from wheel_uploader.core.models import (
    Attestation,
    CheckProfile,
    DownloadOutcome,
    LocalAttestationFile,
    LocalFile,
    Severity,
)
from wheel_uploader.signing import attestation_verifier

WHEEL = wheels.wheel_filename("dipy", "1.11.0")
DATA = wheels.wheel_bytes()
NAME = f"{WHEEL}.publish.attestation"

_SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
#: Values that a parser may not expect at any place of a JSON document.
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**63, 2**64, -1, 10**400, 1e308, "", "\0", "\ud800", "A" * 5000, "//8=", [], {}, [[]]]),
    st.text(max_size=20),
    st.binary(max_size=200).map(lambda data: base64.b64encode(data).decode()),
)


@functools.cache
def _sigstore() -> tuple[Sigstore, str]:
    """Return a Sigstore and the cache directory in which its trust root is installed."""
    folder = tempfile.mkdtemp(prefix="wheel-uploader-fuzz-")
    instance = Sigstore()
    instance.install(Path(folder))
    return instance, folder


@functools.cache
def _good() -> bytes:
    return _sigstore()[0].attestation(WHEEL, DATA)


@functools.cache
def _bundle() -> bytes:
    """Return the attestation as a Sigstore bundle, which people save under its name."""
    bundle = SignedAttestation.model_validate_json(_good()).to_bundle()
    assert isinstance(bundle, Bundle)
    return bundle.to_json().encode()


def _read(content: bytes) -> tuple[Attestation, set[str]]:
    """Return the attestation in a file, and the IDs of the errors about it."""
    companion = LocalAttestationFile(
        subject_filename=WHEEL, path=Path(NAME), content=content, outcome=DownloadOutcome.IN_PLACE
    )
    # sigstore warns about each use of an installed trust root.
    silence = mock.patch.object(logging, "lastResort", None)
    with silence, mock.patch.dict(os.environ, XDG_CACHE_HOME=_sigstore()[1]):
        attestation = attestation_verifier.verify_attestation(companion)
    file = LocalFile(name=parse_filename(WHEEL), path=Path(WHEEL), size=len(DATA), sha256=sha256(DATA))
    release = ReleaseContent(
        project=canonicalize_name("dipy"),
        version=Version("1.11.0"),
        summaries=(),
        files=(file,),
        attestations=(attestation,),
        now=datetime.now(UTC),
    )
    findings = checks.check_release(release, profile=CheckProfile.PYPI)
    for text in (attestation.malformed_reason, attestation.verification_error, attestation.publisher):
        assert text.isprintable()
        assert len(text) < 400
    return attestation, {finding.check for finding in findings if finding.severity is Severity.ERROR}


def _places(document: Any) -> list[tuple[Any, ...]]:
    """Return the places of all values in a JSON document, as the keys and indexes that lead to them."""
    places: list[tuple[Any, ...]] = []
    pending: list[tuple[tuple[Any, ...], Any]] = [((), document)]
    while pending:
        place, value = pending.pop()
        places.append(place)
        keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        pending += [((*place, key), value[key]) for key in keys]
    return places


def _draw_mutated_text(draw: st.DrawFn, text: str) -> str:
    """Return text with a few bytes of it, or of what it encodes in base64, replaced, cut or added."""
    try:
        data, encode = bytearray(base64.b64decode(text, validate=True)), True
    except ValueError:
        data, encode = bytearray(text.encode("utf-8", "surrogatepass")), False
    start = draw(st.integers(0, len(data)))
    data[start : start + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return base64.b64encode(data).decode() if encode else data.decode("latin-1")


@st.composite
def mutated_json(draw: st.DrawFn, good: Any) -> bytes:
    """Return a JSON document with a few values replaced, changed, removed, or copied to another place."""
    document = copy.deepcopy(json.loads(good()))
    for _ in range(draw(st.integers(1, 3))):
        *above, key = draw(st.sampled_from(_places(document)[1:] or [("x",)]))
        container = document
        for step in above:
            container = container[step]
        match draw(st.sampled_from(["replace", "change", "remove", "copy"])):
            case "remove":
                del container[key]
            case "copy":
                source: Any = document
                for step in draw(st.sampled_from(_places(document))):
                    source = source[step]
                container[key] = copy.deepcopy(source)
            case "change" if isinstance(container[key], str):
                container[key] = _draw_mutated_text(draw, container[key])
            case _:
                # A copy, because the lists and dicts among them are changed by the next step.
                container[key] = copy.deepcopy(draw(VALUES))
        if not isinstance(document, dict | list) or not document:
            break
    return json.dumps(document).encode()


@st.composite
def mutated_bytes(draw: st.DrawFn) -> bytes:
    """Return an attestation or a bundle with a part overwritten, removed or repeated, or any bytes."""
    data = bytearray(draw(st.sampled_from([_good(), _bundle()])))
    start = draw(st.integers(0, len(data)))
    match draw(st.sampled_from(["set", "cut", "repeat", "any"])):
        case "set":
            new = draw(st.binary(min_size=1, max_size=4))
            data[start : start + len(new)] = new
        case "cut":
            del data[start : start + draw(st.integers(1, 4000))]
        case "repeat":
            data[start:start] = data[start : start + 100] * draw(st.integers(1, 200))
        case _:
            return draw(st.binary(max_size=300))
    return bytes(data)


def test_good_attestation_verifies_and_its_bundle_is_malformed() -> None:
    attestation, errors = _read(_good())
    assert (attestation.malformed_reason, attestation.verification_error, errors) == ("", "", set())
    assert _read(_bundle())[1] == {"attestation/malformed"}


def _assert_invalid_unless_equal(content: bytes) -> None:
    """Read ``content``: it is reported, unless it has the signed parts of the good attestation."""
    attestation, errors = _read(content)
    if attestation.malformed_reason or attestation.verification_error:
        assert errors & {"attestation/malformed", "attestation/not-verified"}
    else:
        assert json.loads(content)["envelope"] == json.loads(_good())["envelope"]
        assert errors == set()


@_SETTINGS
@given(mutated_json(_good))
def test_mutated_attestation_is_rejected_or_means_the_same(content: bytes) -> None:
    _assert_invalid_unless_equal(content)


@_SETTINGS
@given(mutated_json(_bundle))
def test_mutated_bundle_is_malformed(content: bytes) -> None:
    assert _read(content)[1] == {"attestation/malformed"}


@_SETTINGS
@given(mutated_bytes())
def test_mutated_file_is_rejected_or_means_the_same(content: bytes) -> None:
    _assert_invalid_unless_equal(content)


@settings(_SETTINGS, max_examples=80)
@given(mutated_json(lambda: statement(WHEEL, DATA)))
def test_signed_hostile_statement_is_rejected_or_names_the_file(payload: bytes) -> None:
    """The signature is valid, but the statement may say anything."""
    attestation, errors = _read(_sigstore()[0].attestation(WHEEL, DATA, content=payload))
    if not errors:
        assert attestation.statement_sha256 == sha256(DATA)
        assert parse_filename(attestation.statement_subject) == parse_filename(WHEEL)
        assert attestation.short_type

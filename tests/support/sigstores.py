"""A Sigstore on loopback: its certificate authority, its two logs, and a CI's identity service.

The keys and the root of trust are made for the tests; the root of trust replaces the real one in sigstore's
cache. Everything that sigstore and pypi-attestations do with it is real.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from pypi_attestations import (
    Attestation,
    AttestationType,
    Distribution,
    Envelope,
    GitHubPublisher,
    VerificationMaterial,
)
from sigstore._internal.tuf import DEFAULT_TUF_URL

from tools.testing.indexes import Post
from tools.testing.serving import serve_in_thread

PUBLISH = AttestationType.PYPI_PUBLISH_V1.value
SLSA = AttestationType.SLSA_PROVENANCE_V1.value
REPOSITORY = "dipy/dipy"
WORKFLOW = "release.yml"

_TYPE = "application/vnd.in-toto+json"
_SCT = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_CLAIM = "1.3.6.1.4.1.57264.1"


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _utf8(text: str) -> bytes:
    """Return the DER encoding of a UTF8String."""
    data = text.encode()
    length = bytes([len(data)]) if len(data) < 128 else bytes([0x81, len(data)])
    return b"\x0c" + length + data


def _octets(data: bytes) -> bytes:
    return b"\x04" + (bytes([len(data)]) if len(data) < 128 else bytes([0x81, len(data)])) + data


def _sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def statement(
    filename: str, data: bytes, *, predicate_type: str = PUBLISH, subjects: Sequence[object] | None = None
) -> bytes:
    """Return an attestation's statement about a file."""
    subject = {"name": filename, "digest": {"sha256": hashlib.sha256(data).hexdigest()}}
    values = {"_type": "https://in-toto.io/Statement/v1", "predicateType": predicate_type, "predicate": None}
    return json.dumps(values | {"subject": [subject] if subjects is None else list(subjects)}).encode()


@dataclass(frozen=True)
class Identity:
    """The identity of a CI job: a workflow of a repository."""

    repository: str = REPOSITORY
    workflow: str = WORKFLOW
    server: str = "https://github.com"
    issuer: str = "https://token.actions.githubusercontent.com"

    @property
    def uri(self) -> str:
        return f"{self.server}/{self.repository}/.github/workflows/{self.workflow}@refs/tags/v1"

    def claims(self) -> dict[int, str]:
        """Return the claims in a certificate by Fulcio, by the last number of the OID."""
        return {
            8: self.issuer,
            12: f"{self.server}/{self.repository}",
            14: "refs/tags/v1",
            18: self.uri,
        }


class Sigstore:
    """The keys of a Sigstore, which make its certificates and log entries."""

    def __init__(self) -> None:
        self._ca_key, self._ct_key, self._log_key = (
            ec.generate_private_key(ec.SECP256R1()) for _ in range(3)
        )
        self._ca = self._authority()

    def attestation(
        self,
        filename: str,
        data: bytes,
        *,
        predicate_type: str = PUBLISH,
        identity: Identity | x509.GeneralName | None = None,
        content: bytes | None = None,
    ) -> bytes:
        """Return an attestation of a file as it is staged; ``content`` replaces the statement."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self.certificate(key.public_key(), identity or Identity())
        payload = content or statement(filename, data, predicate_type=predicate_type)
        signature = _sign(key, b"DSSEv1 %d %s %d %s" % (len(_TYPE), _TYPE.encode(), len(payload), payload))
        envelope = {"payload": _b64(payload), "payloadType": _TYPE, "signatures": [{"sig": _b64(signature)}]}
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        entry = next(iter(self.entry(json.dumps(envelope), _b64(pem)).values()))
        attestation = Attestation(
            version=1,
            verification_material=VerificationMaterial(
                certificate=base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)),
                transparency_entries=[_as_bundled(entry)],  # type: ignore[list-item]
            ),
            envelope=Envelope(statement=base64.b64encode(payload), signature=base64.b64encode(signature)),
        )
        return attestation.model_dump_json().encode()

    # --- Fulcio ----------------------------------------------------------------------------------------

    def _authority(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a Sigstore for tests")])
        public = self._ca_key.public_key()
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self._ca_key, hashes.SHA256())
        )

    def certificate(
        self, public: ec.EllipticCurvePublicKey, identity: Identity | x509.GeneralName
    ) -> x509.Certificate:
        """Return a certificate for ten minutes, with the timestamp (SCT) of the certificate log."""
        if isinstance(identity, Identity):
            uri = identity.uri.encode("ascii", "replace").decode()
            name: x509.GeneralName = x509.UniformResourceIdentifier(uri)
            claims = identity.claims()
        else:
            name, claims = identity, {8: "https://accounts.example"}
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self._ca.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(minutes=5))
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._ca_key.public_key()), critical=False
            )
            .add_extension(x509.SubjectAlternativeName([name]), critical=True)
        )
        for number, value in claims.items():
            oid = x509.ObjectIdentifier(f"{_CLAIM}.{number}")
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, _utf8(value)), critical=False)
        stamp = int(now.timestamp() * 1000)
        # The log signs the certificate without the SCT itself.
        without = _with_sct(builder, self._sct(stamp, b"")).sign(self._ca_key, hashes.SHA256())
        return _with_sct(builder, self._sct(stamp, without.tbs_precertificate_bytes)).sign(
            self._ca_key, hashes.SHA256()
        )

    def _sct(self, stamp: int, tbs: bytes) -> bytes:
        signed = struct.pack("!BBQH", 0, 0, stamp, 1) + hashlib.sha256(_spki(self._ca_key)).digest()
        signed += len(tbs).to_bytes(3) + tbs + b"\0\0"
        signature = _sign(self._ct_key, signed)
        sct = b"\0" + hashlib.sha256(_spki(self._ct_key)).digest() + struct.pack("!Q", stamp) + b"\0\0\4\3"
        sct += struct.pack("!H", len(signature)) + signature
        return struct.pack("!HH", len(sct) + 2, len(sct)) + sct

    # --- Rekor -----------------------------------------------------------------------------------------

    def entry(self, envelope: str, verifier: str) -> dict[str, dict[str, Any]]:
        """Return Rekor's response to an accepted envelope: the only entry of its log."""
        signed = json.loads(envelope)
        payload = base64.b64decode(signed["payload"])
        spec = {
            "envelopeHash": {"algorithm": "sha256", "value": hashlib.sha256(envelope.encode()).hexdigest()},
            "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
            "signatures": [{"signature": signed["signatures"][0]["sig"], "verifier": verifier}],
        }
        body = json.dumps({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec}).encode()
        root = hashlib.sha256(b"\0" + body).digest()
        log_id = hashlib.sha256(_spki(self._log_key)).digest()
        note = f"rekor.test - 1\n1\n{_b64(root)}\n"
        signature = _b64(log_id[:4] + _sign(self._log_key, note.encode()))
        promised = {
            "body": _b64(body),
            "integratedTime": int(time.time()),
            "logID": log_id.hex(),
            "logIndex": 0,
        }
        canonical = json.dumps(promised, sort_keys=True, separators=(",", ":")).encode()
        proof = {"checkpoint": f"{note}\n\u2014 rekor.test {signature}\n", "hashes": [], "logIndex": 0}
        proof |= {"rootHash": root.hex(), "treeSize": 1}
        promise = {"inclusionProof": proof, "signedEntryTimestamp": _b64(_sign(self._log_key, canonical))}
        return {hashlib.sha256(body).hexdigest(): {**promised, "verification": promise}}

    # --- the root of trust -----------------------------------------------------------------------------

    def install(self, cache: Path, url: str = "http://127.0.0.1:9") -> None:
        """Make sigstore use this instance as the real one, if ``cache`` is XDG_CACHE_HOME."""
        folder = cache / "sigstore-python" / "tuf" / quote(DEFAULT_TUF_URL, safe="")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "trusted_root.json").write_text(json.dumps(self._trusted_root(url)))
        (folder / "signing_config.v0.2.json").write_text(json.dumps(_signing_config(url)))

    def _trusted_root(self, url: str) -> Mapping[str, object]:
        always = {"start": "2021-01-01T00:00:00Z"}

        def log(key: ec.EllipticCurvePrivateKey) -> dict[str, object]:
            public = {"rawBytes": _b64(_spki(key)), "keyDetails": "PKIX_ECDSA_P256_SHA_256"}
            return {
                "baseUrl": url,
                "hashAlgorithm": "SHA2_256",
                "publicKey": {**public, "validFor": always},
                "logId": {"keyId": _b64(hashlib.sha256(_spki(key)).digest())},
            }

        der = self._ca.public_bytes(serialization.Encoding.DER)
        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(self._log_key)],
            "ctlogs": [log(self._ct_key)],
            "certificateAuthorities": [
                {
                    "subject": {"organization": "tests", "commonName": "tests"},
                    "uri": url,
                    "certChain": {"certificates": [{"rawBytes": _b64(der)}]},
                    "validFor": always,
                }
            ],
            "timestampAuthorities": [],
        }


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _with_sct(builder: x509.CertificateBuilder, sct: bytes) -> x509.CertificateBuilder:
    return builder.add_extension(x509.UnrecognizedExtension(_SCT, _octets(sct)), critical=False)


def _as_bundled(entry: Mapping[str, Any]) -> dict[str, object]:
    """Convert an entry from Rekor's response to the format in an attestation."""
    proof = entry["verification"]["inclusionProof"]
    return {
        "logIndex": str(entry["logIndex"]),
        "logId": {"keyId": _b64(bytes.fromhex(entry["logID"]))},
        "kindVersion": {"kind": "dsse", "version": "0.0.1"},
        "integratedTime": str(entry["integratedTime"]),
        "inclusionPromise": {"signedEntryTimestamp": entry["verification"]["signedEntryTimestamp"]},
        "inclusionProof": {
            "logIndex": "0",
            "rootHash": _b64(bytes.fromhex(proof["rootHash"])),
            "treeSize": "1",
            "hashes": [],
            "checkpoint": {"envelope": proof["checkpoint"]},
        },
        "canonicalizedBody": entry["body"],
    }


def _signing_config(url: str) -> Mapping[str, object]:
    service = {"url": url, "majorApiVersion": 1, "operator": "tests"}
    service["validFor"] = {"start": "2021-01-01T00:00:00Z"}
    return {
        "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
        "caUrls": [service],
        "oidcUrls": [service],
        "rekorTlogUrls": [service],
        "tsaUrls": [],
        "rekorTlogConfig": {"selector": "ANY"},
        "tsaConfig": {"selector": "ANY"},
    }


# --- its services ----------------------------------------------------------------------------------


@dataclass
class Services:
    """Running servers for Fulcio, Rekor and the CI's identities."""

    sigstore: Sigstore
    url: str = ""
    #: Responses for the coming requests, in order: a status, "silence", or None for the normal response.
    script: list[int | str | None] = field(default_factory=list)
    #: Paths, in order of arrival.
    requested_paths: list[str] = field(default_factory=list)
    identity: Identity = field(default_factory=Identity)
    stopped: threading.Event = field(default_factory=threading.Event)

    def environment(self) -> dict[str, str]:
        """Return the variables that GitHub's runner sets for a job that may request an identity."""
        return {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of-the-runner",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}/identity?api=1",
        }

    def answer(self, path: str, query: str, sent: Mapping[str, Any]) -> object:
        """Return the JSON response to a request."""
        if path == "/identity":
            now = int(time.time())
            claims = {"iss": "https://token.actions.githubusercontent.com", "sub": "repo:dipy/dipy"}
            times = {"iat": now, "nbf": now - 5, "exp": now + 300}
            audience = parse_qs(query)["audience"][0]
            return {"value": jwt.encode({**claims, **times, "aud": audience}, "k" * 32, "HS256")}
        if path == "/api/v2/signingCert":
            request = x509.load_pem_x509_csr(base64.b64decode(sent["certificateSigningRequest"]))
            public = request.public_key()
            assert isinstance(public, ec.EllipticCurvePublicKey)
            issued = [self.sigstore.certificate(public, self.identity), self.sigstore._ca]
            chain = [each.public_bytes(serialization.Encoding.PEM).decode() for each in issued]
            return {"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}}
        assert path == "/api/v1/log/entries", path
        proposed = sent["spec"]["proposedContent"]
        return self.sigstore.entry(proposed["envelope"], proposed["verifiers"][0])


@contextlib.contextmanager
def services(sigstore: Sigstore) -> Iterator[Services]:
    """Run the services of a Sigstore on loopback."""
    running = Services(sigstore)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            running.requested_paths.append(parts.path)
            instead = running.script.pop(0) if running.script else None
            if instead == "silence":
                running.stopped.wait(60)
                self.close_connection = True
                return
            status = instead if isinstance(instead, int) else 200
            error = {"message": "not today", "code": status} if instead else None
            data = json.dumps(error or running.answer(parts.path, parts.query, json.loads(body or b"{}")))
            self.send_response(201 if status == 200 and parts.path.endswith("entries") else status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data.encode())

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, serve_in_thread(server) as url:
        running.url = url.removesuffix("/")
        try:
            yield running
        finally:
            running.stopped.set()


# --- PyPI's verification ---------------------------------------------------------------------------


def pypi_refusal(login: str) -> Callable[[Post], str]:
    """Return a function that returns why PyPI would reject a POST's attestations; empty if it accepts."""

    def refusal(post: Post) -> str:
        if "attestations" not in post.fields:
            return ""
        if post.headers["Authorization"] != login:
            return "Attestations are only supported when using Trusted Publishing"
        publisher = GitHubPublisher(repository=REPOSITORY, workflow=WORKFLOW)
        digest = hashlib.sha256(post.content).hexdigest()
        dist = Distribution(name=post.filename, digest=digest)
        try:
            sent = [Attestation.model_validate(each) for each in json.loads(post.fields["attestations"])]
            kinds = [each.verify(publisher, dist, offline=True)[0] for each in sent]
        except ValueError as error:
            return str(error)
        return "" if 0 < len(kinds) == len(set(kinds)) else "Multiple attestations for the same file"

    return refusal

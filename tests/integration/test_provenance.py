"""Compare the attestations that an index serves (PEP 740) with ours: confirmation and ``--verify``."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import in_process
from tools.testing import indexes, wheels
from tools.testing.indexes import ScriptedIndex, Served

NAME = "demo-1.0-py3-none-any.whl"


def attestation(word: str) -> dict[str, Any]:
    statement, signature = (base64.b64encode(f"{word} {part}".encode()).decode() for part in "ab")
    return {"version": 1, "envelope": {"statement": statement, "signature": signature}}


def with_line_ends(value: dict[str, Any]) -> dict[str, Any]:
    """Return the attestation as an index may write it: the base64 text in lines."""
    envelope = {key: f"{text[:7]}\n{text[7:]}\n" for key, text in value["envelope"].items()}
    return {**value, "envelope": envelope}


def verify(
    folder: Path, served: Served, staged: dict[str, Any], *options: str
) -> tuple[int, dict[str, Any], str]:
    """Verify a wheel and its ``staged`` attestations; return the exit code, the JSON report and stderr."""
    wheel = wheels.make_wheel(folder / "house", "demo", "1.0")
    served.index.store(wheel)
    for kind, content in staged.items():
        Path(f"{wheel}.{kind}.attestation").write_text(json.dumps(content))
    arguments: list[str | Path] = [
        "--verify",
        "-w",
        folder / "house",
        "--repository-url",
        served.upload_url,
        "--retries",
        "1",
    ]
    ended = in_process.run(*arguments, "--format", "json", *options, "demo", "1.0", env={"HOME": str(folder)})
    return ended.exit_code, json.loads(ended.stdout), ended.stderr


def test_the_terminal_names_attestations_that_were_not_compared(tmp_path: Path) -> None:
    with indexes.scripted_index() as served:
        wheel = wheels.make_wheel(tmp_path / "house", "demo", "1.0")
        served.index.store(wheel)
        Path(f"{wheel}.publish.attestation").write_text(json.dumps(attestation("ours")))
        source: list[str | Path] = ["--verify", "-w", tmp_path / "house"]
        target = ["--repository-url", served.upload_url, "demo", "1.0"]
        ended = in_process.run(*source, *target, env={"HOME": str(tmp_path)})
    assert ended.exit_code == 0, ended.stderr
    sentence = f"not checked: the attestations of {NAME}: the index does not serve them"
    assert sentence in " ".join(ended.stdout.split())


@pytest.mark.parametrize("view", ["json", "html"])
def test_the_same_attestations_are_confirmed(tmp_path: Path, view: str) -> None:
    with indexes.scripted_index() as served:
        served.index.view, served.index.has_provenance = view, True
        served.index.attestations[NAME] = [with_line_ends(attestation("ours"))]
        code, document, errors = verify(tmp_path, served, {"publish": attestation("ours")})
    assert code == 0, errors
    assert document["files"][0]["confirmed_attestations"] == 1
    assert document["not_checked"] == []


def test_other_attestations_are_a_conflict(tmp_path: Path) -> None:
    with indexes.scripted_index() as served:
        served.index.has_provenance = True
        served.index.attestations[NAME] = [attestation("other")]
        code, _, errors = verify(tmp_path, served, {"publish": attestation("ours")})
    assert code == 7
    assert f"{NAME}: 1 attestation of ours absent, 1 other present" in errors


def test_the_publishing_job_may_have_added_an_attestation(tmp_path: Path) -> None:
    with indexes.scripted_index() as served:
        served.index.has_provenance = True
        served.index.attestations[NAME] = [attestation("ours"), attestation("of the job")]
        code, document, errors = verify(tmp_path, served, {"slsa": attestation("ours")})
    assert code == 0, errors
    assert document["files"][0]["confirmed_attestations"] == 1


def serve_nothing(index: ScriptedIndex) -> None:
    index.has_provenance = False


def serve_a_broken_document(index: ScriptedIndex) -> None:
    index.attestations[NAME] = ["not an attestation"]


@pytest.mark.parametrize(
    ("arrange", "reason"),
    [(serve_nothing, "the index does not serve them"), (serve_a_broken_document, "is malformed (PEP 740)")],
)
def test_attestations_that_cannot_be_compared_are_reported(tmp_path: Path, arrange: Any, reason: str) -> None:
    with indexes.scripted_index() as served:
        served.index.has_provenance = True
        served.index.attestations[NAME] = [attestation("ours")]
        arrange(served.index)
        code, document, errors = verify(tmp_path, served, {"publish": attestation("ours")})
    assert code == 0, errors
    assert document["files"][0]["confirmed_attestations"] == 0
    [sentence] = document["not_checked"]
    assert sentence.startswith(f"the attestations of {NAME}: ")
    assert sentence.endswith(reason)


def test_no_attestations_are_requested_if_none_are_staged(tmp_path: Path) -> None:
    with indexes.scripted_index() as served:
        served.index.has_provenance = True
        served.index.attestations[NAME] = [attestation("of the job")]
        code, document, errors = verify(tmp_path, served, {})
        assert not [path for path, _ in served.index.gets if path.startswith("/integrity")]
    assert (code, document["not_checked"]) == (0, []), errors
    with indexes.scripted_index() as served:
        code, document, _ = verify(tmp_path, served, {"publish": attestation("x")}, "--attestations", "none")
    assert (code, document["not_checked"]) == (0, [])

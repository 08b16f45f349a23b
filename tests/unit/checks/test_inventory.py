"""The packed lists of modules: what they contain, their bounds, and the way through worker and cache."""

from __future__ import annotations

import json
import zlib

import pytest

from tests.support.zips import content
from tools.testing.wheels import sdist_bytes, wheel_bytes, wheel_filename
from wheel_uploader import checks
from wheel_uploader.checks import file_summary, inventory
from wheel_uploader.checks.inventory import TOO_LARGE, Module
from wheel_uploader.core import filenames
from wheel_uploader.core.models import CheckProfile, CheckResult
from wheel_uploader.inspection import serialization
from wheel_uploader.inspection.cache import MAX_ENTRY_SIZE
from wheel_uploader.inspection.verification import InspectionResult

WHEEL, SDIST = wheel_filename("dipy", "1.11.0"), "dipy-1.11.0.tar.gz"


def inventory_of(data: bytes, filename: str = WHEEL) -> inventory.Inventory:
    return inventory.unpack(file_summary.summarize_file(content(data, filename)).inventory)


def test_lists_modules_by_their_installed_path() -> None:
    files = {
        "dipy/a.py": b"x\n",
        "dipy/b.pyi": b"x\n",
        "dipy/py.typed": b"",
        "dipy/data.json": b"{}",
        "dipy-1.11.0.data/platlib/dipy/c.py": b"x\n",
        "dipy-1.11.0.data/purelib/six.py": b"x\n",
        "dipy-1.11.0.data/scripts/run.py": b"x\n",
        "dipy/_f.cpython-312-x86_64-linux-gnu.so": b"",
        "dipy/_g.cp312-win_amd64.pyd": b"",
        "dipy/_h.abi3.so": b"",
        "dipy/_i.so": b"",
        "dipy/_j.pypy311-pp73-darwin.so": b"",
        "dipy/libx.so": b"",
        "dipy.libs/liby-1234.so": b"",
        "dipy/liba.so.1": b"",
    }
    listed = inventory_of(wheel_bytes(files=files))
    crc = zlib.crc32(b"x\n")
    assert listed.modules == {
        "dipy/__init__.py": Module(zlib.crc32(b'__version__ = "1.11.0"\n'), "1.11.0"),
        "dipy/a.py": Module(crc),
        "dipy/b.pyi": Module(crc),
        "dipy/c.py": Module(crc),
        "dipy/py.typed": Module(),
        "six.py": Module(crc),
    }
    assert listed.extensions == {f"dipy/_{name}" for name in "fghij"}


def test_lists_the_modules_of_an_sdist_below_its_top() -> None:
    listed = inventory_of(sdist_bytes(files={"setup.py": b"", "src/dipy/a.py": b"x\r\n"}), SDIST)
    assert listed.modules == {
        "setup.py": Module(zlib.crc32(b"\n")),
        "src/dipy/a.py": Module(zlib.crc32(b"x\n")),
    }


@pytest.mark.parametrize(
    ("path", "text", "version"),
    [
        ("dipy/_version.py", b"__version__ = version = '1.2.dev3+gabc'\n", "1.2.dev3+gabc"),
        ("dipy/_version.py", b"version: str\n__version__: str = version = '1.2'\n", "1.2"),
        ("dipy/version.py", b'version = "1.2"\n', "1.2"),
        ("dipy/__about__.py", b'__version__: str = "1.2"\n', "1.2"),
        ("dipy/x.py", b'__version__ = "1.2"\n', ""),
        ("dipy/version.py", b'x = 1\n    version = "1.2"\n', ""),
        ("dipy/version.py", b"version = get('1.2')\n", ""),
        ("dipy/version.py", b'version = "' + b"1" * 200 + b'"\n', ""),
        ("dipy/__init__.py", b'__version__ = "1.2"\n# start delvewheel patch\n', ""),
    ],
)
def test_reads_the_version_that_a_file_states(path: str, text: bytes, version: str) -> None:
    module = inventory_of(wheel_bytes(files={path: text})).modules[path]
    assert module.version == version
    assert module.text_crc == (0 if b"delvewheel" in text else zlib.crc32(text))


def test_a_large_file_is_compared_byte_by_byte() -> None:
    text = b"x\r\n" * 400_000
    assert inventory_of(wheel_bytes(files={"dipy/a.py": text})).modules["dipy/a.py"].text_crc == zlib.crc32(
        text
    )


def test_leaves_out_paths_that_would_break_its_lines() -> None:
    files = {"dipy/a\nb.py": b"", "dipy/a\tb.py": b"", f"dipy/{'x' * 500}.py": b"", "dipy/c.py": b""}
    assert list(inventory_of(wheel_bytes(files=files)).modules) == ["dipy/__init__.py", "dipy/c.py"]


def test_is_bounded() -> None:
    """4,000 modules of other texts fit, 30,000 do not; the result of the file stays cacheable."""
    for count, fits in ((4000, True), (30_000, False)):
        files = {f"dipy/m{number}.py": str(number).encode() for number in range(count)}
        summary = file_summary.summarize_file(content(wheel_bytes(files=files), WHEEL))
        assert len(summary.inventory) <= inventory.MAX_PACKED_SIZE
        assert (summary.inventory != TOO_LARGE) is fits
        assert len(inventory.unpack(summary.inventory).modules) == (count + 1 if fits else 0)
        assert len(json.dumps(serialization.to_json(result_of(summary)))) < MAX_ENTRY_SIZE


def result_of(summary: object) -> InspectionResult:
    return InspectionResult(
        inspection=CheckResult(summary=summary),  # type: ignore[arg-type]
        integrity_source="RECORD",
    )


@pytest.mark.parametrize("packed", [b"", TOO_LARGE, b"x", zlib.compress(b"\xff"), zlib.compress(b"")])
def test_anything_else_is_an_empty_inventory(packed: bytes) -> None:
    assert inventory.unpack(packed) == inventory.NOTHING


def test_a_packed_bomb_is_cut_off() -> None:
    bomb = zlib.compress(b"a\tz" + b"\n" * (64 << 20))
    assert inventory.unpack(bomb).modules == {"a": Module()}


def test_survives_worker_and_cache() -> None:
    files = {"dipy/_f.abi3.so": b"", "dipy-1.11.0.dist-info/sboms/a.cdx.json": b"{}"}
    wheel = "Wheel-Version: 1.0\nGenerator: a 1\nGenerator: delocate 0.13\nRoot-Is-Purelib: true\n"
    for data, filename in ((wheel_bytes(files=files, wheel=wheel), WHEEL), (sdist_bytes(), SDIST)):
        result = checks.inspect_content(content(data, filename), profile=CheckProfile.PYPI)
        assert result.summary
        name = filenames.parse_filename(filename)
        sent = json.loads(json.dumps(serialization.to_json(result_of(result.summary))))
        assert serialization.from_json(sent, name).inspection.summary == result.summary
    summary = file_summary.summarize_file(content(wheel_bytes(files=files, wheel=wheel), WHEEL))
    assert (summary.generator, summary.repair_generators) == ("a 1", ("delocate 0.13",))
    assert (summary.sboms, summary.extension_count) == (("a.cdx.json",), 1)

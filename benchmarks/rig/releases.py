"""The wheels of a release, for all platforms, brought by pip by name into a folder that keeps them."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import click

from tests.wheels import make_wheel
from wheel_uploader import names
from wheel_uploader.models import DistName, WheelName

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]

_PIECE = 8_000_000


def wheels(project: str, version: str, cache: Path) -> list[Path]:
    """All wheels of the release, from ``cache``; what is not there yet is brought first."""
    folder = cache / f"{project}-{version}"
    if not folder.is_dir():
        fetch(project, version, folder)
    found = sorted(folder.glob("*.whl"))
    if not found:
        raise click.ClickException(f"{folder} has no wheels: remove it, and they are fetched again")
    return found


def fetch(project: str, version: str, folder: Path) -> None:
    """Bring every wheel of the release into ``folder``, each by name with ``pip download``."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = _list(project, version)
    wanted = [
        name for name in listed if isinstance(name, WheelName) and not (folder / name.filename).exists()
    ]

    def bring(name: WheelName) -> None:
        command = [*PIP, "download", "--no-deps", "--only-binary", ":all:", "-d", str(folder)]
        command += ["--implementation", name.pythons[0][:2], "--abi", name.abis[0]]
        command += ["--python-version", name.pythons[0][2:]]
        command += [part for tag in name.platforms for part in ("--platform", tag)]
        subprocess.run([*command, f"{project}=={version}"], check=True, stdout=subprocess.DEVNULL)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(bring, wanted))
    missing = [name.filename for name in wanted if not (folder / name.filename).exists()]
    if missing:
        raise click.ClickException(f"pip did not bring {', '.join(missing)}")


def _list(project: str, version: str) -> list[DistName]:
    """What PyPI has of the release, listed by the program itself, for pip cannot list."""
    from twine import utils

    host = (urlsplit(utils.DEFAULT_REPOSITORY).hostname or "").removeprefix("upload.")
    command = [sys.executable, "-m", "wheel_uploader", "--until", "list", "--format", "json"]
    command += ["-u", f"https://{host}/simple/{project}/", project, version]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [names.parse(file["filename"]) for file in json.loads(done.stdout)["files"]]


def made(folder: Path, size: int) -> Path:
    """One wheel of about ``size`` bytes that do not compress, as none of the usual releases has one."""
    pieces = range(0, size, _PIECE)
    random_bytes = random.Random(size).randbytes
    content = {f"made/data{start}.bin": random_bytes(min(_PIECE, size - start)) for start in pieces}
    return make_wheel(folder, "made", "1.0", files=content)

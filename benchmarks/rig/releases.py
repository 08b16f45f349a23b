"""Downloads the wheels of a release, for all platforms, with pip into a cache folder."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import click

from tools.testing.wheels import make_wheel
from wheel_uploader.core import filenames
from wheel_uploader.core.models import DistName, WheelName

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]

_MEMBER_SIZE = 8_000_000


def get_wheels(project: str, version: str, cache: Path) -> list[Path]:
    """Return all wheels of the release from ``cache``, which is filled first if necessary."""
    folder = cache / f"{project}-{version}"
    if not folder.is_dir():
        fetch(project, version, folder)
    files = sorted(folder.glob("*.whl"))
    if not files:
        raise click.ClickException(f"{folder} has no wheels; remove it to download them again")
    return files


def fetch(project: str, version: str, folder: Path) -> None:
    """Download every wheel of the release into ``folder``, each by its tags with ``pip download``."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = _list_release(project, version)
    missing_names = [
        name for name in listed if isinstance(name, WheelName) and not (folder / name.filename).exists()
    ]

    def download(name: WheelName) -> None:
        command = build_download_command(name, folder)
        subprocess.run([*command, f"{project}=={version}"], check=True, stdout=subprocess.DEVNULL)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(download, missing_names))
    missing = [name.filename for name in missing_names if not (folder / name.filename).exists()]
    if missing:
        raise click.ClickException(f"pip did not download {', '.join(missing)}")


def build_download_command(name: DistName, folder: Path) -> list[str]:
    """Return the pip command that downloads this file into ``folder``; the requirement must be added."""
    command = [*PIP, "download", "--no-deps", "--ignore-requires-python", "-d", str(folder)]
    if not isinstance(name, WheelName):
        return [*command, "--no-binary", ":all:"]
    command += ["--only-binary", ":all:"]
    if name.platforms == ("any",):
        return command
    command += [part for tag in name.platforms for part in ("--platform", tag)]
    interpreter = re.fullmatch(r"([a-z]+)(\d*)", name.pythons[-1])
    if interpreter and interpreter[1] != "py":
        command += ["--implementation", interpreter[1], "--python-version", interpreter[2]]
        command += [part for abi in name.abis for part in ("--abi", abi)]
    return command


def _list_release(project: str, version: str) -> list[DistName]:
    """Return the files of the release on PyPI, listed by wheel-uploader, because pip cannot list them."""
    from twine import utils

    host = (urlsplit(utils.DEFAULT_REPOSITORY).hostname or "").removeprefix("upload.")
    command = [sys.executable, "-m", "wheel_uploader", "--until", "list", "--format", "json"]
    command += ["-u", f"https://{host}/simple/{project}/", project, version]
    completed = subprocess.run(command, check=True, capture_output=True, text=True)
    return [filenames.parse_filename(file["filename"]) for file in json.loads(completed.stdout)["files"]]


def generate_wheel(folder: Path, size: int) -> Path:
    """Write a wheel with about ``size`` bytes of incompressible data, larger than those of usual releases."""
    offsets = range(0, size, _MEMBER_SIZE)
    random_bytes = random.Random(size).randbytes
    content = {f"made/data{offset}.bin": random_bytes(min(_MEMBER_SIZE, size - offset)) for offset in offsets}
    return make_wheel(folder, "made", "1.0", files=content)

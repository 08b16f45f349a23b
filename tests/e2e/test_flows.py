"""The recipes of the documentation, each run as written and verified against the index's storage."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.anaconda_targets import nightly_targets
from tests.support.in_process import run
from tests.support.readme import pages, section
from tools.testing import gpg, indexes, servers, tested_package, wheels

TEXT = "\n".join(path.read_text(encoding="utf-8") for path in pages())
RECIPES = {
    name: "\n".join(line.removeprefix("    ") for line in block.splitlines())
    for name, block in re.findall(
        r"^\.\. recipe: (\S+)\n\n\.\. code-block:: bash\n\n((?:    .*\n)+)",
        TEXT,
        re.MULTILINE,
    )
}
LINUX = "manylinux_2_34_x86_64"


@dataclass
class Checkout:
    """A checkout in which recipes run; its ``~/.pypirc`` replaces PyPI by a server on loopback."""

    home: Path
    packages: Path
    #: The folder of stand-ins for programs that this machine may not have.
    programs: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(
        self, recipe: str, *others: tuple[str, str], folder: str = ".", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the lines of a recipe in a folder of the checkout, with the replacements in ``others``."""
        lines = RECIPES[recipe]
        for old, new in others:
            assert old in lines
            lines = lines.replace(old, new)
        done = subprocess.run(
            ["bash", "-e", "-c", lines],
            cwd=self.home / folder,
            env=self.environment | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def add_program(self, name: str, script: str) -> None:
        """Add a program that runs ``script``, a line for sh."""
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    @property
    def stored(self) -> set[str]:
        """Return the names of the files on the index."""
        return {path.name for path in self.packages.iterdir()}

    def files_in(self, folder: str = "wheelhouse") -> set[str]:
        return {path.name for path in (self.home / folder).iterdir() if path.suffix in {".whl", ".gz"}}


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    home, packages, programs = tmp_path / "home", tmp_path / "packages", tmp_path / "bin"
    home.mkdir()
    programs.mkdir()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "TWINE_"))
    }
    path = os.pathsep.join([str(programs), str(Path(sys.executable).parent), environment["PATH"]])
    environment |= {
        "HOME": str(home),
        "PATH": path,
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }
    # Use PyPI's rules for the checks.
    environment |= {"WHEEL_UPLOADER_PROFILE": "pypi", "WHEEL_UPLOADER_NON_INTERACTIVE": "1"}
    checkout = Checkout(home=home, packages=packages, programs=programs, environment=environment)
    checkout.add_program(
        "wheel-uploader",
        f"PYTHONPATH={shlex.quote(str(tested_package.HOME))} PYTHONWARNINGS=error "
        f'exec {shlex.quote(sys.executable)} -m wheel_uploader "$@"',
    )
    users = {"__token__": "pypi-secret", "me": "my-password"}
    with indexes.pypiserver(packages, users=users) as index:
        (home / ".pypirc").write_text(f"[distutils]\nindex-servers = pypi\n[pypi]\nrepository = {index}\n")
        yield checkout


LOGIN = {"TWINE_USERNAME": "me", "TWINE_PASSWORD": "my-password"}


def build(folder: Path, project: str, version: str, tags: Iterable[str]) -> set[str]:
    return {wheels.make_wheel(folder, project, version, tag).name for tag in tags}


def linux(*pythons: str) -> list[str]:
    return [f"{python}-{python}-{LINUX}" for python in pythons]


def test_every_recipe_of_the_documentation_is_tested() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert len(RECIPES) == len(re.findall(r"(?m)^\.\. recipe: ", TEXT))
    assert set(re.findall(r'checkout\.run\(\s*"(\w+)"', text)) == set(RECIPES)


MAIN = re.findall(r"^``(wheel-uploader .*?)``", section("The main commands"), re.MULTILINE)


def test_finds_all_main_commands() -> None:
    assert len(MAIN) == 7


@pytest.mark.parametrize("line", MAIN)
def test_main_commands_are_valid(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = run(*shlex.split(line)[1:], "--show-config")
    assert shown.exit_code == 0, shown.stderr
    # A wheelhouse can be verified without a staging place.
    assert tomllib.loads(shown.stdout).get("url") or "--verify" in line


def test_cibuildwheel_recipe(checkout: Checkout, tmp_path: Path) -> None:
    built = build(tmp_path / "wheelhouse", "raysect", "0.9.1", linux("cp312", "cp313"))
    checkout.add_program("cibuildwheel", f"cp -r {tmp_path}/wheelhouse .")
    wheels.make_sdist(tmp_path / "dist", "raysect", "0.9.1")
    checkout.add_program("python", f'test "$*" = "-m build --sdist" && cp -r {tmp_path}/dist .')
    for _ in range(2):
        done = checkout.run("cibuildwheel", **LOGIN)
        assert done.returncode == 0, done.stderr
        assert checkout.stored == {*built, "raysect-0.9.1.tar.gz"}


def test_container_recipe(checkout: Checkout, tmp_path: Path) -> None:
    project = ("easyclimate-backend", "2025.11.0")
    inside = tmp_path / "container" / "wheelhouse"
    built = build(inside, *project, linux("cp310", "cp311", "cp313"))
    checkout.add_program("docker", f'test "$1" = cp && cp -r "{tmp_path}/container/${{2##*/}}" "$3"')
    done = checkout.run("container", **LOGIN)
    assert done.returncode == 3, done.stderr
    assert f"a wheel for cp312 on {LINUX}" in done.stderr
    assert checkout.stored == set()
    built |= build(inside, *project, linux("cp312"))
    done = checkout.run("container", **LOGIN)
    assert done.returncode == 0, done.stderr
    assert checkout.stored == built


def test_token_recipe_rejects_a_linux_tag(checkout: Checkout) -> None:
    dist = checkout.home / "dist"
    built = build(dist, "pyovf", "0.2.14", linux("cp312", "cp313"))
    (stray,) = build(dist, "pyovf", "0.2.14", ["cp39-cp39-linux_x86_64"])
    (checkout.home / "docker-build-wheels.sh").write_text('test "$1" = build\n')
    done = checkout.run("token", PYPI_TOKEN="pypi-secret")
    assert done.returncode == 6, done.stderr
    assert "name/platform-refused" in done.stdout + done.stderr
    assert stray in done.stdout
    assert (checkout.stored, (checkout.home / "wheelhouse").exists()) == (set(), False)
    (dist / stray).unlink()
    # The error message does not contain the token.
    done = checkout.run("token", PYPI_TOKEN="pypi-wrong")
    assert done.returncode == 4, done.stderr
    assert "pypi-wrong" not in done.stdout + done.stderr
    done = checkout.run("token", PYPI_TOKEN="pypi-secret")
    assert done.returncode == 0, done.stderr
    assert checkout.stored == built


def test_staging_recipe(checkout: Checkout, tmp_path: Path) -> None:
    staged = tmp_path / "site"
    names = {path.name for path in wheels.make_release(staged, version="1.12.0")}
    with gpg.keyring() as keys, servers.nginx(staged) as url:
        keys.make_key("Release Manager <me@example.com>")
        place = "https://anaconda.org/scientific-python-staging/dipy/files"
        done = checkout.run(
            "staging",
            (place, url),
            ("--expect 21", "--expect 6"),
            CDN_URL=url,
            VERSION="1.12.0",
            GNUPGHOME=str(keys.home),
            **LOGIN,
        )
    assert done.returncode == 0, done.stderr
    assert "signatures: 7 new" in done.stdout
    assert "signatures: 0 new, 7 reused" in done.stdout
    assert "upload: 6 skipped" in done.stdout
    assert checkout.stored >= names


def test_recipe_with_smoke_tests(checkout: Checkout) -> None:
    (name,) = build(checkout.home / "wheelhouse", "nb-cpp", "0.1.0", ["py3-none-any"])
    # A stand-in for the pytest from PyPI.
    runner = "import sys, unittest; unittest.main(None, argv=['pytest', 'discover', '-s', sys.argv[1]])"
    wheels.make_wheel(checkout.home / "links", "pytest", "9.0", files={"pytest/__main__.py": runner.encode()})
    (checkout.home / "requirements-test.txt").write_text("pytest\n")
    test = checkout.home / "test" / "test_compute.py"
    test.parent.mkdir()
    case = (
        "import unittest, nb_cpp\nclass Test(unittest.TestCase):\n"
        "    def test(self):\n        self.assertEqual(nb_cpp.__version__, {!r})\n"
    )
    # Use only the Pythons on PATH.
    isolated = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(checkout.home / "links"),
        "PYENV_ROOT": str(checkout.home),
        "UV_PYTHON_INSTALL_DIR": str(checkout.home),
    }
    test.write_text(case.format("0.0.9"))
    done = checkout.run("tried", **LOGIN, **isolated)
    assert done.returncode == 6, done.stderr
    assert "'0.1.0' != '0.0.9'" in done.stdout
    assert checkout.stored == set()
    test.write_text(case.format("0.1.0"))
    done = checkout.run("tried", **LOGIN, **isolated)
    assert done.returncode == 0, done.stderr
    assert checkout.stored == {name}
    # As with --skip-existing, existing files are not an error.
    assert checkout.run("tried", **LOGIN, **isolated).returncode == 0


def test_local_index_recipe(checkout: Checkout, tmp_path: Path) -> None:
    (name,) = build(checkout.home / "wheelhouse", "dipy", "1.11.1", ["py3-none-any"])
    port = str(servers.free_port())
    done = checkout.run(
        "local",
        ("8080", port),
        WHEEL_UPLOADER_PROFILE="any",
        PIP_CONFIG_FILE=os.devnull,
        PIP_NO_CACHE_DIR="1",
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (checkout.home / "packages").iterdir()] == [name]
    assert (checkout.home / "tried" / "dipy" / "__init__.py").is_file()


def test_tutorial_on_this_machine(checkout: Checkout) -> None:
    # hatchling comes from here, not from PyPI.
    checkout.add_program("python", f'exec {shlex.quote(sys.executable)} "$@" --no-isolation')
    local = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1", "WHEEL_UPLOADER_PROFILE": ""}
    built = checkout.run("first_build")
    assert built.returncode == 0, built.stderr
    project = "hello-index"
    assert checkout.files_in(f"{project}/dist") == {
        "hello_index-0.1.0-py3-none-any.whl",
        "hello_index-0.1.0.tar.gz",
    }
    checked = checkout.run("first_check", folder=project, **local)
    assert checked.returncode == 0, checked.stderr
    assert "checks: 0 errors, 0 warnings, 2 notes (profile pypi)" in checked.stdout
    explained = checkout.run("first_explanation", folder=project, **local)
    assert "metadata/thin (note)" in explained.stdout
    rehearsed = checkout.run("first_rehearsal", folder=project, **local)
    assert rehearsed.returncode == 0, rehearsed.stderr
    assert "Windows x86_64" in rehearsed.stdout
    released = checkout.run("first_release", ("8080", str(servers.free_port())), folder=project, **local)
    assert released.returncode == 0, released.stderr
    assert released.stdout.count("upload: 2 skipped") == 1
    assert checkout.files_in("packages") == checkout.files_in(f"{project}/dist")
    assert (checkout.home / "tried" / "hello_index" / "__init__.py").is_file()


def test_fetch_recipe(checkout: Checkout, tmp_path: Path) -> None:
    learn = build(tmp_path / "simple", "scikit-learn", "1.8.0", linux("cp312", "cp313"))
    build(tmp_path / "simple", "scikit-learn", "1.7.0", linux("cp312"))
    site = tmp_path / "site"
    numpy = {path.name for path in wheels.make_release(site, "numpy", "2.4.0")}
    build(site, "numpy", "2.4.0rc1", linux("cp313"))
    with indexes.pypiserver(tmp_path / "simple") as index, servers.nginx(site) as url:
        done = checkout.run(
            "fetch",
            ("https://pypi.anaconda.org/scikit-learn-wheels-staging/simple/", f"{index}simple/"),
            ("https://anaconda.org/multibuild-wheels-staging/numpy/files", url),
        )
    assert done.returncode == 0, done.stderr
    assert checkout.files_in("dist") == learn
    assert checkout.files_in("release/installers") == numpy
    assert checkout.stored == set()


def test_nightly_recipe_for_anaconda_org(checkout: Checkout, tmp_path: Path) -> None:
    staged = tmp_path / "site"
    built = {path.name for path in wheels.make_release(staged, version="1.12.0.dev1")}
    with servers.nginx(staged) as url, nightly_targets(checkout.home) as targets:
        replaced = ("https://staging.example.com/wheels/", url)
        done = checkout.run("nightly_anaconda", replaced, **targets.variables)
        assert done.returncode == 0, done.stderr
        assert [target.filenames() for target in targets.sites] == [built, built]
        again = checkout.run("nightly_anaconda", replaced, **targets.variables)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")

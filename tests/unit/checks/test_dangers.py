"""Secrets, leftovers, merge conflicts, invalid source and start-up code, and all that looks like them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import itertools
import string

import pytest

from tests.support.zips import WHEEL, check_ids, content
from tools.testing.wheels import METADATA, sdist_bytes, wheel_bytes
from wheel_uploader import checks
from wheel_uploader.checks.registry import MAX_REPORTED_FINDINGS
from wheel_uploader.core.models import CheckProfile, Finding, Severity
from wheel_uploader.facts.archive import text_scanner
from wheel_uploader.facts.archive.text_scanner import ScanDepth

ALPHABET = (string.ascii_letters + string.digits).encode()


def random_text(length: int, seed: str = "") -> str:
    """Return letters and digits that look random, always the same ones."""
    blocks = (hashlib.sha512(f"{seed}{number}".encode()).digest() for number in itertools.count())
    letters = (chr(ALPHABET[byte % len(ALPHABET)]) for block in blocks for byte in block)
    return "".join(itertools.islice(letters, length))


def with_checksum(prefix: str, seed: str = "") -> str:
    """Return a token in the format of GitHub and npm: 30 random characters and their CRC-32 in base62."""
    text = random_text(30, seed)
    number, digits = binascii.crc32(text.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits = (string.digits + string.ascii_uppercase + string.ascii_lowercase)[digit] + digits
    return prefix + text + digits


def macaroon(host: str) -> str:
    """Return a token in the format of PyPI: a macaroon with a host name and an identifier."""
    location = host.encode()
    data = b"\2\1" + bytes([len(location)]) + location + b"\2\x24" + hashlib.sha512(location).digest() * 2
    return "pypi-" + base64.urlsafe_b64encode(data).decode().rstrip("=")


def pem(kind: str = "RSA ", lines: int = 3) -> str:
    """Return a private key, of which only the form is right."""
    body = base64.b64encode(hashlib.sha512(kind.encode()).digest() * 3).decode()
    text = "\n".join(body[at : at + 64] for at in range(0, 64 * lines, 64))
    # In two parts, so that this file is not taken for a key.
    return f"-----BEGIN {kind}PRIVATE" + f" KEY-----\n{text}\n-----END {kind}PRIVATE KEY-----\n"


def find(data: bytes, filename: str = WHEEL) -> tuple[Finding, ...]:
    found = checks.check_contents([content(data, filename)], profile=CheckProfile.PYPI)
    return tuple(finding for finding in found if finding.severity != Severity.NOTE)


def find_in(
    files: dict[str, str | bytes], kind: str = "wheel", metadata: str | None = None
) -> tuple[Finding, ...]:
    """Return the findings for a wheel or an sdist with these files, in a package called demo."""
    members = {path: data.encode() if isinstance(data, str) else data for path, data in files.items()}
    text = metadata or METADATA.format(project="demo", version="1.0")
    if kind == "wheel":
        return find(wheel_bytes("demo", "1.0", files=members, metadata=text), "demo-1.0-py3-none-any.whl")
    return find(sdist_bytes("demo", "1.0", files=members, metadata=text), "demo-1.0.tar.gz")


TOKENS = {
    "PyPI": macaroon("index.example"),
    "TestPyPI": macaroon("test.index.example"),
    "GitHub": with_checksum("ghp_"),
    "GitHub, of a workflow": with_checksum("ghs_"),
    # Made up in an article about the format.
    "GitHub, of another author": "ghp_" + "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17",
    "GitHub, fine-grained": f"github_pat_{random_text(22)}_{random_text(59)}",
    "GitLab": "glpat-" + random_text(20),
    "Slack": f"xoxb-2413247213-8321478213474-{random_text(24)}",
    "npm": with_checksum("npm_"),
    "Hugging Face": "hf_" + random_text(34),
    "Anthropic": "sk-ant-" + f"api03-{random_text(95)}",
    "OpenAI": "sk-proj-" + random_text(120),
    "AWS": f"AKIA{random_text(16).upper()}\nsecret = {random_text(20)}/{random_text(19)}",
    "AWS, temporary": f"ASIA{random_text(16).upper()}\nsecret = {random_text(20)}/{random_text(19)}",
    "Stripe": "sk_" + f"live_{random_text(24)}",
    "Slack webhook": f"hooks.slack.com/services/T{'02' * 4}/B{'13' * 4}/{random_text(24)}",
}


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
@pytest.mark.parametrize("path", ["demo/config.py", "demo/settings.json", "demo/.env", "demo/notes"])
@pytest.mark.parametrize("token", TOKENS)
def test_reports_a_token_and_never_shows_it(token: str, path: str, kind: str) -> None:
    value = TOKENS[token]
    if path.endswith(".py"):
        value = value.replace("\n", '"\nsecret = "').replace('"\nsecret = "secret = ', '"\nsecret = "')
    [finding] = [
        finding
        for finding in find_in({path: f'first = 1\ntoken = "{value}"\n'}, kind)
        if finding.check == "content/secret"
    ]
    assert finding.severity is Severity.ERROR
    assert (finding.member or "").endswith(path)
    assert finding.message.startswith("line 2 contains a")
    for part in value.replace("=", " ").split():
        assert len(part) < 15 or part not in repr(finding)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (".pypirc", "[pypi]\nusername = __token__\npassword = pypi-short\n"),
        (".pypirc", "[pypi]\npassword:hunter2\n"),
        (".netrc", "machine example.org login me password hunter2\n"),
        (".npmrc", "//registry.example.org/:_authToken=hunter2\n"),
        (".git-credentials", "https://me:hunter2@example.org\n"),
        (".pgpass", "localhost:5432:db:me:hunter2\n"),
        ("pip.conf", "[global]\nindex-url = https://me:hunter2@index.example/simple\n"),
        (".docker/config.json", '{"au' + 'ths": {"index.example": {"auth": "bWU6aHVudGVyMnR3bw=="}}}\n'),
        (".kube/config", f"client-key-data: {base64.b64encode(pem('RSA ').encode()).decode()}\n"),
        (
            ".ssh/me.ppk",
            f"PuTTY-User-Key-File-2: ssh-rsa\nPublic-Lines: 1\nA\nPrivate-Lines: 1\n{'B' * 64}\n",
        ),
        ("id_rsa", "-----BEGIN OPENSSH PRIVATE" + " KEY-----"),
        ("id_ed25519", pem("OPENSSH ")),
        (".ssh/deploy", pem("OPENSSH ")),
        (".env", f'APP_KEY="{pem()}"\n'),
        (
            "account.json",
            '{"type": "service_account", "private_key": "' + pem("").replace("\n", "\\n") + '"}',
        ),
    ],
)
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_reports_keys_and_passwords_of_users(path: str, text: str, kind: str) -> None:
    found = find_in({f"demo/{path}": text}, kind)
    assert [finding.severity for finding in found if finding.check == "content/secret"] == [Severity.ERROR]
    assert "hunter2" not in repr(found)
    assert "pypi-short" not in repr(found)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("server.pem", pem("")),
        ("server.key", "# of the server\n" + pem("EC ")),
        ("account.json", '{"private_key": "' + pem("").replace("\n", "\\n") + '"}'),
        ("keys.py", f'KEY = """{pem()}"""\n'),
        ("secret.asc", pem("PGP ").replace("KEY-----", "KEY BLOCK-----")),
    ],
)
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_warns_of_other_private_keys(path: str, text: str, kind: str) -> None:
    found = find_in({f"demo/{path}": text}, kind)
    assert [(finding.check, finding.severity) for finding in found] == [
        ("content/private-key", Severity.WARNING)
    ]


NO_SECRETS = {
    "a placeholder": "ghp_" + "x" * 36,
    "a placeholder in words": "glpat-YOUR-TOKEN-GOES-HERE1234",
    "AWS's example": "AKIAIOSFODNN7EXAMPLE\nwJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "a key without its secret": f"AKIA{random_text(16).upper()}\n{hashlib.sha1(b'').hexdigest()}",
    "a variable": "hf_hub_download(hf_token)\nnpm_config_registry = 1\nGITHUB = 'ghp_{token}'",
    "a longer word": "ghp_" + random_text(60),
    "a part of a word": "xghp_" + random_text(36),
    "a short one": "pypi-AgEIcHlwaS5vcmc...",
    "a wrong checksum": "ghp_" + random_text(36) + "\nnpm_" + random_text(36),
    "not a macaroon": "pypi-AgE" + random_text(120) + "\npypi-AgEIcHlwaS5vcmc" + random_text(120),
    "the beginning of a macaroon": "pypi-AgEIcHlwaS5vcmcC" + "x" * 150,
    "code that reads keys": (
        'BEGIN = "-----BEGIN OPENSSH PRIVATE' + ' KEY-----"\nEND = "-----END OPENSSH PRIVATE KEY-----"\n'
        'if text.startswith("-----BEGIN RSA PRIVATE' + ' KEY-----"):\n    pass\n'
    ),
    "a public key": pem().replace("PRIVATE", "PUBLIC"),
    "a hash": f"sha512-{random_text(86)}==",
}


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
@pytest.mark.parametrize("case", NO_SECRETS)
def test_accepts_what_only_looks_like_a_secret(case: str, kind: str) -> None:
    assert find_in({"demo/notes.txt": NO_SECRETS[case]}, kind) == ()


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
@pytest.mark.parametrize(
    "path",
    [
        *("demo/tests/server.key", "demo/test_tls.py", "demo/testing/keys.py", "demo/SelfTest/k.pem"),
        *("demo/dummyserver/certs/server.key", "demo/certs/testkey.pem", "demo/mocks/id_rsa"),
        "demo/tests/.ssh/id_rsa",
    ],
)
def test_accepts_private_keys_of_tests(path: str, kind: str) -> None:
    text = f'KEY = """{pem()}"""\n' if path.endswith(".py") else pem()
    assert find_in({path: text}, kind) == ()


@pytest.mark.parametrize(
    ("path", "token"),
    [
        ("demo/tests/data.txt", TOKENS["GitHub"]),
        ("demo/docs/usage.md", TOKENS["GitHub"]),
        ("demo/usage.txt", "hf_" + "abcdefghijklmnopqrstuvwxyz01234567"),
    ],
)
def test_warns_of_tokens_that_may_be_made_up(path: str, token: str) -> None:
    found = find_in({path: token})
    assert [(finding.check, finding.severity) for finding in found] == [
        ("content/possible-secret", Severity.WARNING)
    ]
    assert token not in repr(found)


def test_a_project_called_test_is_examined() -> None:
    data = wheel_bytes("test", "1.0", files={"test/id_rsa": pem().encode()})
    assert "content/secret" in check_ids(find(data, "test-1.0-py3-none-any.whl"))
    data = sdist_bytes("test", "1.0", files={"id_rsa": pem().encode()})
    assert "content/secret" in check_ids(find(data, "test-1.0.tar.gz"))


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
@pytest.mark.parametrize("password", ["", "%(pass)s", "${TOKEN}", "<token>", "********", "password"])
def test_a_placeholder_is_no_password(password: str, kind: str) -> None:
    found = find_in({"demo/.pypirc": f"[pypi]\npassword = {password}\n"}, kind)
    assert [(finding.check, finding.severity) for finding in found] == [
        ("content/unwanted-file", Severity.WARNING)
    ]


# --- leftovers -----------------------------------------------------------------------------------------

UNWANTED = {
    "demo/.env": "demo/.env",
    "demo/.env.production": "demo/.env.production",
    "demo/.git/HEAD": "demo/.git",
    "demo/.hg/store": "demo/.hg",
    "demo/node_modules/a/package.json": "demo/node_modules",
    "demo/.mypy_cache/x": "demo/.mypy_cache",
    "demo/.pytest_cache/v/x": "demo/.pytest_cache",
    "demo/.ipynb_checkpoints/a.ipynb": "demo/.ipynb_checkpoints",
    "demo/.DS_Store": "demo/.DS_Store",
    "demo/Thumbs.db": "demo/Thumbs.db",
    "demo/._a.py": "demo/._a.py",
    "demo/.tox/x": "demo/.tox",
    "demo/.venv/x": "demo/.venv",
    "demo/.a.py.swp": "demo/.a.py.swp",
    "demo/a.txt~": "demo/a.txt~",
    "demo/.bash_history": "demo/.bash_history",
    "demo/.netrc": "demo/.netrc",
    "demo/#a.py#": "demo/#a.py#",
    "demo/.#a.py": "demo/.#a.py",
    "demo/a.py.bak": "demo/a.py.bak",
    "demo/.nfs0001": "demo/.nfs0001",
    "demo/htmlcov/index.html": "demo/htmlcov",
    "demo/.jj/repo/x": "demo/.jj",
    "demo/.pixi/envs/x": "demo/.pixi",
    "demo/.dmypy.json": "demo/.dmypy.json",
    "demo/.Rhistory": "demo/.Rhistory",
    "demo/$RECYCLE.BIN/x": "demo/$RECYCLE.BIN",
}


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
@pytest.mark.parametrize("path", UNWANTED)
def test_warns_of_files_of_the_developers_machine(path: str, kind: str) -> None:
    found = find_in({path: b"x"}, kind)
    assert [(finding.check, finding.severity) for finding in found] == [
        ("content/unwanted-file", Severity.WARNING)
    ]
    assert (found[0].member or "").removeprefix("demo-1.0/") == UNWANTED[path]


def test_settings_of_an_editor_belong_in_a_repository_and_in_no_wheel() -> None:
    files: dict[str, str | bytes] = {"demo/.idea/workspace.xml": b"x"}
    assert check_ids(find_in(files)) == {"content/unwanted-file"}
    assert find_in(files, "sdist") == ()


def test_reports_a_directory_once() -> None:
    found = find_in({f"demo/.git/{number}": b"" for number in range(MAX_REPORTED_FINDINGS + 10)})
    assert [(finding.member, finding.message) for finding in found] == [
        ("demo/.git", "it is a directory of version control with 60 files")
    ]


@pytest.mark.parametrize(
    "path",
    [
        *("demo/.gitignore", "demo/.gitattributes", "demo/.github/workflows/x.yml", "demo/.gitkeep"),
        *("demo/.env.example", "demo/.env.production.sample", "demo/env", "demo/x.env", "demo/.envrc"),
        *("demo/tests/.env", "demo/tests/data/.git/HEAD", "demo/fixtures/node_modules/a", "demo/git/HEAD"),
        *("demo/package.json.orig", "demo/.npmrc", "demo/.vscode/settings.json", "demo/id_rsa.pub"),
    ],
)
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_accepts_similar_names(path: str, kind: str) -> None:
    assert find_in({path: b"x"}, kind) == ()


# --- merge conflicts -----------------------------------------------------------------------------------

CONFLICT = "a = 1\n<<<<<<< HEAD\nb = 1\n=======\nb = 2\n>>>>>>> topic\n"


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
@pytest.mark.parametrize("path", ["demo/b.py", "demo/b.json", "demo/README.md", "demo/b.c"])
@pytest.mark.parametrize(
    "text", [CONFLICT, CONFLICT.replace("\n", "\r\n"), CONFLICT.replace("=======", "||||||| base\n=======")]
)
def test_warns_of_a_merge_conflict(text: str, path: str, kind: str) -> None:
    found = find_in({path: text}, kind)
    assert [(finding.check, finding.severity) for finding in found] == [
        ("content/merge-conflict", Severity.WARNING)
    ]
    assert found[0].message == "a merge conflict begins in line 2"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("demo/README.rst", "Title\n=======\n\nText\n"),
        ("demo/notes.txt", "<<<<<<< HEAD\nTitle\n=======\n"),
        ("demo/notes.txt", "=======\n>>>>>>> topic\n<<<<<<< HEAD\n"),
        ("demo/merge.py", "MARKS = '''  <<<<<<< ours\n  =======\n  >>>>>>> theirs\n'''\n"),
        ("demo/usage.md", f"Resolve it:\n```\n{CONFLICT}```\n"),
        ("demo/tests/conflict.txt", CONFLICT),
    ],
)
def test_accepts_what_only_looks_like_a_merge_conflict(path: str, text: str) -> None:
    assert find_in({path: text}) == ()


# --- syntax --------------------------------------------------------------------------------------------

REQUIRES = METADATA.format(project="demo", version="1.0")
PADDING = "# padding\n" * 20_000
#: Modules whose size makes the scan of the wheel less thorough.
SIZES = {"small": 0, "large": 1, "very large": 8}


def find_in_module(
    text: str, requires: str = ">=3.9", size: str = "small", path: str = "demo/b.py"
) -> tuple[Finding, ...]:
    files: dict[str, str | bytes] = {f"demo/padding{number}.py": PADDING for number in range(SIZES[size])}
    metadata = REQUIRES.replace(">=3.9", requires)
    return find_in({**files, path: text}, metadata=metadata)


def test_the_sizes_select_all_depths() -> None:
    depths = [text_scanner.choose_depth(count * len(PADDING)) for count in SIZES.values()]
    assert depths == [ScanDepth.PARSE_ALL, ScanDepth.EACH_LINE, ScanDepth.QUICK]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("line", ["print 'x'", 'print "%s" % x'])
def test_reports_python_2(line: str, size: str) -> None:
    [finding] = find_in_module(f"x = 1\nif x:\n    {line}\n", size=size)
    assert (finding.check, finding.severity, finding.member) == (
        "content/invalid-syntax",
        Severity.WARNING,
        "demo/b.py",
    )
    assert finding.message.startswith("line 3 is not valid in Python 3.9: ")


OTHER_PYTHON_2 = [
    "print x",
    "exec 'x' in y",
    "raise ValueError, 'x'",
    "try:\n    pass\nexcept ValueError, e:\n    pass",
]


@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("text", OTHER_PYTHON_2)
def test_reports_other_statements_of_python_2(text: str, size: str) -> None:
    assert [finding.check for finding in find_in_module(text, size=size)] == ["content/invalid-syntax"]


def test_reports_a_script_that_python_3_cannot_parse() -> None:
    found = find_in_module("#!python\nprint 'x'\n", path="demo-1.0.data/scripts/demo-run.py")
    assert [finding.check for finding in found] == ["content/invalid-syntax"]


#: Syntax, and the version that brought it; all Pythons that run this program know the first three.
NEW_SYNTAX = [
    ("match x:\n    case 1:\n        pass\n", 10),
    ("try:\n    pass\nexcept* ValueError:\n    pass\n", 11),
    ("def f[T](x: T): ...\n", 12),
]


@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize(("text", "minor"), NEW_SYNTAX)
def test_reports_syntax_that_is_too_new(text: str, minor: int, size: str) -> None:
    older = find_in_module(text, f">=3.{minor - 1}", size)
    assert [finding.check for finding in older] == ["content/invalid-syntax"]
    assert f"in Python 3.{minor - 1}" in older[0].message
    assert find_in_module(text, f">=3.{minor}", size) == ()
    # Nothing is known about the oldest Python.
    assert find_in_module(text, ">=2.7", size) == ()


def test_the_tag_says_which_python_is_the_oldest() -> None:
    text = NEW_SYNTAX[1][0].encode()
    for tag, is_reported in (("py310-none-any", True), ("py311-none-any", False), ("py3-none-any", True)):
        data = wheel_bytes("demo", "1.0", tag, files={"demo/b.py": text})
        found = check_ids(find(data, f"demo-1.0-{tag}.whl"))
        assert ("content/invalid-syntax" in found) is is_reported, tag


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("demo/tests/data/py2.py", "print 'x'\n"),
        ("demo/templates/main.py", "print {{ x }}\n"),
        ("demo/project_template/main.py", "import {{ name }}\n"),
        ("demo/{{cookiecutter.name}}/main.py", "print 'x'\n"),
        ("demo/_py2.py", "print 'x'\n"),
        ("demo/py2/io.py", "print 'x'\n"),
        ("demo/compat_py3_12.py", "def f[T](x: T): ...\n"),
        ("demo/project-files/main.py", "print 'x'\n"),
        ("demo-1.0.data/data/share/demo/a.py", "print 'x'\n"),
        ("demo/b.pyi", "def f[T](x: T): ...\n"),
        ("demo/b.py", '"""Do this:\n\nprint "x"\n"""\n'),
        ("demo-1.0.data/scripts/run_py2.py", "print 'x'\n"),
        ("demo/b.py", "print('x')\nexec('x')\nraise ValueError('x')\n"),
        ("demo/b.py", "x = '\\d'\nmatch = case = type = 1\ncase: int = 2\n"),
        ("demo/b.py", "# -*- coding: latin-1 -*-\nx = '\\xe4'\n"),
        ("demo/b.py", b"\xef\xbb\xbfx = 1\r\n"),
    ],
)
@pytest.mark.parametrize("size", SIZES)
def test_accepts_what_is_not_imported_or_valid(path: str, text: str, size: str) -> None:
    assert find_in_module(text, size=size, path=path) == ()


def test_accepts_python_2_in_a_wheel_for_python_2() -> None:
    data = wheel_bytes("demo", "1.0", "py2-none-any", files={"demo/b.py": b"print 'x'\n"})
    assert "content/invalid-syntax" not in check_ids(find(data, "demo-1.0-py2-none-any.whl"))


@pytest.mark.parametrize(
    "text", ["(" * 5000 + "\n", "x = " + "-" * 30_000 + "1\n", "\0print 'x'\n", "[" * 90 + ":" * 5]
)
def test_hostile_source_is_parsed_in_no_time(text: str) -> None:
    assert check_ids(find_in_module(text)) <= {"content/invalid-syntax"}


# --- start-up code -------------------------------------------------------------------------------------

STARTUP: dict[str, dict[str, str | bytes]] = {
    "an import line": {"demo.pth": "import demo\n"},
    "an import line with a tab": {"demo.pth": "# comment\n\nimport\tdemo\n"},
    "an import line after a byte order mark": {"demo.pth": b"\xef\xbb\xbfimport demo\n"},
    "an import line in purelib": {"demo-1.0.data/purelib/demo.pth": "import demo\n"},
    "an entry point": {"demo.start": "demo:main\n"},
    "sitecustomize": {"sitecustomize.py": ""},
    "usercustomize": {"usercustomize/__init__.py": ""},
    "sitecustomize in platlib": {"demo-1.0.data/platlib/sitecustomize.py": ""},
}


@pytest.mark.parametrize("case", STARTUP)
def test_warns_of_code_that_runs_when_python_starts(case: str) -> None:
    found = find_in(STARTUP[case])
    assert [(finding.check, finding.severity) for finding in found] == [
        ("content/startup-code", Severity.WARNING)
    ]


@pytest.mark.parametrize(
    "files",
    [
        {"demo.pth": "demo/src\nimportant\n# import demo\n import demo\n"},
        {"demo.start": "# demo:main\n\n"},
        {"demo/demo.pth": "import demo\n", "demo/sitecustomize.py": ""},
        {"demo-1.0.data/data/share/demo.pth": "import demo\n"},
    ],
)
def test_accepts_files_that_python_does_not_execute(files: dict[str, str | bytes]) -> None:
    assert find_in(files) == ()


# --- collisions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_twins_of_a_name_are_shown_differently(kind: str) -> None:
    found = find_in({"demo/caf\u00e9.txt": b"", "demo/cafe\u0301.txt": b""}, kind)
    [finding] = [finding for finding in found if finding.check == "archive/unicode-collision"]
    assert finding.severity is Severity.WARNING
    assert "\\xe9" in finding.message
    assert "e\\u0301" in finding.message


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_names_that_differ_in_case(kind: str) -> None:
    assert check_ids(find_in({"demo/a.txt": b"", "demo/A.txt": b""}, kind)) == {"archive/case-collision"}
    directories = find_in({"demo/sub/a.txt": b"", "demo/Sub/b.txt": b"", "demo/Sub/c.txt": b""}, kind)
    assert [finding.check for finding in directories] == ["archive/case-collision"]
    assert (directories[0].member or "").endswith("demo/Sub")
    assert find_in({"demo/a.txt": b"", "demo/b.txt": b""}, kind) == ()
    assert "archive/unicode-collision" not in check_ids(
        find_in({"demo/caf\u00e9": b"", "demo/cafe": b""}, kind)
    )


# --- hostile text --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unit",
    [
        *(b"ghp_", b"hf_", b"AKIA", b"pypi-AgE", b"xoxb-1-", b"-----BEGIN ", b"<<<<<<< a\n", b"\n=======\n"),
        *(
            b"\nprint ",
            b"\nexcept (a, ",
            b"password = x\n",
            b"\nraise a,",
            b"AKIA" + b"A" * 16,
            b"_authToken=",
        ),
    ],
)
def test_repeated_beginnings_stay_within_the_budget(unit: bytes) -> None:
    text = unit * ((1 << 20) // len(unit))
    files: dict[str, str | bytes] = {"demo/a.txt": text, "demo/.pypirc": text, "demo/b.py": text[: 200 << 10]}
    found = find_in(files)
    assert "archive/over-budget" not in check_ids(found)
    assert len(found) < 200


def test_binary_and_large_members_are_not_scanned() -> None:
    token = TOKENS["GitHub"].encode()
    assert find_in({"demo/a.bin": b"\0" + token}) == ()
    assert find_in({"demo/a.txt": token + b"\n" * text_scanner.MAX_SCANNED_SIZE}) == ()


@pytest.mark.parametrize("source", [b"x = 1\n\0y = 2\n", "\ufeffx = 1\n".encode("utf-16-le")])
def test_reports_a_module_with_nul_characters(source: bytes) -> None:
    [finding] = find_in({"demo/a.py": source})
    assert finding.check == "content/invalid-syntax"
    assert finding.message.endswith("has a NUL character, which no Python accepts")


def test_a_module_in_another_encoding_that_python_accepts_is_not_reported() -> None:
    assert find_in({"demo/a.py": "# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1")}) == ()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("build/lib/demo/old.py", "it is the output of an earlier build"),
        ("build/lib.linux-x86_64-cpython-312/demo/x.py", "it is the output of an earlier build"),
        ("build/temp.win-amd64-cpython-312/Release/x.obj", "it is the output of an earlier build"),
        ("dist/demo-0.9-py3-none-any.whl", "it is the output of an earlier build"),
        ("dist/demo-0.9.tar.gz", "it is the output of an earlier build"),
        ("demo/x.cpython-312-x86_64-linux-gnu.so", "it is compiled for the build machine"),
        ("src/demo/x.cp312-win_amd64.pyd", "it is compiled for the build machine"),
        ("demo/x.abi3.so", "it is compiled for the build machine"),
    ],
)
def test_reports_the_output_of_a_build_in_an_sdist(path: str, message: str) -> None:
    [finding] = find_in({path: b"x"}, "sdist")
    assert (finding.check, finding.message) == ("sdist/build-output", message)
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize(
    "path",
    [
        *("build/build.sh", "build/library/x.py", "buildlib/x.py", "demo/build/lib/x.py", "dist/index.js"),
        *("tests/data/x.cpython-312-x86_64-linux-gnu.so", "tests/dist/a-1-py3-none-any.whl", "demo/libx.so"),
        *("vendor/a-1.0-py3-none-any.whl", "demo/x.so"),
    ],
)
def test_accepts_files_in_an_sdist_that_are_named_similarly(path: str) -> None:
    assert find_in({path: b"x"}, "sdist") == ()

"""Test which user names and passwords are refused, corrected or warned of, and that none is shown."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from wheel_uploader.core.errors import CredentialsError
from wheel_uploader.upload.credential_values import check_password, check_username, find_mismatch

TOKEN = "pypi-" + "AgEIcHlwaS5vcmcCJDEyMzQ1Njc4"
VARIABLE = "TWINE_PASSWORD"


def refusal(value: str, *, is_pypi: bool = False) -> str:
    with pytest.raises(CredentialsError) as caught:
        check_password(value, origin=VARIABLE, is_pypi=is_pypi)
    error = caught.value
    shown = "\n".join([error.message, error.hint, *error.details])
    assert VARIABLE in error.message
    assert value not in shown
    assert "AgEI" not in shown
    return error.message


@pytest.mark.parametrize("is_pypi", [True, False])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (f'"{TOKEN}"', "is enclosed in quotation marks"),
        (f"'{TOKEN}'\n", "is enclosed in quotation marks"),
        (f"\u201c{TOKEN}\u201d", "is enclosed in quotation marks"),
        (f'"{TOKEN}', "characters that no token has"),
        (f"{TOKEN}\x16", "control or invisible characters"),
        (f"{TOKEN[:9]}\u200b{TOKEN[9:]}", "control or invisible characters"),
        (f"{TOKEN[:9]} {TOKEN[9:]}", "characters that no token has"),
        (f"{TOKEN}\\n", "characters that no token has"),
        ("pypi-...***", "characters that no token has"),
        ("pypi-", "only the beginning of an API token"),
        (f"{TOKEN[:9]}...", "only the beginning of an API token"),
        (f"TWINE_PASSWORD={TOKEN}", "an API token with other text before it"),
        (f"Bearer {TOKEN}", "an API token with other text before it"),
        (f"__token__:{TOKEN}", "an API token with other text before it"),
        (f"\ufeff{TOKEN}", "control or invisible characters"),
        (TOKEN.replace("pypi", "PYPI"), "in capitals"),
        ("${{ secrets.PYPI_TOKEN }}", "is a placeholder"),
        ("{{ pypi_token }}", "is a placeholder"),
        ("secret-\udce9", "is not valid text in UTF-8"),
    ],
)
def test_refuses_what_cannot_be_a_token(value: str, reason: str, *, is_pypi: bool) -> None:
    assert reason in refusal(value, is_pypi=is_pypi)


@pytest.mark.parametrize(
    "value",
    [
        *("$PYPI_TOKEN", "${PYPI_TOKEN}", "$(PYPI_TOKEN)", "$env:PYPI_TOKEN", "%PYPI_TOKEN%", "@PYPI_TOKEN@"),
        "secrets.PYPI_TOKEN",
    ],
)
def test_names_a_variable_that_was_not_replaced(value: str) -> None:
    assert "is a placeholder" in refusal(value, is_pypi=True)
    checked = check_password(value, origin=VARIABLE, is_pypi=False)
    assert checked.value == value
    assert [warning.startswith(f"the password from {VARIABLE} is a") for warning in checked.warnings] == [
        True
    ]


@pytest.mark.parametrize("value", ["$token", "<your token>", "***", "[TOKEN]"])
def test_refuses_a_placeholder_only_where_nothing_but_a_token_is_accepted(value: str) -> None:
    assert "is a placeholder" in refusal(value, is_pypi=True)
    assert check_password(value, origin=VARIABLE, is_pypi=False).warnings == ()


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


FORMS: dict[str, Callable[[str], str]] = {
    "base64": encode,
    "without padding": lambda text: encode(text).rstrip("="),
    "for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "twice": lambda text: encode(encode(text)),
    "with a line end": lambda text: f"{encode(text)}\n",
}


@pytest.mark.parametrize("is_pypi", [True, False])
@pytest.mark.parametrize("text", [TOKEN, f"{TOKEN}\n", f"__token__:{TOKEN}", f"Basic __token__:{TOKEN}"])
@pytest.mark.parametrize("form", FORMS)
def test_refuses_a_token_in_base64(form: str, text: str, *, is_pypi: bool) -> None:
    reason = refusal(FORMS[form](text), is_pypi=is_pypi)
    assert "in base64" in reason


@pytest.mark.parametrize("is_pypi", [True, False])
def test_names_base64_that_was_wrapped(*, is_pypi: bool) -> None:
    reason = refusal(base64.encodebytes((TOKEN * 3).encode()).decode(), is_pypi=is_pypi)
    assert "control or invisible" in reason or "in base64" in reason


@pytest.mark.parametrize("start", ["AgEI", "ypi-AgEI", "-AgEI"])
def test_refuses_a_token_without_its_beginning(start: str) -> None:
    value = start + "cHlwaS5vcmcCJDEyMzQ1Njc4" * 3
    assert "without its beginning" in refusal(value, is_pypi=True)
    assert check_password(value, origin=VARIABLE, is_pypi=False).warnings == ()


@pytest.mark.parametrize(
    "value",
    [
        *(
            "Bearer glpat-12345678",
            "token glpat-12345678",
            "Basic am9objpkb2U1Njc4",
            "password=hunter2-hunter2",
        ),
        *("PYPI_TOKEN=hunter2-hunter2", "export TOKEN=hunter2-hunter2", '"password": "hunter2-hunter2",'),
        *("Authorization: Bearer x", "PRIVATE-TOKEN: glpat-12345678", "--password=hunter2-hunter2"),
        *("api_key: hunter2-hunter2", "$env:TWINE_PASSWORD='hunter2-hunter2"),
    ],
)
def test_names_text_before_a_password(value: str) -> None:
    checked = check_password(value, origin=VARIABLE, is_pypi=False)
    assert checked.value == value
    (warning,) = checked.warnings
    assert "begins with the name of a variable or header" in warning
    assert "hunter2" not in warning
    assert "begins with the name" in refusal(value, is_pypi=True)


def test_names_a_login_in_base64() -> None:
    value = encode("jane:hunter2-hunter2")
    (warning,) = check_password(value, origin=VARIABLE, is_pypi=False).warnings
    assert "is a user name and a password in base64" in warning
    assert "hunter2" not in warning
    assert "in base64" in refusal(value, is_pypi=True)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\n\n"])
@pytest.mark.parametrize("value", [TOKEN, "hunter2-hunter2"])
def test_cuts_line_ends_off(value: str, end: str) -> None:
    checked = check_password(value + end, origin=VARIABLE, is_pypi=False)
    assert checked.value == value
    assert len(checked.warnings) == 1
    assert "line end, which is left out" in checked.warnings[0]


@pytest.mark.parametrize("value", [f" {TOKEN}", f"{TOKEN}\t", f"\u00a0{TOKEN} \n"])
def test_cuts_blanks_around_a_token_off(value: str) -> None:
    checked = check_password(value, origin=VARIABLE, is_pypi=True)
    assert checked.value == TOKEN
    assert "blanks around it, which are left out" in checked.warnings[-1]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (" hunter2", "has blanks around it"),
        ("'hunter2'", "is enclosed in quotation marks"),
        ("''", "is enclosed in quotation marks"),
        ("hunter2\x16", "contains control or invisible characters"),
        *((value, "is the word for a value that is not set") for value in ("None", "undefined", "null")),
        *(
            (value, "is a reference to a secret, or its encrypted form, and not the secret")
            for value in (
                "op://vault/index/password",
                "arn:aws:secretsmanager:eu-west-1:123456789012:secret:index",
                "@Microsoft.KeyVault(SecretUri=https://vault.example/secrets/index)",
                "ENC[AES256_GCM,data:abc=,iv:def=,tag:ghi=,type:str]",
                '<%= ENV["TOKEN"] %>',
            )
        ),
    ],
)
def test_sends_another_password_as_it_is_with_a_warning(value: str, reason: str) -> None:
    checked = check_password(value, origin=VARIABLE, is_pypi=False)
    assert (checked.value, checked.warnings) == (value, (f"the password from {VARIABLE} {reason}",))


@pytest.mark.parametrize(
    "value",
    [
        *(
            TOKEN,
            "pässwörd",
            "密码密码",
            "pa$word",
            "pa$(x)d",
            "pa${x}d",
            "$ecret",
            "50%off%",
            "a b",
            'say "hi"',
        ),
        *("nothing", "nullable", "opera://", "<%", "my-pypi-token", "ENC[]"),
        # A token of Artifactory, a random value in base64, a JSON Web Token, and words.
        *(
            "cmVmdGtuOjAxOjE3MDAwMDAwMDA6YWJjZGVmZ2hpag==",
            "q83vEjRWeJCrze8SNFZ4kA==",
            "passwords",
            "tokens 1",
        ),
        *(
            "eyJ2ZXIiOjEsImlzdSI6MTcwMDAwMDAwMH0.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
            "token",
            "my=password",
            "set fire",
        ),
        *("it's", "", "'", "p@ss@", "<3", "{x}", "\U0001f511", "e\u0301"),
    ],
)
def test_says_nothing_about_ordinary_passwords(value: str) -> None:
    checked = check_password(value, origin=VARIABLE, is_pypi=False)
    assert (checked.value, checked.warnings) == (value, ())


def test_checks_user_names() -> None:
    assert check_username("__token__\n", origin="--username").value == "__token__"
    assert check_username("jane", origin="--username").warnings == ()
    assert "contains a colon" in check_username("jane:x", origin="--username").warnings[0]
    with pytest.raises(CredentialsError, match="the user name from TWINE_USERNAME is a placeholder"):
        check_username("${{ secrets.USER }}", origin="TWINE_USERNAME")


def test_knows_which_values_do_not_belong_together() -> None:
    assert find_mismatch("__token__", TOKEN, origin=VARIABLE) == ""
    assert find_mismatch("jane", "hunter2", origin=VARIABLE) == ""
    assert find_mismatch("__token__", "glpat-1234", origin=VARIABLE) == ""
    mismatch = find_mismatch("jane", TOKEN, origin=VARIABLE)
    assert "whose user name is __token__" in mismatch
    assert "jane" not in mismatch
    swapped = find_mismatch(TOKEN, "__token__", origin=VARIABLE)
    assert "swapped" in swapped
    assert TOKEN not in swapped


def test_refuses_a_whole_file() -> None:
    with pytest.raises(CredentialsError) as caught:
        check_password("k9" * 20_000, origin="TWINE_PASSWORD", is_pypi=False)
    assert "40,000 characters" in caught.value.message
    assert "TWINE_PASSWORD" in caught.value.hint
    assert "k9k9" not in f"{caught.value.message}{caught.value.hint}"
    assert check_password("k9" * 8_000, origin="TWINE_PASSWORD", is_pypi=False).warnings == ()

"""The settings of the selected target, which the options of the command line override."""

from __future__ import annotations

import os
from dataclasses import replace

from wheel_uploader.core.errors import CredentialsError
from wheel_uploader.core.models import Options, TargetSettings
from wheel_uploader.core.redaction import sanitize
from wheel_uploader.index.target import selected_repository


def find_settings(options: Options) -> TargetSettings:
    """Return the settings of the section that ``-r`` selects, with its URL. Raises UsageError.

    For ``--repository-url``, only the URL is set.
    """
    selected = selected_repository(options)
    if selected.is_configured:
        return options.targets[selected.name]
    if selected.url:
        return TargetSettings(url=selected.url)
    # Imports twine, which takes longer than reading a listing.
    from wheel_uploader.upload import pypirc

    file = pypirc.read_selected_pypirc(options)
    if file is None:
        return TargetSettings()
    section = file.select(selected.name)
    return replace(
        file.target_settings(selected.name),
        url=section["repository"],
        password=section.get("password", ""),
    )


def apply_settings(options: Options, settings: TargetSettings) -> Options:
    """Return the options with those settings that they do not have themselves."""
    return replace(options, index_url=options.index_url or settings.index_url)


def read_token(settings: TargetSettings) -> str:
    """Return the token in the variable that the section names; empty if it names none.

    Raises CredentialsError if the variable is not set.
    """
    name = settings.token_variable
    if not name:
        return ""
    token = os.environ.get(name, "").strip()
    if not token:
        raise CredentialsError(
            f"the variable {sanitize(name)}, which has the token of this target, is not set",
            hint=f"Set {sanitize(name)}, or correct token-variable.",
        )
    return token

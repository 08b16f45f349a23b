"""The check of start-up code against the previous release."""

from __future__ import annotations

from collections.abc import Iterator

from wheel_uploader.checks.registry import Observation, check
from wheel_uploader.checks.release_content import ReleaseContent
from wheel_uploader.core.models import Severity


@check("release/new-startup-code", Severity.ERROR)
def new_startup_code(release: ReleaseContent) -> Iterator[Observation]:
    """Wheel contains code that runs at every start of Python, and the previous release had none.

    A project rarely starts to need such code, and it is how attackers who have taken over a build or an
    account run their own: see content/startup-code for the lines in question. If the code is yours and
    necessary, accept it for this release with --ignore; otherwise find out which commit or build tool added
    it. One wheel of the previous release on the index is read for this; with --no-compare, none is.
    """
    for filename in release.new_startup_files:
        yield filename, f"it has start-up code; {release.comparison_version} had none"


CHECKS = (new_startup_code,)

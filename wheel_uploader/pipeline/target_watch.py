"""``--verify --max-age``: the newest file per platform on the target, and tokens that will expire soon."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from packaging.version import Version

from wheel_uploader.checks.release_index import is_allowed_missing
from wheel_uploader.core import filenames
from wheel_uploader.core.errors import CredentialsError, NothingFoundError, ReleaseError, UsageError
from wheel_uploader.core.formatting import format_count, format_duration
from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import DistName, IndexFile, Options, ProjectPage, WheelName
from wheel_uploader.core.models.run import URL_TOKEN_VARIABLE
from wheel_uploader.core.platforms.matrix import MatrixCell, split_platform_tag
from wheel_uploader.core.redaction import strip_url
from wheel_uploader.core.urls import unquote
from wheel_uploader.http.host_policy import split_credentials
from wheel_uploader.listing import freshness
from wheel_uploader.pipeline.context import RunContext
from wheel_uploader.targets.protocol import PublishTarget
from wheel_uploader.upload import token_expiry

#: The platform of source distributions, for messages.
SDIST_PLATFORM = "sdist"

PublishedFile = tuple[DistName, IndexFile]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAge:
    """The newest file of one platform; its date is None if nothing states one."""

    platform: str
    filename: str
    built: freshness.BuildDate | None

    def describe(self, now: datetime) -> str:
        """Return a line for the report: the platform, the file and its age."""
        if self.built is None:
            return f"{self.platform}: {self.filename} has no date"
        seconds = (now - self.built.date).total_seconds()
        age = f"is {format_duration(seconds)} old" if seconds >= 0 else "is dated in the future"
        return f"{self.platform}: {self.filename} {age} ({self.built})"


def watch_files(
    page: ProjectPage,
    project: str,
    options: Options,
    find_date: Callable[[IndexFile], datetime | None],
    now: datetime,
) -> tuple[FileAge, ReleaseError | None]:
    """Return the platform whose newest file on ``page`` is the oldest, and the error if it is too old.

    ``find_date`` returns the date of a file that the page lists without one. Raises NothingFoundError if the
    page has no file to judge, and UsageError if a platform has no date.
    """
    platforms = group_by_platform(page, project, options)
    ages = [_find_newest(platform, files, find_date, now) for platform, files in sorted(platforms.items())]
    where = strip_url(page.url)
    if not ages:
        raise NothingFoundError(
            f"{where} lists no files of {project} whose age --max-age could limit",
            hint="Check PROJECT and the index, and --type, --exclude and --allow-missing.",
        )
    if undated := [age for age in ages if age.built is None]:
        raise UsageError(
            f"{where} has no upload times to compare with --max-age",
            hint="Neither the page, the Last-Modified of the files nor a .devYYYYMMDD version gives a date. "
            "Verify this index without --max-age.",
            details=[age.describe(now) for age in undated],
        )
    oldest = now - timedelta(seconds=options.max_age)
    bad = [age for age in ages if age.built and not oldest <= age.built.date <= age.built.latest_at(now)]
    first = min(ages, key=lambda age: age.built.date if age.built else now)
    if not bad:
        return first, None
    limit = format_duration(options.max_age)
    return first, NothingFoundError(
        f"{where}: the newest file of {len(bad)} of {format_count(len(ages), 'platform')} is not recent "
        f"enough: --max-age is {limit}",
        hint="Check why newer builds are missing there. For a platform that has ended, add "
        "--allow-missing PLATFORM.",
        details=[age.describe(now) for age in bad],
    )


def group_by_platform(
    page: ProjectPage, project: str, options: Options
) -> Mapping[str, Sequence[PublishedFile]]:
    """Return the files of the project that installers may choose, by platform, whatever their version."""
    platforms: dict[str, list[PublishedFile]] = defaultdict(list)
    for name, file in _iter_published(page, project, options):
        for platform in _list_platforms(name):
            if not is_allowed_missing(MatrixCell("", platform), options.allow_missing):
                platforms[platform].append((name, file))
    return platforms


def _iter_published(page: ProjectPage, project: str, options: Options) -> Iterator[PublishedFile]:
    for file in page.files:
        try:
            name = filenames.parse_filename(file.filename)
        except filenames.InvalidFilename:
            continue
        is_excluded = any(fnmatchcase(file.filename, pattern) for pattern in options.exclude)
        if (
            name.project == project
            and not file.yanked
            and not is_excluded
            and filenames.matches_platform_filter(name, options.types)
        ):
            yield name, file


def _list_platforms(name: DistName) -> set[str]:
    if isinstance(name, WheelName):
        return {split_platform_tag(tag)[0] for tag in name.platforms}
    return {SDIST_PLATFORM}


def _find_newest(
    platform: str,
    files: Sequence[PublishedFile],
    find_date: Callable[[IndexFile], datetime | None],
    now: datetime,
) -> FileAge:
    """Return the newest file of a platform by its upload time, or of the newest version if none has one."""
    dated = [(file.upload_time, file.filename) for _, file in files if file.upload_time]
    if dated:
        # A wrong clock must not hide that later files are missing.
        past = [entry for entry in dated if entry[0] <= now + freshness.CLOCK_SKEW]
        date, filename = max(past or dated)
        uploaded = freshness.BuildDate(date=date, source="the upload time on the index")
        return FileAge(platform=platform, filename=filename, built=uploaded)
    name, file = max(files, key=lambda entry: (entry[0].version, entry[1].filename))
    built = _find_other_date(name.version, file, find_date)
    return FileAge(platform=platform, filename=file.filename, built=built)


def _find_other_date(
    version: Version, file: IndexFile, find_date: Callable[[IndexFile], datetime | None]
) -> freshness.BuildDate | None:
    if date := find_date(file):
        return freshness.BuildDate(date=date, source="its Last-Modified")
    if date := freshness.date_from_version(version):
        return freshness.BuildDate(date=date, source="the date in the version", is_end_of_day=True)
    return None


# --- tokens ----------------------------------------------------------------------------------------


def find_ending_tokens(context: RunContext, target: PublishTarget, now: datetime) -> tuple[str, ...]:
    """Return a warning for each token of this run that has expired or will soon; none is sent or shown."""
    warnings = (
        token_expiry.describe_end(secret, subject=subject, now=now, is_watch=True)
        for subject, secret in _iter_secrets(context, target)
    )
    return tuple(dict.fromkeys(filter(None, warnings)))


def _iter_secrets(context: RunContext, target: PublishTarget) -> Iterator[tuple[str, str]]:
    options = context.options
    try:
        password, origin = target.find_stored_password()
    except CredentialsError as error:
        context.progress.info(f"warning: {error.message}")
    else:
        yield f"the password from {origin}", password
    if options.index_url:
        yield "the password in --index-url", unquote(split_credentials(options.index_url)[2])
    yield f"the token in {URL_TOKEN_VARIABLE}", options.url_token or ""

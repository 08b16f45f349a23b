"""The command line: turns arguments into Options, prints the Report and maps errors to exit codes.

The only package that imports click. Heavy modules are imported where they are used, to keep ``--help`` fast.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Any, NoReturn

import click

from wheel_uploader.cli import last_words, other_tools, release_words
from wheel_uploader.cli import output as cli_output
from wheel_uploader.cli.click_command import Command
from wheel_uploader.cli.config_sources import (
    config_options,
    drop_unused_settings,
    effective_values,
    find_misspelled_variables,
    name_origin,
    set_options_lines,
    show_config_lines,
)
from wheel_uploader.cli.info_options import info_options
from wheel_uploader.cli.options import stage_options
from wheel_uploader.core import cancellation, signal_handlers, standard_streams
from wheel_uploader.core.errors import ReleaseError, as_unexpected_error, most_important_error
from wheel_uploader.core.redaction import sanitize_message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wheel_uploader.core.models import Options, Report
    from wheel_uploader.pipeline.context import ReportBuilder
    from wheel_uploader.report import destinations as report_destinations


@click.command(
    cls=Command,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.argument("project", metavar="[PROJECT]", default="")
@click.argument("release", metavar="[VERSION]", default="")
# First, because an eager option (-q) may take its value from the configuration file, too.
@config_options
@stage_options
@info_options
@other_tools.hidden_options
def command(show_config: bool, doctor: bool, **values: Any) -> NoReturn:
    """Publish a staged release to a package index, and confirm that it arrived complete and unchanged.

    list -> download -> check -> sign -> upload -> confirm

    VERSION may be 'latest'. To check local files in place, use --until check -u FILE; PROJECT may then be
    omitted. A DURATION is 90s, 20m, 1h30m or 3d. Options marked ... may be repeated. Every option may also be
    set in the environment (WHEEL_UPLOADER_OPTION) or in pyproject.toml ([tool.wheel-uploader]).
    """
    context = click.get_current_context()
    if show_config:
        click.echo("\n".join(show_config_lines(context, values)))
        click.echo("\n".join(f"# {line}" for line in _resolved_lines(context, values)))
        context.exit(0)
    cancel = context.obj or cancellation.CancellationToken()
    if doctor:
        context.exit(_run_doctor(context, values, cancel))
    from wheel_uploader.report import destinations as report_destinations

    try:
        destinations = report_destinations.parse_destinations(values["reports"])
    except ReleaseError as error:
        cli_output.exit_with(error)
    cancel.send_report_context(last_words.watchdog_values(values))

    def report_unstarted_run(error: ReleaseError) -> None:
        last_words.write_error(error, values["quiet"])
        report_destinations.write_reports(_report_of_unstarted_run(values, error), destinations)

    cancel.write_report = report_unstarted_run
    try:
        with cancellation.use_token(cancel), cancel.time_limit(values["max_duration"]):
            # A signal may have arrived while the command line was parsed.
            cancel.raise_if_cancelled()
            from wheel_uploader.core import malloc_arenas, progress
            from wheel_uploader.pipeline import run as pipeline_run

            malloc_arenas.limit_arenas()
            release_words.require_any(context, values)
            _silence_library_logs()
            display = progress.make_progress(
                sys.stderr,
                verbose=values["verbose"],
                quiet=bool(values["quiet"]),
                color=cli_output.has_color(sys.stderr),
            )
            cancel.clear_display = display.clear_display
            for line in find_misspelled_variables(context.command):
                display.info(line)
            options = drop_unused_settings(context, _options(**effective_values(context, values)))
            release_words.require_place(context, values)
            cancel.raise_if_cancelled()
            result = pipeline_run.run(
                options,
                display,
                cancel,
                lambda builder: _prepare_forced_end(cancel, builder, values, destinations),
            )
    except (ReleaseError, cancellation.RunCancelled) as caught:
        reason = (
            caught.error if isinstance(caught, cancellation.RunCancelled) else name_origin(context, caught)
        )
        report_destinations.write_reports(_report_of_unstarted_run(values, reason), destinations)
        cli_output.exit_with(reason)
    write_errors = [
        cli_output.print_report(result, values["report_format"]),
        report_destinations.write_reports(result, destinations),
    ]
    errors = [error for error in (*write_errors, result.error) if error]
    exit_code = most_important_error(errors).exit_code if errors else 0
    cli_output.write_github_outputs(result, exit_code)
    for write_error in filter(None, write_errors):
        cli_output.print_error(write_error)
    if result.error:
        cli_output.print_error(
            result.error,
            resume_arguments=context.meta[cli_output.TYPED_ARGUMENTS_KEY]
            if cli_output.is_resumable(result)
            else (),
            result=result,
        )
    cancel.mark_output_complete(exit_code)
    sys.exit(exit_code)


def _resolved_lines(context: click.Context, values: dict[str, Any]) -> list[str]:
    """Return what the options resolve to: the targets with their pages and logins, or why they cannot."""
    from wheel_uploader.pipeline.doctor import describe_resolved

    completed = {
        **values,
        "wait": 0.0,
        "project": values["project"] or "demo",
        "urls": values["urls"] or (".",),
    }
    try:
        options = drop_unused_settings(context, _options(**effective_values(context, completed)))
        return list(describe_resolved(options, has_project=bool(values["project"])))
    except ReleaseError as error:
        return [f"target: not known: {sanitize_message(name_origin(context, error).message)}"]


def _run_doctor(
    context: click.Context, values: dict[str, Any], cancel: cancellation.CancellationToken
) -> int:
    """Print what a run would use, and return the exit code. PROJECT and -u may be missing."""
    from wheel_uploader.cli.doctor import run_doctor
    from wheel_uploader.pipeline.doctor import Subject

    verifies_wheelhouse = values["verify"] and bool(values["wheelhouse"])
    if verifies_wheelhouse and not values["urls"]:
        values = {**values, "urls": (str(values["wheelhouse"]),)}
    has_project, has_source = bool(values["project"]), bool(values["urls"])
    # The doctor does not wait, and without a project there is no release to wait for.
    completed = {
        **values,
        "wait": 0.0,
        "project": values["project"] or "demo",
        "urls": values["urls"] or (".",),
    }
    try:
        with cancellation.use_token(cancel), cancel.time_limit(values["max_duration"]):
            _silence_library_logs()
            options = drop_unused_settings(context, _options(**effective_values(context, completed)))
            subject = Subject(options=options, has_project=has_project, has_source=has_source)
            return run_doctor(subject, set_options_lines(context, values))
    except cancellation.RunCancelled as stop:
        cli_output.exit_with(stop.error)
    except ReleaseError as error:
        cli_output.exit_with(name_origin(context, error))


def _prepare_forced_end(
    cancel: cancellation.CancellationToken,
    builder: ReportBuilder,
    values: dict[str, Any],
    destinations: Sequence[report_destinations.ReportDestination],
) -> None:
    """Have the report written even if the process must be ended while its main thread is stuck."""

    def write(error: ReleaseError) -> None:
        from wheel_uploader.report import destinations as report_destinations

        builder.record(error=error)
        report = builder.report
        last_words.write_error(error, values["quiet"])
        report_destinations.write_reports(report, destinations)
        cli_output.print_report(report, values["report_format"], values["quiet"])
        sys.stdout.flush()

    cancel.write_report = write


def _report_of_unstarted_run(values: dict[str, Any], error: ReleaseError) -> Report:
    return last_words.report_of_unstarted_run(values["project"], values["release"], values["urls"], error)


def _options(
    *,
    project: str,
    release: str,
    until: str,
    no_upload: bool,
    profile: str | None,
    attestations: str,
    repository: Sequence[str] = (),
    **values: Any,
) -> Options:
    """Return the Options of a command line. Raises UsageError for invalid values."""
    values = {name: value for name, value in values.items() if name not in _OUTPUT_OPTIONS}
    from wheel_uploader.core.models import AttestationPolicy, CheckProfile, Options, Stage
    from wheel_uploader.core.models.run import URL_TOKEN_VARIABLE

    stage = min(Stage[until.upper()], Stage.SIGN if no_upload else Stage.CONFIRM)
    return Options(
        url_token=os.environ.get(URL_TOKEN_VARIABLE),
        project=project,
        version=release,
        until=stage,
        profile=CheckProfile(profile) if profile else None,
        attestations=AttestationPolicy(attestations),
        repository=repository[0] if repository else None,
        more_repositories=tuple(repository[1:]),
        **values,
    )


#: Options that change the output of a run, not the run.
_OUTPUT_OPTIONS = ("report_format", "reports", "quiet", "color")


def _silence_library_logs() -> None:
    """Keep sigstore's log off the screen: it warns that verification is offline, which is intended."""
    # Imported here to keep --help fast; a run imports it anyway.
    import logging

    log = logging.getLogger("sigstore")
    log.addHandler(logging.NullHandler())
    log.propagate = False


def _run_command(cancel: cancellation.CancellationToken) -> None:
    """Run the command; report an output such as ``--help`` that cannot be written as an error of the disk."""
    try:
        command(prog_name="wheel-uploader", obj=cancel)
    except OSError as error:
        if write_error := cli_output.as_write_error(error):
            cli_output.exit_with(write_error)
        raise


def main(cancel: cancellation.CancellationToken | None = None) -> None:
    """Run the command and exit; report unexpected exceptions as bugs."""
    standard_streams.open_closed_streams()
    cancel = cancel or signal_handlers.install_signal_handlers(last_words.report_forced_end)
    sys.excepthook = lambda _kind, bug, _trace: cli_output.print_error(as_unexpected_error(bug))
    threading.excepthook = lambda hook: cli_output.print_error(
        as_unexpected_error(hook.exc_value or hook.exc_type())
    )
    try:
        _run_command(cancel)
    except SystemExit as exit_request:
        code = int(exit_request.code or 0)
        cancel.mark_output_complete(code)
        cli_output.flush_streams()
        if code and threading.active_count() > 1:
            # A thread is still running; if it writes during the interpreter's shutdown, Python crashes.
            os._exit(code)
        sys.exit(code)

"""The status and duration of each of the six stages."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from wheel_uploader.models import Report, Stage


class Progress(enum.StrEnum):
    """The status of a stage."""

    DONE = "done"
    STOPPED = "stopped"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stage of a run."""

    name: str
    progress: Progress
    #: None if the stage was not started.
    seconds: float | None = None
    #: Percent of the total time.
    share: float = 0.0


def of(report: Report) -> tuple[Step, ...]:
    """Return the six stages in order."""
    total = sum(report.timings.values()) or 1.0

    def step(stage: Stage) -> Step:
        seconds = report.timings.get(stage)
        if seconds is None:
            return Step(name=stage.name.lower(), progress=Progress.NOT_RUN)
        is_done = report.reached is not None and report.reached >= stage
        return Step(
            name=stage.name.lower(),
            progress=Progress.DONE if is_done else Progress.STOPPED,
            seconds=seconds,
            share=100 * seconds / total,
        )

    return tuple(step(stage) for stage in Stage)

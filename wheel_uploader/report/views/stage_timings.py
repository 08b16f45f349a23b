"""The status and duration of each of the six stages."""

from __future__ import annotations

import enum

from wheel_uploader.core.lazy_dataclass import dataclass
from wheel_uploader.core.models import Report, Stage


class StageStatus(enum.StrEnum):
    """The status of a stage."""

    DONE = "done"
    STOPPED = "stopped"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTiming:
    """One stage of a run."""

    name: str
    status: StageStatus
    #: None if the stage was not started.
    seconds: float | None = None
    #: Percent of the total time.
    percent: float = 0.0


def build_stage_timings(report: Report) -> tuple[StageTiming, ...]:
    """Return the six stages in order."""
    total = sum(report.stage_seconds.values()) or 1.0

    def step(stage: Stage) -> StageTiming:
        seconds = report.stage_seconds.get(stage)
        if seconds is None:
            return StageTiming(name=stage.name.lower(), status=StageStatus.NOT_RUN)
        is_done = report.last_stage is not None and report.last_stage >= stage
        return StageTiming(
            name=stage.name.lower(),
            status=StageStatus.DONE if is_done else StageStatus.STOPPED,
            seconds=seconds,
            percent=100 * seconds / total,
        )

    return tuple(step(stage) for stage in Stage)

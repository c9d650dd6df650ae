"""The messages whose bytes docs/protocol.md shows, by the heading of their example."""

from __future__ import annotations

from typing import TYPE_CHECKING

from walrus_fast.protocol.jobs import ErrorBody, Job, JobState
from walrus_fast.protocol.messages import (
    Cancel,
    Create,
    Done,
    Event,
    Failure,
    Ping,
    Pong,
    Request,
    Watch,
)

if TYPE_CHECKING:
    import msgspec

_JOB = Job(job_id="a1b2-1", kind="create", repository="/r", origin="operator", state=JobState.QUEUED, created=1.5)

EXAMPLES: dict[str, msgspec.Struct] = {
    "ping": Request(1, Ping()),
    "pong": Done(1, Pong()),
    "create": Request(2, Create(path="/r")),
    "job accepted": Done(2, _JOB),
    "watch": Request(3, Watch("a1b2-1")),
    "step": Event(3, _JOB),
    "cancel": Request(4, Cancel()),
    "failure": Failure(4, ErrorBody("job-not-found", "no job yet", "", False, 56)),
}

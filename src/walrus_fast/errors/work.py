"""Work that was stopped before it was done."""

from __future__ import annotations

from walrus_fast.errors.root import WalrusFastError


class WorkerDied(WalrusFastError):
    """A worker process ended without a result (killed, out of memory)."""

    code = "worker-died"
    exit_status = 40
    retryable = True
    default_hint = "Look at the kernel's log for the out-of-memory killer, and try again."


class TimedOut(WalrusFastError):
    """The deadline passed; all work was stopped and cleaned up first."""

    code = "timed-out"
    exit_status = 41
    retryable = True
    default_hint = "Raise job_timeout, or limit the rate less (max_bytes_per_second)."


class Cancelled(WalrusFastError):
    """Stopped on request; all work was stopped and cleaned up first."""

    code = "cancelled"
    exit_status = 130

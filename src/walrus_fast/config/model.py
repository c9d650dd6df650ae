"""The values of the configuration file, with their bounds and defaults."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path  # noqa: TC003  (msgspec resolves it at run time)
from typing import Annotated

import msgspec

from walrus_fast.config.address import MetricsAddress  # noqa: TC001
from walrus_fast.config.values import ByteRate, Duration, Share
from walrus_fast.methods import TransferMode
from walrus_fast.tiers import Tier

__all__ = ["CheckpointConfig", "LogFormat", "Mode", "NodeConfig", "OwnConfig"]

_DAY = 86400.0
_DURATIONS: dict[str, tuple[float, float]] = {  # seconds, both ends included
    "db_checkpoint_interval": (1, 3660 * _DAY),
    "job_timeout": (1, 30 * _DAY),
    "verify_interval": (1, 3660 * _DAY),
    "drill_interval": (1, 3660 * _DAY),
    "retry_delay": (1, _DAY),
    "schedule_jitter": (0, _DAY),
    "stop_timeout": (1, 3600),
    "peer_timeout": (0.1, 600),
    "hook_timeout": (0.1, 3600),
}
_OFF_WHEN_ZERO = ("verify_interval", "drill_interval")


class Mode(StrEnum):
    """Who opens the database."""

    ATTACH = "attach"
    OWN = "own"


class LogFormat(StrEnum):
    """AUTO is text on a terminal and JSON otherwise."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


def _check_durations(struct: msgspec.Struct) -> None:
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if value == 0 and name in _OFF_WHEN_ZERO:
            continue
        if name in _DURATIONS and not _DURATIONS[name][0] <= value <= _DURATIONS[name][1]:
            least, most = (Duration(bound) for bound in _DURATIONS[name])
            or_off = ", or 0 for never" if name in _OFF_WHEN_ZERO else ""
            raise ValueError(f"{name} is {value}; it may be from {least} to {most}{or_off}")


def _check_commands(name: str, commands: tuple[tuple[str, ...], ...]) -> None:
    for command in commands:
        if not command or not command[0].startswith("/"):
            raise ValueError(
                f"{name}: a command is a list such as [/usr/local/bin/tell, me]; its program an absolute path"
            )
        if any("\0" in argument for argument in command):
            raise ValueError(f"{name}: no argument of a command may hold a zero byte")


class CheckpointConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`checkpoint_config`, as the original node has it; the defaults are the original's."""

    db_checkpoint_dir: Path | None = None
    max_db_checkpoints: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 3
    db_checkpoint_interval: Duration = Duration(_DAY)
    sync: bool = True
    max_background_operations: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1
    periodic_db_checkpoints: bool = False

    def __post_init__(self) -> None:
        _check_durations(self)
        if self.periodic_db_checkpoints and self.db_checkpoint_dir is None:
            raise ValueError("periodic_db_checkpoints needs db_checkpoint_dir")


class OwnConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`walrus_fast`: what only we know. An unknown key is an error."""

    mode: Mode = Mode.ATTACH
    transfer_mode: TransferMode = TransferMode.AUTO
    max_bytes_per_second: ByteRate = ByteRate()
    job_timeout: Duration = Duration(_DAY)
    # Each day a seventh of the files: so much reading that nobody notices, and all of them each week.
    verify_interval: Duration = Duration(_DAY)
    verify_tier: Tier = Tier.CHECKSUMS
    verify_sample: Share = Share("1/7")
    drill_interval: Duration = Duration(0)
    drill_scratch_dir: Path | None = None
    retry_delay: Duration = Duration(300)
    schedule_jitter: Duration = Duration(10)
    stop_timeout: Duration = Duration(30)
    peer_timeout: Duration = Duration(10)
    metrics_address: MetricsAddress | None = None
    metrics_allow_remote: bool = False
    max_connections: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 4096
    max_queued_jobs: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 32
    wal_dir: Path | None = None
    data_dirs: tuple[Path, ...] = ()
    pin_dir: Path | None = None
    # Commands as lists of arguments: no shell reads them.
    on_success: tuple[tuple[str, ...], ...] = ()
    on_failure: tuple[tuple[str, ...], ...] = ()
    hook_timeout: Duration = Duration(30)
    log_format: LogFormat = LogFormat.AUTO
    log_level: str = "info"

    def __post_init__(self) -> None:
        _check_durations(self)
        _check_commands("on_success", self.on_success)
        _check_commands("on_failure", self.on_failure)
        if self.metrics_address is not None and not self.metrics_address.is_local and not self.metrics_allow_remote:
            raise ValueError(
                f"metrics_address is {self.metrics_address}, which other machines can reach, and whoever reaches it "
                "reads it: there is no password. Use 127.0.0.1 and a proxy with one, or set metrics_allow_remote"
            )


class NodeConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of the node's file; its other keys are the node's own business."""

    storage_path: Path
    admin_socket_path: Path | None = None
    checkpoint_config: CheckpointConfig = CheckpointConfig()
    walrus_fast: OwnConfig = OwnConfig()

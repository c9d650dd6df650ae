"""The original node's admin protocol: a line of JSON each way, in the serde form of its Rust types.

`{"Checkpoint":{"command":{"Create":{"path":null,"delay_secs":null}}}}` is answered by
`{"success":true,"message":"Checkpoint created successfully"}`, in the original's words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import msgspec

from walrus_fast.errors import WalrusFastError
from walrus_fast.protocol.jobs import Job, JobState
from walrus_fast.protocol.messages import (
    MAX_DELAY_SECONDS,
    Cancel,
    CheckpointList,
    Create,
    JobCancelled,
    List,
    SetLogLevel,
)
from walrus_fast.undecodable import UNDECODABLE
from walrus_fast.wording import describe_backup

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from walrus_fast.protocol.messages import Answer, Command
    from walrus_fast.server.jobs import JobRecord

__all__ = ["JsonLines"]


class _Create(msgspec.Struct, frozen=True):
    path: str | None = None
    delay_secs: Annotated[int, msgspec.Meta(ge=0, le=int(MAX_DELAY_SECONDS))] | None = None


class _List(msgspec.Struct, frozen=True):
    path: str | None = None


class _CheckpointCommand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    Create: _Create | msgspec.UnsetType = msgspec.UNSET
    List: _List | msgspec.UnsetType = msgspec.UNSET


class _Checkpoint(msgspec.Struct, frozen=True):
    command: _CheckpointCommand | str


class _LogLevel(msgspec.Struct, frozen=True):
    level: str


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    Checkpoint: _Checkpoint | msgspec.UnsetType = msgspec.UNSET
    LogLevel: _LogLevel | msgspec.UnsetType = msgspec.UNSET


class _Reply(msgspec.Struct, frozen=True):
    success: bool
    message: str


_LINES = msgspec.json.Decoder(_Line)
_Words: TypeAlias = tuple[bool, str]


class JsonLines:
    """Answers lines. `answer` is what the other protocol's commands go to as well; `creating` is the backup job that
    is under way."""

    def __init__(
        self,
        answer: Callable[[Command], Answer | Awaitable[Answer]],
        watched: Callable[[str | None], JobRecord],
        creating: Callable[[], JobRecord | None],
    ) -> None:
        self._answer = answer
        self._watched = watched
        self._creating = creating

    async def line(self, text: bytes) -> bytes:
        """The reply to a line, with its newline. Errors become replies."""
        success, message = await self._reply(text)
        return msgspec.json.encode(_Reply(success, message)) + b"\n"

    async def _reply(self, text: bytes) -> _Words:
        try:
            line = _LINES.decode(text)
        except UNDECODABLE as exc:
            return False, f"Failed to parse command: {exc}"
        if isinstance(line.Checkpoint, _Checkpoint) and line.LogLevel is msgspec.UNSET:
            command = line.Checkpoint.command
            if isinstance(command, str):
                return await self._cancel() if command == "Cancel" else _unknown(command)
            if isinstance(command.Create, _Create):
                return await self._create(command.Create)
            if isinstance(command.List, _List):
                return await self._list(command.List)
            return _unknown("nothing")
        if isinstance(line.LogLevel, _LogLevel) and line.Checkpoint is msgspec.UNSET:
            return self._set_level(line.LogLevel.level)
        return False, "Failed to parse command: neither Checkpoint nor LogLevel, or both"

    async def _create(self, command: _Create) -> _Words:
        active = self._creating()
        if active is not None and active.job.started is not None:
            return False, "Failed to create checkpoint: CheckpointInProgress"
        try:
            accepted = self._answer(Create(command.path, float(command.delay_secs or 0)))
            assert isinstance(accepted, Job)
            job = await self._watched(accepted.job_id).finished()
        except WalrusFastError as exc:
            return False, f"Failed to create checkpoint: {exc.message}"
        if job.state is JobState.SUCCEEDED:
            return True, "Checkpoint created successfully"
        return False, f"Failed to create checkpoint: {job.error.message if job.error else job.state.value}"

    async def _list(self, command: _List) -> _Words:
        try:
            found = await _promised(self._answer(List(command.path)))
        except WalrusFastError as exc:
            return False, f"Failed to list db checkpoints: {exc.message}"
        assert isinstance(found, CheckpointList)
        lines = [describe_backup(b.backup_id, b.size, b.files, b.created, b.problems) for b in found.backups]
        return True, "Backups:\n" + "\n".join(f"  {line}" for line in lines)

    async def _cancel(self) -> _Words:
        active = self._creating()
        if active is None:
            return True, "No backup was in progress"
        try:
            cancelled = await _promised(self._answer(Cancel(active.job.job_id)))
        except WalrusFastError as exc:
            return False, f"Failed to cancel checkpoint creation: {exc.message}"
        assert isinstance(cancelled, JobCancelled)
        if cancelled.job is not None and cancelled.job.state is JobState.CANCELLED:
            return True, "Checkpoint creation cancelled"
        return True, "No backup was in progress"

    def _set_level(self, level: str) -> _Words:
        try:
            self._answer(SetLogLevel(level))
        except WalrusFastError as exc:
            return False, f"Failed to update log level: {exc.message}"
        return True, f"Log level updated successfully to: {level}"


def _unknown(command: str) -> _Words:
    return False, f"Failed to parse command: unknown variant `{command}`, expected `Create`, `List` or `Cancel`"


async def _promised(answer: Answer | Awaitable[Answer]) -> Answer:
    return await answer if hasattr(answer, "__await__") else answer

"""What every error of walrus-fast has: a code, an exit status, a hint, and a way through a pipe."""

from __future__ import annotations

from typing import ClassVar


class WalrusFastError(Exception):
    """Root of every error that walrus-fast raises on purpose."""

    code: ClassVar[str] = "internal"
    exit_status: ClassVar[int] = 1
    retryable: ClassVar[bool] = False
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross the pipe between worker and parent: rebuild without calling subclass constructors.
        return _rebuild, (type(self), self.message, dict(self.__dict__))


def _rebuild(kind: type[WalrusFastError], message: str, state: dict[str, object]) -> WalrusFastError:
    error = kind.__new__(kind, message)
    error.args = (message,)
    error.__dict__.update(state)
    return error


def error_of_code(code: str, message: str, *, hint: str, exit_status: int) -> WalrusFastError:
    """The error that another process of ours described; a code of a newer version becomes a plain error."""
    kinds = [WalrusFastError]
    for kind in kinds:
        if kind.code == code and kind is not WalrusFastError:
            return _rebuild(kind, message, {"message": message, "hint": hint})
        kinds.extend(kind.__subclasses__())
    return _rebuild(
        WalrusFastError, message, {"message": message, "hint": hint, "code": code, "exit_status": exit_status}
    )

"""`docs/errors.md`, from the error tree."""

from __future__ import annotations

from walrus_fast.errors import DatabaseError, StorageError, WalrusFastError

__all__ = ["errors_document"]

_ALSO_RAISED = (DatabaseError, StorageError)

_HEAD = """# Errors

Written by `make docs` from the program; do not edit.

With `--json` an error is the field `error` of the one document on standard output: `code`, `message`, `hint`,
`retryable`, `exit_status`. Codes never change. *Again* says that the same command may succeed when it is tried again.

Other exit statuses: 0 for success, 2 for wrong usage. `check` has those of Nagios plugins (0 OK, 1 WARNING, 2 CRITICAL,
3 UNKNOWN); `doctor` has 0, 3 for warnings, 4 for failures.

| code | status | again | what it means | what to do |
|---|---|---|---|---|
| `internal` | 1 |  | A fault of walrus-fast itself. | Please report it, with what the log has of it. |
"""


def errors_document() -> str:
    """The whole document."""
    kinds: list[type[WalrusFastError]] = [WalrusFastError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    # What only gathers others is never raised itself.
    leaves = [kind for kind in kinds if kind in _ALSO_RAISED or not kind.__subclasses__()]
    leaves.sort(key=lambda kind: (kind.exit_status, kind.code))
    return _HEAD + "".join(_row(kind) for kind in leaves)


def _row(kind: type[WalrusFastError]) -> str:
    meaning = " ".join((kind.__doc__ or "").split())
    again, advice = "yes" if kind.retryable else "", kind.default_hint or "As the message says."
    return f"| `{kind.code}` | {kind.exit_status} | {again} | {meaning} | {advice} |\n"

"""What a check found, and its JSON form between the checking process and the test."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

SHOWN = 12


@dataclass(frozen=True)
class Problem:
    """One difference. `family` or `key` is empty where the difference concerns all of them."""

    family: str
    key: str
    expected: str
    found: str

    def __str__(self) -> str:
        where = " ".join(part for part in (self.family, self.key) if part) or "database"
        return f"{where}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True)
class PrefixReport:
    """The outcome of comparing a database with what it should hold.

    Attributes:
        step: N, according to the counter of `default`; None if the database cannot be opened or has none.
        keys: how many keys each family holds.
        counters: what each family's counter says; None = the family has none.
        problems: empty exactly if the database is the exact state after step N.
    """

    step: int | None
    keys: dict[str, int]
    counters: dict[str, int | None]
    problems: tuple[Problem, ...]

    @property
    def exact(self) -> bool:
        """Whether the database is exactly the state after `step`."""
        return not self.problems

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> PrefixReport:
        """The opposite of `to_json`."""
        data = json.loads(text)
        problems = tuple(Problem(**item) for item in data.pop("problems"))
        return PrefixReport(problems=problems, **data)

    def raise_if_wrong(self, where: object) -> None:
        """PrefixError unless `exact`."""
        if self.problems:
            raise PrefixError(where, self)


class PrefixError(AssertionError):
    """The database is not an exact prefix of the steps; `report` has all the details."""

    def __init__(self, where: object, report: PrefixReport) -> None:
        lines = [str(problem) for problem in report.problems[:SHOWN]]
        if len(report.problems) > SHOWN:
            lines.append(f"… and {len(report.problems) - SHOWN} more")
        super().__init__("\n  ".join([f"{where} is not the state after step {report.step}:", *lines]))
        self.report = report

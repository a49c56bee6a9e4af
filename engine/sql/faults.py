"""Bad rows of a source: collected with file and line, ten at most unless they are to be left out."""

from __future__ import annotations

from engine.errors import Location, Problem, RecipeError

_AT_MOST = 10


class Faults:
    """What is wrong with the rows of one source.

    Reading stops with all of them, or at the tenth; with `drop` each is noted and its row left out.
    """

    def __init__(self, file: str = "", *, drop: bool = False) -> None:
        """Take the name of the file being read, as shown in messages."""
        self.file = file
        self.drop = drop
        self.problems: list[Problem] = []

    def add(
        self, line: int, message: str, hint: str, column: int = 1, file: str | None = None
    ) -> None:
        """Note one bad row; raises RecipeError at the tenth, unless bad rows are left out."""
        where = Location(file or self.file, line, column)
        self.problems.append(Problem(where, message, hint, code="data"))
        if not self.drop and len(self.problems) >= _AT_MOST:
            note = f"reading stops after {_AT_MOST} bad rows"
            last = Location(where.file, line, column + 1)
            self.problems.append(Problem(last, note, "mend these first"))
            self.stop()

    def fatal(self, line: int, message: str, hint: str, column: int = 1) -> None:
        """Raise RecipeError with what was noted so far: behind this place nothing can be read."""
        problem = Problem(Location(self.file, line, column), message, hint, code="data")
        raise RecipeError([*(() if self.drop else self.problems), problem])

    def stop(self) -> None:
        """Raise RecipeError if there were bad rows that are not left out."""
        if self.problems and not self.drop:
            raise RecipeError(self.problems)

"""What is wrong with a server, gathered into one error whose remedy is SQL."""

from __future__ import annotations

from dataclasses import dataclass

from memoledger.model.errors import ServerUnsuitable


@dataclass(frozen=True, slots=True)
class Problem:
    """What is missing, and the SQL that an administrator runs about it."""

    text: str
    statements: tuple[str, ...]


def unsuitable(problems: list[Problem], *, database: str) -> ServerUnsuitable:
    """One error for all `problems`; its remedy is their SQL, to be run in `database`."""
    statements = [statement for problem in problems for statement in problem.statements]
    lines = "\n".join(statements)
    return ServerUnsuitable(
        f"The PostgreSQL server will not do: {'; '.join(problem.text for problem in problems)}.",
        remedy=f"Have an administrator run in the database {database}:\n{lines}",
        problems=[problem.text for problem in problems],
        sql=statements,
    )

"""What every command is given: where the ledger is, who acts on which store, and how to answer."""

from __future__ import annotations

import getpass
import inspect
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from types import FunctionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Concatenate,
    Final,
    Literal,
    ParamSpec,
    cast,
    get_args,
    get_type_hints,
)

import typer
from typer.models import OptionInfo

from memoledger.model.errors import InvalidInput, SettingsError
from memoledger.surfaces.cli.failures import PIPE_CLOSED
from memoledger.surfaces.cli.output import abandon_output

if TYPE_CHECKING:
    from memoledger.services.context import Context, Scope
    from memoledger.settings import Settings
    from memoledger.surfaces.python.memoledger import Memoledger
    from memoledger.surfaces.python.principal import PrincipalHandle
    from memoledger.surfaces.python.store import StoreHandle

P = ParamSpec("P")

Takes = Literal["ledger", "principal", "store", "shared store"]
"""What a command is about; options follow from it: tenant and user, the store, its owner."""

DEFAULT_TENANT: Final = "default"
DEFAULT_STORE: Final = "default"

_WHERE: Final = "Where the ledger is"
_WHO: Final = "Whose memories"

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        metavar="URL",
        help="PostgreSQL server; without it MEMOLEDGER_DATABASE_URL, or else the embedded server.",
        rich_help_panel=_WHERE,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="FOLDER",
        help="Folder of the embedded server; without it MEMOLEDGER_DATA_DIR, or else the user's "
        "data folder.",
        rich_help_panel=_WHERE,
    ),
]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Answer in JSON on standard output, errors on standard error."),
]
Tenant = Annotated[
    str,
    typer.Option(
        "--tenant",
        envvar="MEMO_TENANT",
        metavar="NAME",
        help="The organisation.",
        show_default=True,
        rich_help_panel=_WHO,
    ),
]
User = Annotated[
    str | None,
    typer.Option(
        "--user",
        envvar="MEMO_USER",
        metavar="NAME",
        help="Who acts; without it, the name you are logged in with.",
        rich_help_panel=_WHO,
    ),
]
StoreName = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="MEMO_STORE",
        metavar="NAME",
        help="The collection of memories.",
        show_default=True,
        rich_help_panel=_WHO,
    ),
]
Owner = Annotated[
    str | None,
    typer.Option(
        "--owner",
        metavar="NAME",
        help="Whose store it is, where another user shares it.",
        rich_help_panel=_WHO,
    ),
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the ledger is, as far as options say so."""

    database_url: str | None = None
    data_dir: Path | None = None

    def or_else(self, other: Place) -> Place:
        """This one, or the other where this one says nothing."""
        return self if self != Place() else other

    @property
    def is_given(self) -> bool:
        """Whether an option names a place."""
        return self != Place()

    def settings(self, **overrides: Any) -> Settings:
        """The settings, in which an option beats the environment.

        Raises:
            InvalidInput: both options are given.
            SettingsError: a setting is wrong.
        """
        from memoledger.settings import load_settings

        if self.database_url is not None and self.data_dir is not None:
            raise InvalidInput(
                "--data-dir",
                str(self.data_dir),
                "the ledger is either in a folder or on a server",
                remedy="Give --data-dir or --database-url, not both.",
            )
        settings = load_settings(
            database_url=self.database_url, data_dir=self.data_dir, **overrides
        )
        # What the environment says about a server is about another one than the option's.
        if self.data_dir is not None:
            elsewhere = {"url": None, "database_url": None, "admin_database_url": None}
            return settings.model_copy(update=elsewhere)
        if self.database_url is not None:
            return settings.model_copy(update={"url": None, "admin_database_url": None})
        return settings


@dataclass(frozen=True, slots=True)
class Invocation:
    """The options that commands have in common."""

    database_url: str | None = None
    data_dir: Path | None = None
    as_json: bool = False
    tenant: str = DEFAULT_TENANT
    user: str | None = None
    store: str = DEFAULT_STORE
    owner: str | None = None

    @property
    def place(self) -> Place:
        """Where the ledger is, as far as options say so."""
        return Place(self.database_url, self.data_dir)

    @property
    def acting_user(self) -> str:
        """Who acts: the user given, or the login name."""
        return self.user if self.user is not None else login_name()

    @asynccontextmanager
    async def ledger(self, **overrides: Any) -> AsyncIterator[Memoledger]:
        """The ledger itself, open; `overrides` are settings.

        Raises:
            SettingsError: the settings name a service, behind which the ledger is out of reach.
        """
        settings = self.place.settings(sweep_interval_s=0.0, **overrides)
        if settings.url is not None:
            raise SettingsError(
                "MEMOLEDGER_URL",
                settings.url,
                "this command works on a ledger itself, not through a service",
                remedy="Name the ledger with --data-dir or --database-url, or unset it.",
            )
        async with self._open(settings) as ledger:
            yield ledger

    @asynccontextmanager
    async def _open(self, settings: Settings) -> AsyncIterator[Memoledger]:
        from memoledger.surfaces.python.memoledger import Memoledger

        send_logs_to_standard_error()
        async with Memoledger.open(settings=settings) as ledger:
            yield ledger

    @asynccontextmanager
    async def principal(self) -> AsyncIterator[PrincipalHandle]:
        """The user acting, on the open ledger or through the service that the settings name."""
        async with self._open(self.place.settings(sweep_interval_s=0.0)) as ledger:
            yield await ledger.principal(tenant=self.tenant, user=self.acting_user)

    @asynccontextmanager
    async def opened(self, *, create: bool = False) -> AsyncIterator[StoreHandle]:
        """The store on the open ledger; with `create`, one's own is made if it is not there."""
        async with self.principal() as principal:
            yield await self._store_of(principal, create=create)

    @asynccontextmanager
    async def scoped(self, *, create: bool = False) -> AsyncIterator[tuple[Context, Scope]]:
        """The same store as services take it."""
        from memoledger.services.context import Scope

        async with self.ledger() as ledger:
            principal = await ledger.principal(tenant=self.tenant, user=self.acting_user)
            store = await self._store_of(principal, create=create)
            yield ledger.application.context, Scope(principal.principal, store.id)

    async def _store_of(self, principal: PrincipalHandle, *, create: bool) -> StoreHandle:
        act = principal.store if create else principal.find_store
        return await act(self.store, owner=self.owner)


def login_name() -> str:
    """The name this process runs under; `default` where the system has none for it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "default"


def send_logs_to_standard_error() -> None:
    """Keep standard output to results; structlog would write there."""
    import structlog

    # Looked up at each line: whoever calls the command in-process may replace it afterwards.
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


_SHARED: Final[Mapping[str, tuple[Any, Any]]] = {
    "tenant": (Tenant, DEFAULT_TENANT),
    "user": (User, None),
    "store": (StoreName, DEFAULT_STORE),
    "owner": (Owner, None),
    "as_json": (AsJson, False),
    "database_url": (DatabaseUrl, None),
    "data_dir": (DataDir, None),
}
_NOT_TAKEN: Final[Mapping[Takes, frozenset[str]]] = {
    "ledger": frozenset({"tenant", "user", "store", "owner"}),
    "principal": frozenset({"store", "owner"}),
    "store": frozenset({"owner"}),
    "shared store": frozenset(),
}


def shared_options() -> list[OptionInfo]:
    """The options that commands share, as typer knows them."""
    return [get_args(option)[1] for option, _ in _SHARED.values()]


def command(
    app: typer.Typer, name: str, *, takes: Takes = "ledger", panel: str | None = None
) -> Callable[
    [Callable[Concatenate[Invocation, P], None]], Callable[Concatenate[Invocation, P], None]
]:
    """Register a function as a command that also has the common options.

    The function's first parameter receives them as an `Invocation`; its other parameters are the
    command's own, as typer reads them. The function itself stays callable as it is.

    Args:
        name: the command's; empty for what a group of commands does by itself.
    """
    shared = {key: value for key, value in _SHARED.items() if key not in _NOT_TAKEN[takes]}

    def register(
        function: Callable[Concatenate[Invocation, P], None],
    ) -> Callable[Concatenate[Invocation, P], None]:
        @wraps(function)
        def run(context: typer.Context, **given: Any) -> None:
            if context.invoked_subcommand is not None:
                _refuse_options(context, given, context.invoked_subcommand)
                return
            common = {key: given.pop(key) for key in shared}
            try:
                cast("Callable[..., None]", function)(_invocation(context, common), **given)
            except BrokenPipeError:
                # typer would end with 1, as if something had failed.
                abandon_output()
                raise typer.Exit(PIPE_CLOSED) from None

        _declare(cast("FunctionType", run), function, shared)
        explained = _unwrapped(function.__doc__ or "")
        if name:
            app.command(name, help=explained, rich_help_panel=panel)(run)
        else:
            app.callback(invoke_without_command=True, help=explained)(run)
        return function

    return register


def _refuse_options(context: typer.Context, given: Mapping[str, Any], command: str) -> None:
    """Options of a group before one of its commands would be for nobody."""
    for name in given:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = f"--{name.replace('_', '-')}"
            raise InvalidInput(
                option,
                given[name],
                f"it stands before `{command}`, which would not see it",
                remedy=f"Give it after `{command}`.",
            )


def _unwrapped(text: str) -> str:
    """A docstring with each paragraph on one line: help wraps it to the terminal's width."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _invocation(context: typer.Context, common: dict[str, Any]) -> Invocation:
    """The command's options, completed by those before it (`memoledger --data-dir D recall`)."""
    outer = context.obj if isinstance(context.obj, Place) else Place()
    place = Place(common.pop("database_url"), common.pop("data_dir")).or_else(outer)
    return Invocation(
        **{field.name: getattr(place, field.name) for field in fields(Place)}, **common
    )


def _declare(
    run: FunctionType, function: Callable[..., None], shared: Mapping[str, tuple[Any, Any]]
) -> None:
    """Give `run` the signature that typer reads: the function's parameters and the shared ones."""
    hints = get_type_hints(function, include_extras=True)
    own = [
        parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in list(inspect.signature(function).parameters.values())[1:]
    ]
    common = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=option)
        for name, (option, default) in shared.items()
    ]
    context = inspect.Parameter(
        "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    parameters = [context, *own, *common]
    run.__dict__.pop("__wrapped__")
    run.__dict__["__signature__"] = inspect.Signature(parameters, return_annotation=None)
    run.__annotations__ = {p.name: p.annotation for p in parameters}

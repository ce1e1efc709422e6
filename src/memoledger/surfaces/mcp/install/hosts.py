"""The hosts: where each keeps its settings, and how it wants a server described."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

HostName = Literal["claude-desktop", "claude-code", "cursor", "vscode", "windsurf", "zed", "codex"]
HOST_NAMES: Final[tuple[HostName, ...]] = get_args(HostName)

Form = Literal["json", "toml"]


@dataclass(frozen=True, slots=True)
class Program:
    """A server that the host starts.

    Args:
        command: the program, as an absolute path: hosts have other search paths than shells.
        arguments: what it is started with.
        environment: variables it is given.
        secrets: names of variables it needs besides, whose values nobody wrote down.
    """

    command: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """A server that the host calls over HTTP.

    Args:
        url: its whole address, ending in `/mcp`.
        key_variable: name of the variable that holds the API key.
    """

    url: str
    key_variable: str


@dataclass(frozen=True, slots=True)
class Host:
    """A program with agents in it.

    Args:
        title: its name for people.
        file: its settings of the user.
        project_file: its settings in a project's folder; None where it has none.
        member: under which its servers are.
        next_step: what to do so that it notices.
        variable: how its settings refer to an environment variable; None where they cannot.
        typed: whether it wants to be told which kind of server it is.
        url_member: what it calls the address of a server; None where it calls none.
    """

    title: str
    file: Path
    member: str
    next_step: str
    project_file: Path | None = None
    form: Form = "json"
    variable: str | None = None
    typed: bool = False
    url_member: str | None = "url"

    def started(self, program: Program) -> dict[str, Any]:
        """The entry of a server that the host starts."""
        if self.form == "toml":
            return self._started_toml(program)
        variables = dict(program.environment)
        if self.variable is not None:
            variables |= {name: self.variable.format(name) for name in program.secrets}
        entry: dict[str, Any] = {"type": "stdio"} if self.typed else {}
        entry |= {"command": program.command, "args": list(program.arguments)}
        return {**entry, "env": variables} if variables else entry

    def called(self, service: Service) -> dict[str, Any] | None:
        """The entry of a server that the host calls; None if it cannot, or not with a key."""
        if self.form == "toml":
            return {"url": service.url, "bearer_token_env_var": service.key_variable}
        if self.variable is None or self.url_member is None:
            return None
        entry: dict[str, Any] = {"type": "http"} if self.typed else {}
        key = self.variable.format(service.key_variable)
        return {
            **entry,
            self.url_member: service.url,
            "headers": {"Authorization": f"Bearer {key}"},
        }

    def _started_toml(self, program: Program) -> dict[str, Any]:
        entry: dict[str, Any] = {"command": program.command, "args": list(program.arguments)}
        if program.environment:
            entry["env"] = dict(program.environment)
        if program.secrets:
            entry["env_vars"] = list(program.secrets)
        return entry


def host_named(name: HostName, *, home: Path | None = None) -> Host:
    """A host by its name.

    Args:
        home: the user's home folder, where it is not this process's.
    """
    return _hosts(home or Path.home())[name]


def _hosts(home: Path) -> dict[HostName, Host]:
    applications = _applications(home)
    configuration = _configuration(home)
    return {
        "claude-desktop": Host(
            title="Claude Desktop",
            file=applications / "Claude" / "claude_desktop_config.json",
            member="mcpServers",
            next_step="Quit Claude Desktop and start it again.",
            url_member=None,
        ),
        "claude-code": Host(
            title="Claude Code",
            file=home / ".claude.json",
            project_file=Path(".mcp.json"),
            member="mcpServers",
            next_step="Start Claude Code anew; /mcp shows its servers.",
            variable="${{{0}}}",
            typed=True,
        ),
        "cursor": Host(
            title="Cursor",
            file=home / ".cursor" / "mcp.json",
            project_file=Path(".cursor/mcp.json"),
            member="mcpServers",
            next_step="Switch it on in Cursor's settings, under MCP.",
            variable="${{env:{0}}}",
        ),
        "vscode": Host(
            title="Visual Studio Code",
            file=applications / "Code" / "User" / "mcp.json",
            project_file=Path(".vscode/mcp.json"),
            member="servers",
            next_step="Run `MCP: List Servers` in the command palette and start it.",
            variable="${{env:{0}}}",
            typed=True,
        ),
        "windsurf": Host(
            title="Windsurf",
            file=home / ".codeium" / "windsurf" / "mcp_config.json",
            member="mcpServers",
            next_step="Refresh the servers in Cascade's settings.",
            variable="${{env:{0}}}",
            url_member="serverUrl",
        ),
        "zed": Host(
            title="Zed",
            file=configuration / "zed" / "settings.json",
            project_file=Path(".zed/settings.json"),
            member="context_servers",
            next_step="Nothing: Zed notices. The agent panel's settings show its servers.",
        ),
        "codex": Host(
            title="Codex",
            file=Path(os.environ.get("CODEX_HOME") or home / ".codex") / "config.toml",
            project_file=Path(".codex/config.toml"),
            member="mcp_servers",
            next_step="Start Codex anew; /mcp shows its servers.",
            form="toml",
        ),
    }


def _applications(home: Path) -> Path:
    """Where applications with windows keep their settings."""
    if sys.platform == "darwin":
        return home / "Library" / "Application Support"
    return _configuration(home)


def _configuration(home: Path) -> Path:
    if sys.platform == "darwin":
        return home / ".config"
    given = os.environ.get("XDG_CONFIG_HOME")
    return Path(given) if given else home / ".config"

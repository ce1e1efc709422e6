"""`mcp install`: what it prints, and what it writes beside what is there."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from memoledger.surfaces.mcp.install.hosts import HOST_NAMES, HostName, host_named
from memoledger.surfaces.mcp.install.json_edit import parsed

if TYPE_CHECKING:
    from tests.acceptance.cli.conftest import Program

SERVICE = "https://memory.example"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home folder of the test's own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "CODEX_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def servers(path: Path, host: HostName) -> dict[str, Any]:
    text = path.read_text("utf-8")
    found = tomllib.loads(text) if host == "codex" else parsed(text)
    entries = found[host_named(host).member]
    assert isinstance(entries, dict)
    return entries


@pytest.mark.parametrize("host", HOST_NAMES)
def test_it_is_written_once_beside_what_is_there(cli: Program, host: HostName) -> None:
    path = host_named(host).file
    path.parent.mkdir(parents=True, exist_ok=True)
    member = host_named(host).member
    other = (
        f'a = 1 # mine\n[{member}.other]\ncommand = "x"\n'
        if host == "codex"
        else f'// mine\n{{"a": 1, "{member}": {{"other": {{"command": "x"}}}}}}\n'
    )
    path.write_text(other, "utf-8")
    path.chmod(0o640)
    install = ("mcp", "install", "--host", host, "--write", "--json", "--user", "alice")
    first = cli(*install)
    assert first.answer["outcome"] == "updated", first.err
    entry = servers(path, host)["memoledger"]
    assert entry["args"][-4:-2] == ["--user", "alice"] or "alice" in entry["args"]
    assert os.access(entry["command"], os.X_OK)
    assert servers(path, host)["other"] == {"command": "x"}
    assert "mine" in path.read_text("utf-8")
    assert path.stat().st_mode & 0o777 == 0o640
    before = path.read_bytes()
    assert cli(*install).answer["outcome"] == "unchanged"
    assert path.read_bytes() == before
    assert cli(*install[:-1], "bob").answer["outcome"] == "updated"
    assert "bob" in servers(path, host)["memoledger"]["args"]
    assert [
        one.name for one in path.parent.iterdir() if one.name.startswith(f".{path.name}.")
    ] == []


@pytest.mark.parametrize("host", HOST_NAMES)
def test_without_write_it_is_only_printed(cli: Program, host: HostName, home: Path) -> None:
    result = cli("mcp", "install", "--host", host)
    assert result.code == 0
    assert str(host_named(host).file) in result.err
    shown = tomllib.loads(result.out) if host == "codex" else json.loads(result.out)
    assert "memoledger" in shown[host_named(host).member]
    assert list(home.iterdir()) == []


def test_a_new_file_is_its_owners_alone(cli: Program) -> None:
    made = cli("mcp", "install", "--host", "cursor", "--write", "--json").answer
    path = Path(made["file"])
    assert made["outcome"] == "created"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_link_to_the_settings_stays_one(cli: Program, home: Path) -> None:
    kept, path = home / "dotfiles.json", host_named("cursor").file
    kept.write_text("{}", "utf-8")
    path.parent.mkdir(parents=True)
    path.symlink_to(kept)
    cli("mcp", "install", "--host", "cursor", "--write")
    assert path.is_symlink()
    assert "memoledger" in servers(kept, "cursor")


@pytest.mark.parametrize(("host", "text"), [("zed", "{ not json"), ("codex", "= 1"), ("zed", "[]")])
def test_settings_that_cannot_be_read_are_left_alone(
    cli: Program, host: HostName, text: str
) -> None:
    path = host_named(host).file
    path.parent.mkdir(parents=True)
    path.write_text(text, "utf-8")
    refused = cli("mcp", "install", "--host", host, "--write", "--json")
    assert (refused.code, refused.problem["code"]) == (2, "invalid-input")
    assert path.read_text("utf-8") == text


def test_a_project_has_settings_of_its_own(cli: Program, home: Path) -> None:
    given = ("--project", str(home / "work"), "--write", "--json")
    made = cli("mcp", "install", "--host", "claude-code", *given).answer
    assert made["file"] == str(home / "work" / ".mcp.json")
    assert made["entry"]["type"] == "stdio"
    refused = cli("mcp", "install", "--host", "claude-desktop", *given)
    assert refused.problem["field"] == "--project"
    both = cli("mcp", "install", "--host", "cursor", "--file", "x", *given)
    assert both.problem["field"] == "--file"


def test_the_program_that_is_written_serves_the_same_ledger(cli: Program, folder: Path) -> None:
    entry = cli(
        *("mcp", "install", "--host", "cursor", "--json", "--tenant", "acme", "--user", "alice"),
        *("--store", "notes", "--read-only"),
    ).answer["entry"]
    arguments = entry["args"][entry["args"].index("mcp") :]
    assert arguments == [
        *("mcp", "--tenant", "acme", "--user", "alice", "--store", "notes"),
        *("--data-dir", str(folder), "--read-only"),
    ]
    assert "env" not in entry


@pytest.mark.parametrize("host", HOST_NAMES)
def test_a_service_is_called_with_a_key_that_is_not_written_down(
    cli: Program, host: HostName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMOLEDGER_API_KEY", "mlk_secret")
    place = cli.at()
    answer = place("mcp", "install", "--host", host, "--json", "--url", SERVICE).answer
    told = json.dumps(answer["entry"])
    assert SERVICE in told
    assert "mlk_secret" not in told
    assert answer["missing"] == ["MEMOLEDGER_API_KEY"]
    if host not in ("claude-desktop", "zed"):
        assert f"{SERVICE}/mcp" in told
    secret = place("mcp", "install", "--host", host, "--json", "--url", SERVICE, "--with-secrets")
    assert secret.answer["entry"]["env"] == {"MEMOLEDGER_API_KEY": "mlk_secret"}
    assert secret.answer["missing"] == []


def test_the_databases_url_is_not_written_down_either(cli: Program) -> None:
    url = "postgresql://me:hush@db.example/ledger"
    place = cli.at("--database-url", url)
    answer = place("mcp", "install", "--host", "vscode", "--json").answer
    assert "hush" not in json.dumps(answer)
    assert answer["entry"]["env"] == {"MEMOLEDGER_DATABASE_URL": "${env:MEMOLEDGER_DATABASE_URL}"}
    codex = place("mcp", "install", "--host", "codex", "--json").answer["entry"]
    assert codex["env_vars"] == ["MEMOLEDGER_DATABASE_URL"]
    told = place("mcp", "install", "--host", "zed", "--json", "--with-secrets").answer["entry"]
    assert told["env"] == {"MEMOLEDGER_DATABASE_URL": url}


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("--name", "my ledger"), "--name"),
        (("--url", "https://x"), "--url"),
    ],
)
def test_what_makes_no_sense_is_refused(
    cli: Program, arguments: tuple[str, ...], field: str
) -> None:
    refused = cli("mcp", "install", "--host", "cursor", "--json", *arguments)
    assert (refused.code, refused.problem["field"]) == (2, field)


def test_options_before_install_are_not_lost_silently(cli: Program) -> None:
    refused = cli("mcp", "--user", "alice", "install", "--host", "cursor", "--json")
    assert (refused.code, refused.problem["field"]) == (2, "--user")


def test_the_command_is_found_where_there_is_no_script(
    cli: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    entry = cli("mcp", "install", "--host", "cursor", "--json").answer["entry"]
    assert entry["command"] == str(tmp_path / "python")
    assert entry["args"][:3] == ["-m", "memoledger", "mcp"]

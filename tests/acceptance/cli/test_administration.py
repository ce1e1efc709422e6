"""`init`, `migrate` and `doctor`, on an embedded ledger and on a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from memoledger.ledger.embedded import EmbeddedServer

if TYPE_CHECKING:
    from tests.acceptance.cli.conftest import Program
    from tests.conftest import Database


def test_init_makes_the_ledger_ready_and_says_where(cli: Program, folder: Path) -> None:
    first, again = cli.json("init"), cli.json("init")
    assert first["data_dir"] == str(folder)
    assert first["embedded"] is True
    assert first["dimensions"] == 384
    assert first["server_version"].startswith("18")
    assert again["migrations_applied"] == []
    assert str(folder) in cli("init").out


def test_migrate_tells_what_is_applied(cli: Program) -> None:
    cli("init")
    status = cli.json("migrate", "--status")
    assert status["pending"] == []
    assert status["applied"][0] == "0001_tenants_users_stores"
    assert cli.json("migrate") == {"migrations_applied": []}
    assert cli("migrate").out == "The schema is up to date.\n"


def test_where_nothing_is_migrated_by_itself_migrate_does_it(
    tmp_path: Path, cli: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMOLEDGER_AUTO_MIGRATE", "false")
    fresh = cli.at("--data-dir", str(tmp_path / "fresh"))
    refused = fresh("remember", "x", "--json")
    assert (refused.code, refused.problem["code"]) == (1, "migration")
    assert "memoledger migrate" in refused.problem["remedy"]
    assert fresh.json("migrate", "--status")["applied"] == []
    applied = fresh.json("migrate")["migrations_applied"]
    assert applied[0] == "0001_tenants_users_stores"
    assert fresh("remember", "x").code == 0
    upgraded = fresh.json("migrate", "--upgrade-server")["server"]
    assert (upgraded["from"], upgraded["to"], upgraded["previous"]) == (18, 18, None)


def test_a_folder_in_use_is_not_upgraded(cli: Program) -> None:
    result = cli("migrate", "--upgrade-server", "--json")
    assert (result.code, result.problem["code"]) == (1, "data-folder-in-use")


def test_a_server_given_by_url_is_not_upgraded(cli: Program) -> None:
    there = cli.at("--database-url", "postgresql://localhost/x")
    assert there("migrate", "--upgrade-server").code == 2


def checks(answer: Any) -> dict[str, str]:
    return {check["check"]: check["status"] for check in answer["checks"]}


def test_the_doctor_finds_nothing_wrong(cli: Program) -> None:
    cli("init")
    answer = cli.json("doctor")
    assert answer["ok"] is True
    found = checks(answer)
    assert set(found) == {
        "settings",
        "disk",
        "data folder",
        "start",
        "server",
        "rights",
        "migrations",
        "isolation",
        "indexes",
        "embedding version",
        "embedder",
        "artifacts",
        "cache",
    }
    assert {name for name, status in found.items() if status == "fail"} == set()
    assert "Row-level security is forced on all" in cli("doctor").out


def test_the_doctor_finds_a_table_without_protection(cli: Program, folder: Path) -> None:
    cli("init")
    server = EmbeddedServer.start(folder)
    try:
        with psycopg.connect(server.conninfo(), autocommit=True) as connection:
            connection.execute("ALTER TABLE memoledger.outbox NO FORCE ROW LEVEL SECURITY")
            result = cli("doctor", "--json")
            connection.execute("ALTER TABLE memoledger.outbox FORCE ROW LEVEL SECURITY")
    finally:
        server.stop()
    assert result.code == 1
    [finding] = [check for check in result.answer["checks"] if check["check"] == "isolation"]
    assert finding["status"] == "fail"
    assert "memoledger.outbox" in finding["message"]
    assert finding["remedy"]


def test_the_doctor_makes_no_ledger(tmp_path: Path, cli: Program) -> None:
    nowhere = cli.at("--data-dir", str(tmp_path / "none"))
    found = checks(nowhere.json("doctor"))
    assert (found["data folder"], found["server"]) == ("warn", "ok")
    assert not (tmp_path / "none").exists()


def test_the_doctor_reports_settings_and_embedder(
    cli: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMOLEDGER_EMBEDDER", "psychic")
    result = cli("doctor", "--json")
    assert (result.code, checks(result.answer)["embedder"]) == (1, "fail")
    assert checks(result.answer)["isolation"] == "ok"
    monkeypatch.setenv("MEMOLEDGER_POOL_MAX", "0")
    result = cli("doctor", "--json")
    assert (result.code, checks(result.answer)) == (1, {"settings": "fail"})
    assert "MEMOLEDGER_POOL_MAX" in result.answer["checks"][0]["message"]


def test_a_server_by_its_url_does_all_the_same(database: Database, cli: Program) -> None:
    there = cli.at("--database-url", database.conninfo("postgres"))
    assert there.json("init")["embedded"] is False
    remembered = there.remember("s", "The pump is repaired.")
    [hit] = there.json("recall", "pump", store="s")["hits"]
    assert hit["memory"]["id"] == remembered["id"]
    doctor = there.json("doctor")
    assert checks(doctor)["rights"] == "warn"
    assert "superuser" in str(doctor)


def test_a_server_that_is_not_there_is_said_to_be(
    cli: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMOLEDGER_CONNECT_ATTEMPTS", "1")
    nowhere = cli.at("--database-url", "postgresql://u:secret@127.0.0.1:1/x")
    result = nowhere("recall", "x", "--json")
    assert (result.code, result.problem["code"]) == (1, "ledger-unavailable")
    assert "secret" not in result.err
    assert nowhere("doctor", "--json").code == 1

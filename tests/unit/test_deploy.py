"""What is in deploy/ can be read, fits together, and names things that exist."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from memoledger.settings import PREFIX, Settings
from memoledger.surfaces.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
SETTINGS = {PREFIX + name.upper() for name in Settings.model_fields}


@pytest.fixture
def compose() -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    return parsed


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", dockerfile.read_text("utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    parts = (line.split(None, 1) for line in lines if line.strip())
    return [(word, " ".join(rest[0].split())) for word, *rest in parts]


def test_the_image_runs_as_nobody_special_and_says_how_it_is() -> None:
    given = instructions(DEPLOY / "Dockerfile")
    last_from = max(place for place, (word, _) in enumerate(given) if word == "FROM")
    final = given[last_from:]
    [user] = [rest for word, rest in final if word == "USER"]
    assert user not in ("root", "0")
    [check] = [rest for word, rest in final if word == "HEALTHCHECK"]
    assert "/health/ready" in check
    words = [word for word, _ in final]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert ("ENTRYPOINT", '["memoledger"]') in final
    assert not any("apt-get" in rest or "pip" in rest for _, rest in final)


def test_what_the_image_is_made_of_exists() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    for word, rest in instructions(DEPLOY / "Dockerfile"):
        if word == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists()
                assert f"!{source}" in ignored, f"{source} never reaches the builder"


def test_the_lock_s_versions_hold_in_the_image(tmp_path: Path) -> None:
    """The image's own edit of the lock leaves constraints that pip reads."""
    [command] = [
        rest for word, rest in instructions(DEPLOY / "Dockerfile") if "constraints.txt" in rest
    ][:1]
    edit = command.split("&&")[0].removeprefix("RUN ")
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    (tmp_path / "requirements.lock").write_text(lock, "utf-8")
    subprocess.run(["sh", "-c", edit], cwd=tmp_path, check=True)
    lines = (tmp_path / "constraints.txt").read_text("utf-8").splitlines()
    pinned = [line for line in lines if line and not line.lstrip().startswith("#")]
    assert len(pinned) > 50
    assert all(re.match(r"^[A-Za-z0-9._-]+==\S+( ;.*[^\\])?$", line) for line in pinned)
    assert any(line.startswith("fastapi==") for line in pinned)


def test_every_service_is_there_and_what_it_waits_for(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert {"postgres", "pgbouncer", "redis", "neo4j", "service", "worker", "migrate"} <= set(
        services
    )
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
    for name in ("service", "worker", "migrate"):
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["read_only"] is True


def test_commands_and_settings_exist(compose: dict[str, Any]) -> None:
    commands = {command.name for command in app.registered_commands}
    ours = [s for s in compose["services"].values() if s.get("image") == "memoledger"]
    assert {service["command"][0] for service in ours} <= commands
    for service in compose["services"].values():
        named = {name for name in service.get("environment", {}) if name.startswith(PREFIX)}
        assert named <= SETTINGS
    image = [rest for word, rest in instructions(DEPLOY / "Dockerfile") if word == "ENV"]
    assert set(re.findall(rf"\b{PREFIX}\w+", " ".join(image))) <= SETTINGS


def test_services_go_through_pgbouncer_and_administration_past_it(compose: dict[str, Any]) -> None:
    service = compose["services"]["service"]["environment"]
    assert "@pgbouncer:6432/" in service["MEMOLEDGER_DATABASE_URL"]
    # Who answers requests has no password of anybody who could get past the policies.
    assert "POSTGRES_PASSWORD" not in json.dumps(service)
    assert "MEMOLEDGER_ADMIN_DATABASE_URL" not in service
    for name in ("worker", "migrate"):
        urls = [
            value
            for key, value in compose["services"][name]["environment"].items()
            if key.endswith("DATABASE_URL")
        ]
        assert urls
        assert all("@postgres:5432/" in url for url in urls)
    pooler = (DEPLOY / "pgbouncer/pgbouncer.ini").read_text("utf-8")
    assert "pool_mode = transaction" in pooler
    assert "listen_port = 6432" in pooler


def test_the_example_environment_names_every_variable(compose: dict[str, Any]) -> None:
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", text))
    lines = (DEPLOY / "example.env").read_text("utf-8").splitlines()
    given = {line.partition("=")[0] for line in lines if line and not line.startswith("#")}
    assert given == used
    secrets = [line for line in lines if line.partition("=")[0].endswith(("PASSWORD", "TOKEN"))]
    assert secrets
    assert all(line.endswith("=") for line in secrets)


def test_files_that_are_mounted_exist(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert not source.startswith(".") or (DEPLOY / source).is_file()
            assert source.startswith(".") or source in compose["volumes"]


@pytest.mark.parametrize("script", ["pgbouncer/start.sh", "postgres/init.sh"])
def test_scripts_can_be_parsed(script: str) -> None:
    subprocess.run(["sh", "-n", str(DEPLOY / script)], check=True)
    assert (DEPLOY / script).stat().st_mode & 0o111


def test_the_board_is_as_it_is_drawn() -> None:
    """`python tools/draw_board.py` writes it."""
    drawn = runpy.run_path(str(ROOT / "tools/draw_board.py"))["board"]()
    assert json.loads((DEPLOY / "grafana/memoledger.json").read_text("utf-8")) == drawn


def test_nothing_on_the_board_covers_anything_else() -> None:
    board = json.loads((DEPLOY / "grafana/memoledger.json").read_text("utf-8"))
    places = [panel["gridPos"] for panel in board["panels"]]
    taken = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_prometheus_asks_the_service(compose: dict[str, Any]) -> None:
    settings = yaml.safe_load((DEPLOY / "prometheus.yml").read_text("utf-8"))
    [job] = settings["scrape_configs"]
    host, port = job["static_configs"][0]["targets"][0].split(":")
    assert host in compose["services"]
    assert port == compose["services"][host]["environment"]["MEMOLEDGER_HTTP_PORT"]

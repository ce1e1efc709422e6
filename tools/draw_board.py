"""Writes deploy/grafana/memoledger.json: the Grafana board, from the list of panels below.

python tools/draw_board.py
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BOARD = Path(__file__).resolve().parents[1] / "deploy" / "grafana" / "memoledger.json"

WIDTH, HEIGHT, COLUMNS = 8, 8, 3
SOURCE = {"type": "prometheus", "uid": "${source}"}


def value(metric: str, by: str = "", where: str = "") -> str:
    """The sum of a metric over the services chosen on the board."""
    condition = ", ".join(filter(None, ('instance=~"$instance"', where)))
    grouped = f"sum by ({by}) " if by else "sum"
    return f"{grouped}({metric}{{{condition}}})"


def rate(metric: str, by: str = "", where: str = "") -> str:
    """How much a counter grows in a second."""
    condition = ", ".join(filter(None, ('instance=~"$instance"', where)))
    grouped = f"sum by ({by}) " if by else "sum"
    return f"{grouped}(rate({metric}{{{condition}}}[$__rate_interval]))"


def quantile(share: float, metric: str, by: str = "") -> str:
    """A quantile of a histogram."""
    groups = ", ".join(filter(None, ("le", by)))
    return f"histogram_quantile({share}, {rate(metric + '_bucket', groups)})"


def part(metric: str, where: str) -> str:
    """Which part of a counter's growth fulfils a condition."""
    return f"{rate(metric, where=where)} / {rate(metric)}"


@dataclass(frozen=True)
class Panel:
    """A drawing: its title, Grafana's name of its unit, and expressions with their legends."""

    title: str
    unit: str
    lines: dict[str, str]


ROWS: dict[str, list[Panel]] = {
    "Requests": [
        Panel(
            "Requests by status",
            "reqps",
            {"{{status}}": rate("memoledger_requests_total", "status")},
        ),
        Panel(
            "Failed or refused for lack of room",
            "percentunit",
            {"5xx and 429": part("memoledger_requests_total", 'status=~"5..|429"')},
        ),
        Panel(
            "Time to answer",
            "s",
            {
                "p50": quantile(0.5, "memoledger_request_seconds"),
                "p95": quantile(0.95, "memoledger_request_seconds"),
                "p99": quantile(0.99, "memoledger_request_seconds"),
            },
        ),
        Panel(
            "p95 by route",
            "s",
            {"{{route}}": quantile(0.95, "memoledger_request_seconds", "route")},
        ),
        Panel(
            "Turns",
            "short",
            {
                "{{gate}}, at work": value("memoledger_gate_inside", "gate"),
                "{{gate}}, waiting": value("memoledger_gate_waiting", "gate"),
            },
        ),
        Panel(
            "Told to come back later",
            "reqps",
            {"{{gate}}": rate("memoledger_gate_refused_total", "gate")},
        ),
    ],
    "Recall and embedding": [
        Panel(
            "p95 of a recall's parts",
            "s",
            {"{{part}}": quantile(0.95, "memoledger_recall_part_seconds", "part")},
        ),
        Panel(
            "p95 of the embedding model",
            "s",
            {"{{input}}": quantile(0.95, "memoledger_embedding_seconds", "input")},
        ),
        Panel(
            "Texts embedded",
            "cps",
            {
                "{{input}}": rate("memoledger_embedded_texts_total", "input"),
                "failed calls": rate("memoledger_embedding_failures_total"),
            },
        ),
    ],
    "Ledger": [
        Panel(
            "Connections",
            "short",
            {
                "{{state}}": value("memoledger_pool_connections", "state"),
                "most": value("memoledger_pool_connections_max"),
                "callers waiting": value("memoledger_pool_waiting"),
            },
        ),
        Panel(
            "Waiting for a connection",
            "s",
            {
                "p50": quantile(0.5, "memoledger_pool_wait_seconds"),
                "p95": quantile(0.95, "memoledger_pool_wait_seconds"),
            },
        ),
        Panel(
            "Connections refused, lost, failed",
            "cps",
            {
                "callers refused": rate("memoledger_pool_refused_total"),
                "lost": rate("memoledger_pool_lost_total"),
                "failed": rate("memoledger_pool_attempts_total", where='outcome="failed"'),
            },
        ),
        Panel(
            "Receipts",
            "short",
            {
                "waiting": value("memoledger_receipts_waiting"),
                "lost": value("memoledger_receipts_lost_total"),
            },
        ),
        Panel(
            "Since background work last succeeded",
            "s",
            {
                "{{task}}": "time() - max by (task) "
                '(memoledger_upkeep_last_success_timestamp_seconds{instance=~"$instance"})',
                "{{task}}, failures a second": rate("memoledger_upkeep_failures_total", "task"),
            },
        ),
        Panel(
            "Rows that wait to be embedded, and the age of the oldest",
            "short",
            {
                "{{state}}": 'max by (state) (memoledger_queue_depth{instance=~"$instance"})',
                "age, s": 'max (memoledger_queue_age_seconds{instance=~"$instance"})',
                "{{outcome}}, a second": rate("memoledger_queue_rows_total", "outcome"),
            },
        ),
        Panel(
            "Keys known from a moment ago",
            "percentunit",
            {"hits": part("memoledger_credentials_total", 'cache="hit"')},
        ),
    ],
    "Process": [
        Panel(
            "Memory",
            "bytes",
            {"{{instance}}": value("process_resident_memory_bytes", "instance")},
        ),
        Panel(
            "Processor",
            "percentunit",
            {"{{instance}}": rate("process_cpu_seconds_total", "instance")},
        ),
        Panel("Open files", "short", {"{{instance}}": value("process_open_fds", "instance")}),
    ],
}


def board() -> dict[str, Any]:
    """The board as Grafana reads it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS.items():
        heading = {"type": "row", "title": title, "collapsed": False, "panels": []}
        panels.append(heading | {"gridPos": {"w": 24, "h": 1, "x": 0, "y": top}})
        for number, panel in enumerate(row):
            down, across = divmod(number, COLUMNS)
            place = {"x": across * WIDTH, "y": top + 1 + down * HEIGHT}
            panels.append(_drawn(panel) | {"gridPos": {"w": WIDTH, "h": HEIGHT, **place}})
        top += 1 + -(-len(row) // COLUMNS) * HEIGHT
    return {
        "title": "Memoledger",
        "uid": "memoledger",
        "tags": ["memoledger"],
        "schemaVersion": 41,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_source(), _instance()]},
        "panels": [{"id": number} | panel for number, panel in enumerate(panels, start=1)],
    }


def _drawn(panel: Panel) -> dict[str, Any]:
    return {
        "type": "timeseries",
        "title": panel.title,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}},
        "targets": [
            {"refId": chr(65 + place), "datasource": SOURCE, "expr": expr, "legendFormat": legend}
            for place, (legend, expr) in enumerate(panel.lines.items())
        ],
    }


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus"}


def _instance() -> dict[str, Any]:
    return {
        "name": "instance",
        "label": "Service",
        "type": "query",
        "datasource": SOURCE,
        "query": "label_values(memoledger_build_info, instance)",
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
    }


if __name__ == "__main__":
    BOARD.write_text(json.dumps(board(), indent=2) + "\n", "utf-8")

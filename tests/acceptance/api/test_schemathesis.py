"""Requests made up from the OpenAPI document: no failure of ours, no answer that it does not name.

One of schemathesis' checks is left out: that whatever fits the document is accepted. A document
cannot say that a name has at most 200 bytes, or that an instant must not have passed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

HERE = Path(__file__).parent
LEFT_OUT = "positive_data_acceptance,object_level_authorization"
QUICK = ("--max-examples", "3", "--phases", "examples,fuzzing,stateful")
THOROUGH = ("--max-examples", "100", "--phases", "examples,coverage,fuzzing,stateful")


@pytest.mark.parametrize(
    "options", [QUICK, pytest.param(THOROUGH, marks=pytest.mark.slow)], ids=["quick", "thorough"]
)
def test_every_operation_answers_as_the_document_says(
    keyed: tuple[Any, str], tmp_path: Path, options: tuple[str, ...]
) -> None:
    served, key = keyed
    before = psutil.Process(served.process.pid).memory_info().rss
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
            *("run", f"{served.url}/openapi.json", "--header", f"Authorization: Bearer {key}"),
            *("--checks", "all", "--exclude-checks", LEFT_OUT),
            *("--seed", "7", "--no-color", "--suppress-health-check", "all", *options),
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
            "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:]
    with served.client() as client:
        assert client.get("/health/ready").json() == {"status": "ok"}
    assert psutil.Process(served.process.pid).memory_info().rss - before < 300_000_000

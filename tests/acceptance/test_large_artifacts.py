"""A gigabyte passes through in pieces: into an object store and out again, in bounded memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BYTES = 1_000_000_000
MEMORY_BYTES_MAX = 200_000_000

PROGRAM = """
import asyncio, json, pathlib, re, resource, sys
from uuid import UUID
from memoledger.adapters.artifacts import open_artifacts
from memoledger.model.artifact import Digest, artifact_key
from memoledger.services.byte_streams import digest_of, lasting, unchanged

def peak():
    status = pathlib.Path("/proc/self/status")
    if status.exists():  # What a process is started from counts as its own in ru_maxrss there.
        return int(re.search("VmHWM:[^0-9]*([0-9]+) kB", status.read_text())[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

async def main(source, folder):
    store = open_artifacts(None, None, folder=folder)
    async with lasting(source) as stored:
        digest = await digest_of(stored)
        key = artifact_key(UUID(int=1), UUID(int=2), digest.hash, UUID(int=3))
        await store.put(key, unchanged(stored, digest))
    seen = Digest()
    async for piece in store.read(key):
        seen.add(piece)
    assert seen == digest
    print(json.dumps({"bytes": seen.bytes, "memory": peak()}))

asyncio.run(main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])))
"""


@pytest.mark.slow
def test_a_gigabyte_takes_less_than_200_megabytes(tmp_path: Path) -> None:
    source = tmp_path / "large"
    with source.open("wb") as file:
        file.truncate(BYTES)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(source), str(tmp_path / "artifacts")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["bytes"] == BYTES
    assert told["memory"] < MEMORY_BYTES_MAX

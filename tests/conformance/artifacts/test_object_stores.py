"""What every Artifacts has to do, run against each kind of object store."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memoledger.adapters.artifacts import open_artifacts
from memoledger.model.errors import ArtifactError, ArtifactMissing, ConflictError
from memoledger.ports import Artifacts

KEY = "workspaces/s/knowledge/d/hash/id"
MIB = 1_048_576


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece


async def read(artifacts: Artifacts, key: str = KEY) -> bytes:
    return b"".join([piece async for piece in artifacts.read(key)])


async def listed(artifacts: Artifacts, prefix: str = "workspaces/") -> dict[str, int]:
    return {found.key: found.bytes async for found in artifacts.list(prefix)}


async def test_what_was_put_is_there(artifacts: Artifacts) -> None:
    await artifacts.put(KEY, pieces(b"a cup", b" of ", b"tea"))
    assert await read(artifacts) == b"a cup of tea"
    assert await artifacts.size(KEY) == 12


@pytest.mark.parametrize("given", [(), (b"",), (b"x",), (b"", b"x", b"")])
async def test_nothing_and_little_can_be_put(artifacts: Artifacts, given: tuple[bytes]) -> None:
    await artifacts.put(KEY, pieces(*given))
    assert await read(artifacts) == b"".join(given)
    assert await artifacts.size(KEY) == len(b"".join(given))


async def test_large_objects_come_and_go_in_pieces(artifacts: Artifacts) -> None:
    """More than one part of an upload, and a last one that is not full."""
    block = hashlib.sha256(b"tea").digest() * (MIB // 32)
    await artifacts.put(KEY, pieces(*[block] * 20, b"end"))
    sha256, sizes = hashlib.sha256(), []
    async for piece in artifacts.read(KEY):
        assert type(piece) is bytes
        sha256.update(piece)
        sizes.append(len(piece))
    assert sha256.digest() == hashlib.sha256(block * 20 + b"end").digest()
    # What is in memory already comes as it is; everything else in pieces.
    assert sum(sizes) == 20 * MIB + 3


async def test_the_later_object_counts(artifacts: Artifacts) -> None:
    await artifacts.put(KEY, pieces(b"tea, long"))
    await artifacts.put(KEY, pieces(b"coffee"))
    assert await read(artifacts) == b"coffee"


@pytest.mark.parametrize("before", [1, 20 * MIB])
async def test_an_error_on_the_way_leaves_nothing(artifacts: Artifacts, before: int) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        for start in range(0, before, MIB):
            yield bytes(min(MIB, before - start))
        raise ConflictError("The source changed.")

    with pytest.raises(ConflictError, match="changed"):
        await artifacts.put(KEY, breaking())
    assert await artifacts.size(KEY) is None
    assert await listed(artifacts) == {}


async def test_being_cancelled_on_the_way_leaves_nothing(artifacts: Artifacts) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield bytes(MIB)
        begun.set()
        await asyncio.sleep(3_600)

    putting = asyncio.create_task(artifacts.put(KEY, endless()))
    await begun.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert await artifacts.size(KEY) is None


async def test_what_is_not_there_is_said_so(artifacts: Artifacts) -> None:
    await artifacts.put("workspaces/another", pieces(b"tea"))
    assert await artifacts.size(KEY) is None
    with pytest.raises(ArtifactMissing):
        await read(artifacts)
    await artifacts.delete(KEY)


async def test_what_was_deleted_is_gone(artifacts: Artifacts) -> None:
    await artifacts.put(KEY, pieces(b"tea"))
    await artifacts.put(KEY + "2", pieces(b"coffee"))
    await artifacts.delete(KEY)
    await artifacts.delete(KEY)
    assert await artifacts.size(KEY) is None
    assert await listed(artifacts) == {KEY + "2": 6}


async def test_objects_are_listed_under_their_prefix(artifacts: Artifacts) -> None:
    assert await listed(artifacts) == {}
    keys = [f"workspaces/{store}/knowledge/d/{number}" for store in "ab" for number in range(3)]
    for key in keys:
        await artifacts.put(key, pieces(b"tea"))
    assert await listed(artifacts) == dict.fromkeys(keys, 3)
    assert await listed(artifacts, "workspaces/a/") == dict.fromkeys(keys[:3], 3)
    found = [one async for one in artifacts.list("workspaces/b/")]
    age = datetime.now(UTC) - found[0].modified_at
    assert abs(age) < timedelta(minutes=5)


async def test_many_may_write_at_once(artifacts: Artifacts) -> None:
    async def use(number: int) -> bytes:
        await artifacts.put(f"workspaces/{number}", pieces(b"%d" % number))
        return await read(artifacts, f"workspaces/{number}")

    assert await asyncio.gather(*map(use, range(30))) == [b"%d" % n for n in range(30)]


async def test_writing_and_deleting_beside_each_other_harm_nobody(artifacts: Artifacts) -> None:
    """Folders of a folder's store come and go."""

    async def use(number: int) -> None:
        key = f"workspaces/shared/{number % 3}/{number}"
        for _ in range(5):
            await artifacts.put(key, pieces(b"tea"))
            assert await read(artifacts, key) == b"tea"
            await artifacts.delete(key)

    await asyncio.gather(*map(use, range(12)))
    assert await listed(artifacts) == {}


def test_its_name_tells_no_secret(artifacts: Artifacts) -> None:
    assert artifacts.name
    assert "testing" not in artifacts.name


async def test_a_bucket_that_is_not_there_is_said_so(s3_options: str, tmp_path: Path) -> None:
    nowhere = open_artifacts("s3://no-such-bucket-here", s3_options, folder=tmp_path)
    assert nowhere is not None
    with pytest.raises(ArtifactError, match="no s3://no-such-bucket-here to write to"):
        await nowhere.put(KEY, pieces(b"tea"))
    with pytest.raises(ArtifactError):
        await read(nowhere)


async def test_an_endpoint_that_is_wrong_is_said_so(s3_endpoint: str, tmp_path: Path) -> None:
    options = f"endpoint={s3_endpoint.replace('http', 'https')},region=us-east-1"
    keys = ",access_key_id=id,secret_access_key=hush"
    wrong = open_artifacts("s3://bucket", options + keys, folder=tmp_path)
    assert wrong is not None
    with pytest.raises(ArtifactError, match="s3://bucket failed") as caught:
        await wrong.size(KEY)
    assert "hush" not in str(caught.value)

"""Which object store the settings name, and what is special about a folder."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from memoledger.adapters.artifacts import open_artifacts
from memoledger.model.errors import ArtifactError, ArtifactMissing, SettingsError

KEY = "workspaces/s/knowledge/d/hash/id"


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    for piece in given:
        yield piece


@pytest.mark.parametrize(
    ("url", "options", "named"),
    [
        (None, None, "{folder}"),
        ("{folder}/other", None, "{folder}/other"),
        ("file://{folder}/with%20blank", None, "{folder}/with blank"),
        ("memory:", None, "memory:"),
        ("s3://bucket/prefix", "region=eu-central-1", "s3://bucket/prefix"),
        ("gs://bucket", None, "gs://bucket"),
        ("az://container/prefix", "account_name=tea", "az://container/prefix"),
    ],
)
def test_what_the_settings_name_is_opened(
    url: str | None, options: str | None, named: str, tmp_path: Path
) -> None:
    given = None if url is None else url.format(folder=tmp_path)
    opened = open_artifacts(given, options, folder=tmp_path)
    assert opened is not None
    assert opened.name == named.format(folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_they_can_be_switched_off(tmp_path: Path) -> None:
    assert open_artifacts("off", None, folder=tmp_path) is None


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("ftp://host/folder", None),
        ("a/folder", None),
        ("", None),
        ("file://host/folder", None),
        ("s3://key:secret@bucket", None),
        ("s3://bucket?secret=1", None),
        ("s3://bucket", "region"),
        ("s3://bucket", "=x"),
        ("s3://bucket", "no_such_option=1"),
        (None, "region=eu-central-1"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_stored(
    url: str | None, options: str | None, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as caught:
        open_artifacts(url, options, folder=tmp_path)
    assert "secret" not in str(caught.value)


async def test_a_bucket_out_of_reach_is_an_error_that_says_which(tmp_path: Path) -> None:
    options = "endpoint=http://127.0.0.1:1,region=us-east-1,access_key_id=k,secret_access_key=hush"
    opened = open_artifacts("s3://bucket", options, folder=tmp_path)
    assert opened is not None
    with pytest.raises(ArtifactError, match="s3://bucket failed") as caught:
        await opened.put(KEY, pieces(b"tea"))
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    opened = open_artifacts(str(tmp_path / "one" / "two"), None, folder=tmp_path)
    assert opened is not None
    await opened.put(KEY, pieces(b"tea"))
    assert (tmp_path / "one" / "two" / KEY).read_bytes() == b"tea"
    assert (tmp_path / "one" / "two").stat().st_mode & 0o777 == 0o700


async def test_what_a_killed_writer_left_goes_with_its_object(tmp_path: Path) -> None:
    opened = open_artifacts(None, None, folder=tmp_path)
    assert opened is not None
    unfinished = tmp_path / f"{KEY}#1"
    unfinished.parent.mkdir(parents=True)
    unfinished.write_bytes(b"half")
    assert [one async for one in opened.list("workspaces/")] == []
    assert await opened.size(KEY) is None
    await opened.delete(KEY)
    assert os.listdir(tmp_path) == []  # noqa: PTH208


async def test_deleting_leaves_what_lies_beside_it(tmp_path: Path) -> None:
    opened = open_artifacts(None, None, folder=tmp_path)
    assert opened is not None
    await opened.put(KEY, pieces(b"tea"))
    await opened.put(f"{KEY}2", pieces(b"coffee"))
    await opened.delete(KEY)
    assert (tmp_path / f"{KEY}2").read_bytes() == b"coffee"


async def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    opened = open_artifacts(str(tmp_path / "file" / "folder"), None, folder=tmp_path)
    assert opened is not None
    with pytest.raises(ArtifactError, match="file/folder failed"):
        await opened.put(KEY, pieces(b"tea"))


async def test_reading_makes_no_folder_and_nothing_is_deleted_where_there_is_none(
    tmp_path: Path,
) -> None:
    """On another machine than the one that has it, a deletion would only seem to be one."""
    opened = open_artifacts(None, None, folder=tmp_path / "artifacts")
    assert opened is not None
    assert await opened.size(KEY) is None
    assert [one async for one in opened.list("workspaces/")] == []
    with pytest.raises(ArtifactMissing):
        await anext(opened.read(KEY))
    with pytest.raises(ArtifactError, match="is not there"):
        await opened.delete(KEY)
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_a_bucket_of_another_name_is_another(tmp_path: Path) -> None:
    one, two = (open_artifacts(str(tmp_path / name), None, folder=tmp_path) for name in "ab")
    assert one is not None
    assert two is not None
    assert one.name != two.name

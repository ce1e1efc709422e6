"""The object store of raw sources, by obstore: a folder, memory, S3, Google Cloud Storage, Azure.

What the library raises quotes requests and paths over many lines; its first line goes on, and
nothing else of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterator,
    Mapping,
)
from contextlib import aclosing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from memoledger.model.artifact import StoreAct, StoredObject, StoreStatistics
from memoledger.model.errors import ArtifactError, ArtifactMissing, MemoledgerError, SettingsError
from memoledger.ports import Artifacts

if TYPE_CHECKING:
    from obstore.store import ObjectStore

OFF: Final = "off"
CLOUDS: Final = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss")
URL_SETTING: Final = "MEMOLEDGER_ARTIFACTS_URL"
OPTIONS_SETTING: Final = "MEMOLEDGER_ARTIFACTS_OPTIONS"

PART_BYTES: Final = 8_388_608
"""Of one upload: S3 takes 10,000 parts of an object, which makes 80 GB."""

PARTS_AT_ONCE: Final = 2
READ_BYTES: Final = 1_048_576
LISTED_AT_ONCE: Final = 1_000

_CLIENT: Final[Mapping[str, Any]] = {
    "connect_timeout": timedelta(seconds=5),
    # Until the next bytes. One for all of an answer would break off large objects.
    "read_timeout": timedelta(seconds=30),
    "timeout": timedelta(hours=12),
}
_RETRIES: Final[Mapping[str, Any]] = {"max_retries": 4, "retry_timeout": timedelta(seconds=30)}
_CLIENT_OPTIONS: Final = frozenset({"allow_http", "allow_invalid_certificates", "proxy_url"})
_TRUTH: Final = {"true": True, "false": False}


def open_artifacts(url: str | None, options: str | None, *, folder: Path) -> Artifacts | None:
    """What the settings name; nothing is made, and no connection, before it is used.

    Args:
        url: `s3://bucket/prefix`, `gs://…`, `az://…`, `file:///folder`, a folder's path, `memory:`
            for tests, `off` for None; None for `folder`.
        options: of a bucket: `name=value`, separated by commas, beside what the environment says.

    Raises:
        SettingsError: the URL or an option is wrong.
    """
    if url == OFF:
        return None
    scheme = "" if url is None else urlsplit(url).scheme
    given = _parsed(options)
    if scheme in CLOUDS:
        assert url is not None
        bucket = _open_bucket(url, given)
        return ObjectStoreArtifacts(url, lambda: bucket)
    if given:
        raise SettingsError(
            OPTIONS_SETTING, "(hidden)", "options are for buckets", remedy="Unset it."
        )
    if scheme == "memory":
        from obstore.store import MemoryStore

        return ObjectStoreArtifacts("memory:", MemoryStore)
    return FolderArtifacts(folder if url is None else _folder_of(url, scheme))


def _folder_of(url: str, scheme: str) -> Path:
    parts = urlsplit(url)
    path = Path(unquote(parts.path) if scheme == "file" else url).expanduser()
    if scheme not in ("", "file") or parts.netloc or not path.is_absolute():
        raise SettingsError(
            URL_SETTING,
            url,
            "it is neither a bucket's URL nor the whole path of a folder",
            remedy="Give s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, "
            "/a/folder, or `off`.",
        )
    return path


def _parsed(options: str | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in filter(None, (pair.strip() for pair in (options or "").split(","))):
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise SettingsError(
                OPTIONS_SETTING,
                "(hidden)",
                "an option is not written as name=value",
                remedy="Separate options by commas: endpoint=https://…,region=eu-central-1.",
            )
        found[name.strip().lower()] = value.strip()
    return found


def _open_bucket(url: str, options: Mapping[str, str]) -> ObjectStore:
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    if urlsplit(url).username or urlsplit(url).password or urlsplit(url).query:
        raise SettingsError(
            URL_SETTING,
            "(hidden)",
            "it carries more than a bucket and a prefix",
            remedy=f"Give credentials in the environment, or in {OPTIONS_SETTING}.",
        )
    values = {name: _TRUTH.get(value.lower(), value) for name, value in options.items()}
    client = {name: values.pop(name) for name in list(values) if name in _CLIENT_OPTIONS}
    if any(str(value).startswith("http://") for value in values.values()):
        client.setdefault("allow_http", True)
    config: dict[str, Any] = dict(values)
    try:
        return from_url(  # type: ignore[call-overload,no-any-return]  # which cloud is known later
            url,
            config=config,
            client_options={**_CLIENT, **client},
            retry_config=dict(_RETRIES),
        )
    except (BaseError, ValueError, TypeError) as error:
        raise SettingsError(
            f"{URL_SETTING} or {OPTIONS_SETTING}",
            url,
            f"there is no such bucket to open: {_first_line(error)}",
            remedy="Look at docs/howto/artifacts.md.",
        ) from None


class ObjectStoreArtifacts:
    """Objects in a store of obstore's.

    Args:
        name: which one, for people.
        opening: opens it, when it is first used.
    """

    def __init__(self, name: str, opening: Callable[[], ObjectStore]) -> None:
        self._name = name
        self._opening = opening
        self._opened: ObjectStore | None = None
        self._statistics = StoreStatistics()

    @property
    def _store(self) -> ObjectStore:
        if self._opened is None:
            self._opened = self._opening()
        return self._opened

    @property
    def name(self) -> str:
        """Which one, for people; without credentials."""
        return self._name

    @property
    def statistics(self) -> StoreStatistics:
        """What it was asked to do."""
        return self._statistics

    async def put(self, key: str, pieces: AsyncIterable[bytes]) -> None:
        """Write an object, whole or not at all."""
        import obstore

        try:
            with self._asked("put", key):
                await obstore.put_async(
                    self._store,
                    key,
                    self._counted(pieces),
                    chunk_size=PART_BYTES,
                    max_concurrency=PARTS_AT_ONCE,
                )
        except ArtifactMissing:
            self._statistics.failed["put"] += 1
            raise ArtifactError(
                f"There is no {self._name} to write to.", remedy="Make the bucket first."
            ) from None

    async def read(self, key: str) -> AsyncGenerator[bytes]:
        """The bytes of an object, in pieces."""
        import obstore

        with self._asked("read", key):
            found = await obstore.get_async(self._store, key)
            async for piece in found.stream(min_chunk_size=READ_BYTES):
                self._statistics.bytes_read += len(piece)
                yield bytes(piece)

    async def size(self, key: str) -> int | None:
        """How many bytes an object has; None if there is none."""
        import obstore

        try:
            with self._asked("size", key):
                return (await obstore.head_async(self._store, key))["size"]
        except ArtifactMissing:
            return None

    async def delete(self, key: str) -> None:
        """Remove an object, if it is there."""
        import obstore

        with contextlib.suppress(ArtifactMissing), self._asked("delete", key):
            await obstore.delete_async(self._store, key)

    async def list(self, prefix: str) -> AsyncGenerator[StoredObject]:
        """Every object whose key begins with `prefix`."""
        import obstore

        with self._asked("list", prefix):
            async for page in obstore.list(self._store, prefix, chunk_size=LISTED_AT_ONCE):
                for found in page:
                    yield StoredObject(found["path"], found["size"], found["last_modified"])

    async def aclose(self) -> None:
        """Nothing to do: connections end with the program, or when they have been idle."""

    async def _counted(self, pieces: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        async for piece in pieces:
            self._statistics.bytes_put += len(piece)
            yield piece

    @contextmanager
    def _asked(self, act: StoreAct, key: str) -> Iterator[None]:
        """Count it, and raise what the library reports as errors of ours; those of ours pass."""
        from obstore.exceptions import BaseError

        self._statistics.asked[act] += 1
        try:
            yield
        except MemoledgerError:
            raise
        except FileNotFoundError:
            raise ArtifactMissing(
                f"There is no object {key} in {self._name}.",
                remedy="Restore it from a backup, or learn its document again.",
            ) from None
        except (BaseError, OSError, ValueError) as error:
            self._statistics.failed[act] += 1
            raise self._failed(error) from None

    def _failed(self, error: BaseException) -> ArtifactError:
        return ArtifactError(
            f"The object store {self._name} failed: {_first_line(error)}",
            remedy="See that it can be reached, has room and lets us in; then try again.",
        )


class FolderArtifacts(ObjectStoreArtifacts):
    """Objects in a folder of this machine, which is made when the first one is written.

    Each is a file that was written beside its place and moved there, and on the disk before anybody
    relies on it.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder), lambda: _local(folder))
        self._folder = folder

    async def put(self, key: str, pieces: AsyncIterable[bytes]) -> None:
        """Write an object, whole or not at all, and see that it is on the disk."""
        try:
            await asyncio.to_thread(self._folder.mkdir, 0o700, parents=True, exist_ok=True)
            await super().put(key, pieces)
            # Gone already? Then its row let go of it, and no document can keep it.
            with contextlib.suppress(FileNotFoundError):
                await asyncio.to_thread(_sync, self._folder / key, self._folder)
        except OSError as error:
            raise self._failed(error) from None

    async def delete(self, key: str) -> None:
        """Remove an object, if it is there, and what a writer that was killed left beside it."""
        if not await asyncio.to_thread(self._folder.is_dir):
            # On another machine, or with the disk not mounted, nothing is there to be deleted, and
            # that must not be taken for a deletion.
            raise ArtifactError(
                f"The folder {self._folder} is not there.",
                remedy="Do this where the folder is: on its machine, with its disk mounted.",
            )
        await super().delete(key)
        try:
            await asyncio.to_thread(_remove_unfinished, self._folder / key, self._folder)
        except OSError as error:
            raise self._failed(error) from None

    async def list(self, prefix: str) -> AsyncGenerator[StoredObject]:
        """Every object whose key begins with `prefix`; none where there is no folder yet."""
        if await asyncio.to_thread(self._folder.is_dir):
            async with aclosing(super().list(prefix)) as found:
                async for one in found:
                    yield one


def _local(folder: Path) -> ObjectStore:
    """Raises FileNotFoundError: the folder was not made yet."""
    from obstore.store import LocalStore

    if not folder.is_dir():
        raise FileNotFoundError(folder)
    return LocalStore(folder, automatic_cleanup=True)


def _sync(file: Path, root: Path) -> None:
    """Have a file on the disk, and the folders in which it is entered."""
    for path in (file, *file.parents):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if path == root:
            return


def _remove_unfinished(file: Path, root: Path) -> None:
    # The library writes to the name with # and a number, then renames.
    for left in file.parent.glob(f"{file.name}#*"):
        left.unlink(missing_ok=True)
    for folder in file.parents:
        if folder == root:
            return
        with contextlib.suppress(FileNotFoundError):
            try:
                folder.rmdir()
            except OSError as error:
                if error.errno == errno.ENOTEMPTY:
                    return
                raise


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__

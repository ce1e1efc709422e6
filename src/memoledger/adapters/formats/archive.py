"""ZIP archives, opened with their bounds checked before anything is unpacked."""

from __future__ import annotations

import zipfile
import zlib
from io import BytesIO
from typing import Final

from memoledger.adapters.formats.source import Source

ENTRIES_MAX: Final = 20_000
UNPACKED_BYTES_MAX: Final = 200_000_000


def opened(source: Source) -> zipfile.ZipFile:
    """The archive.

    `zipfile` gives no more bytes of an entry than the archive says it has, so what it says is what
    has to be bounded.

    Raises:
        UnreadableSource: it is broken, encrypted, or would unpack to too much.
    """
    try:
        archive = zipfile.ZipFile(BytesIO(source.data))
        entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise source.broken("a ZIP archive", error) from None
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > ENTRIES_MAX or unpacked > UNPACKED_BYTES_MAX:
        raise source.refused(
            f"it would unpack to {unpacked:,} bytes in {len(entries):,} files,"
            f" {UNPACKED_BYTES_MAX:,} in {ENTRIES_MAX:,} are read",
            "Unpack it yourself, and learn the files.",
        )
    if any(entry.flag_bits & 1 for entry in entries):
        raise source.refused("it is locked by a password", "Unlock it first.")
    return archive


def check_entry(source: Source, archive: zipfile.ZipFile, name: str, bytes_max: int) -> None:
    """See that an entry would not unpack to too much.

    Raises:
        UnreadableSource: it would.
    """
    found = archive.getinfo(name).file_size
    if found > bytes_max:
        raise source.refused(
            f"{name} in it has {found:,} bytes, {bytes_max:,} are read",
            "Learn it in several parts.",
        )


def entry(source: Source, archive: zipfile.ZipFile, name: str, bytes_max: int) -> bytes:
    """The bytes of one entry.

    Raises:
        UnreadableSource: it is damaged or too large.
    """
    check_entry(source, archive, name, bytes_max)
    try:
        return archive.read(name)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, OSError, EOFError) as error:
        raise source.broken("a ZIP archive", error) from None

"""Files that come in a form: read within their limits into a file of our own."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from memoledger.model.errors import InvalidInput, Malformed, TooLarge
from memoledger.services.exchange import parse_json
from memoledger.surfaces.api.bodies import discard, pieces, require_media
from memoledger.surfaces.api.limits import Limits
from memoledger.surfaces.api.names import with_snake_keys

FORM: Final = "multipart/form-data"
FILE: Final = "file"
FIELDS: Final = "document"

_NAME_CHARS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Upload:
    """A form with a file.

    Args:
        path: where the file is until the request is done with.
        name: its name as the client told it, without folders; "" if it told none.
        media_type: what the client says it is, where the name does not say it better.
        fields: the JSON object that came beside it, its names in snake_case.
    """

    path: Path
    name: str
    media_type: str | None
    fields: dict[str, Any]


def upload_of(request: Request) -> Upload:
    """The form of a request that was let in with one."""
    found = request.state.upload
    assert isinstance(found, Upload)
    return found


@asynccontextmanager
async def uploaded(request: Request, limits: Limits) -> AsyncIterator[None]:
    """Read a form and put it into `request.state.upload`; its file is there while this is open.

    Raises:
        TooLarge, TooSlow: it is more than it may be, or does not come in time.
        UnsupportedMedia: the body is no form.
        Malformed: it is broken, or has not what it must have.
    """
    require_media(request, (FORM,))
    form = await _form(request, limits)
    try:
        file, fields = _parts(form)
        name = _name_of(file)
        with tempfile.TemporaryDirectory(prefix="memoledger-upload-") as folder:
            # Under its own name, by which its format may be known.
            path = Path(folder, name or "upload")
            digest = await asyncio.to_thread(_copied, file.file, path)
            # What an Idempotency-Key was used with, without the boundary of the day.
            told = f"{fields}\n{file.filename}\n{file.content_type}\n{digest}".encode()
            request._body = told  # noqa: SLF001 - where Starlette keeps a body that was read
            media_type = None if "." in name else file.content_type
            request.state.upload = Upload(path, name, media_type, _object(fields))
            yield
    finally:
        await form.close()


async def _form(request: Request, limits: Limits) -> FormData:
    stream = _bounded(request, limits)
    parser = MultiPartParser(
        request.headers, stream, max_files=1, max_fields=1, max_part_size=limits.body_bytes
    )
    try:
        return await parser.parse()
    except MultiPartException as error:
        await discard(request)
        raise Malformed(
            "body",
            error.message,
            "it is no form as it must be",
            remedy=f"Send one part `{FILE}`, and beside it one of JSON, `{FIELDS}`, if need be.",
        ) from None
    except ClientDisconnect:
        raise Malformed(
            "body", "a form", "it was not sent to its end", remedy="Send all of it."
        ) from None


async def _bounded(request: Request, limits: Limits) -> AsyncGenerator[bytes, None]:
    count = 0
    declared = request.headers.get("content-length", "")
    if declared.isdigit():
        count = int(declared)
    if count <= limits.upload_bytes:
        count = 0
        async for piece in pieces(request, limits):
            count += len(piece)
            if count > limits.upload_bytes:
                break
            yield piece
    if count > limits.upload_bytes:
        await discard(request)
        raise TooLarge(
            "body",
            "not read to its end",
            f"it is larger than {limits.upload_bytes:,} bytes",
            remedy="Learn it where the file is; the setting is MEMOLEDGER_HTTP_UPLOAD_BYTES_MAX.",
        )


def _parts(form: FormData) -> tuple[UploadFile, str | None]:
    """The file, and the text beside it.

    Raises:
        Malformed: the file is missing, or something else is there.
    """
    file, fields = form.get(FILE), form.get(FIELDS)
    unknown = set(form) - {FILE, FIELDS}
    if unknown or not isinstance(file, UploadFile) or not isinstance(fields, str | None):
        raise Malformed(
            next(iter(unknown), FILE),
            ", ".join(form),
            f"a form has a file, `{FILE}`, and may have a text, `{FIELDS}`",
            remedy="Send these parts and no others.",
        )
    return file, fields


def _object(fields: str | None) -> dict[str, Any]:
    try:
        value = {} if fields is None else parse_json(FIELDS, fields)
    except InvalidInput as error:
        raise Malformed(FIELDS, error.value, error.reason, remedy="Send a JSON object.") from None
    if not isinstance(value, dict):
        raise Malformed(FIELDS, fields, "it is no JSON object", remedy="Send a JSON object.")
    return with_snake_keys(value)


def _name_of(file: UploadFile) -> str:
    """A file's name without folders, whichever system it is from."""
    name = PurePosixPath((file.filename or "").replace("\\", "/")).name
    kept = "".join(char for char in name if char.isprintable())[-_NAME_CHARS_MAX:]
    return "" if kept in {".", ".."} or len(kept.encode("utf-8", "replace")) > 250 else kept


def _copied(source: BinaryIO, path: Path) -> str:
    """Copy the file to where it has a path; its hash."""
    with path.open("x+b") as target:
        shutil.copyfileobj(source, target, 1 << 20)
        target.seek(0)
        return hashlib.file_digest(target, "sha256").hexdigest()

"""Sources that are broken, too large, or made to do harm: refused by name, in bounded time."""

from __future__ import annotations

import contextlib
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memoledger.adapters.formats import SourceReader, archive, pdf, records, source
from memoledger.model.errors import UnreadableSource


def refused(given: bytes | str | Path, name: str, kind: str | None = None) -> str:
    data = given.encode() if isinstance(given, str) else given
    with pytest.raises(UnreadableSource) as caught:
        SourceReader().read(data, kind, name)
    assert caught.value.value == name
    assert caught.value.remedy
    return caught.value.reason


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(100), "a.png"),
        (bytes(range(256)) * 20, "a.dat"),
        (b"\x7fELF\x02\x01\x01" + bytes(50), "program"),
        (b"SQLite format 3\x00" + bytes(50), "a.txt"),
    ],
)
def test_a_binary_is_of_no_known_format(data: bytes, name: str) -> None:
    assert "no format that is known" in refused(data, name)


def test_pictures_are_of_no_known_format_whatever_they_hold() -> None:
    assert "no format" in refused("text", "a", "image/png")


@pytest.mark.parametrize(
    "data",
    [b"%PDF-1.4\n", b"%PDF-1.7\n" + os.urandom(5_000), b"not a pdf"],
    ids=["cut off", "noise", "text"],
)
def test_a_broken_pdf_is_refused(data: bytes) -> None:
    assert "cannot be read as PDF" in refused(data, "a.pdf")


def test_a_truncated_pdf_is_refused_or_read(samples: Any) -> None:
    whole = samples.pdf("one", "two")
    for end in range(0, len(whole), 97):
        try:
            SourceReader().read(whole[:end], "application/pdf", "a.pdf")
        except UnreadableSource:
            continue


def test_a_pdf_without_text_says_what_to_do(samples: Any) -> None:
    assert "no text" in refused(samples.pdf(""), "scan.pdf")


def test_a_pdf_that_unpacks_to_gigabytes_is_refused(samples: Any) -> None:
    bomb = samples.pdf("x", extra=b" " * 300_000_000)
    assert len(bomb) < 1_000_000
    assert "cannot be read as PDF" in refused(bomb, "bomb.pdf")


def test_a_pdf_that_takes_too_long_is_given_up(
    samples: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf, "_START", "while True: pass")
    monkeypatch.setattr(pdf, "SECONDS_MAX", 0.1)
    assert "more time or memory" in refused(samples.pdf("x"), "slow.pdf")


def test_the_process_that_reads_a_pdf_is_bounded() -> None:
    import subprocess
    import sys

    code = (
        "from memoledger.adapters.formats import pdf; pdf.SECONDS_MAX = 5; pdf._bound()\n"
        "import resource; print(resource.getrlimit(resource.RLIMIT_CPU)[0],"
        " resource.getrlimit(resource.RLIMIT_AS)[0])\nbytes(3_000_000_000)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.split() == ["5", str(pdf.MEMORY_BYTES_MAX)]
    assert "MemoryError" in done.stderr


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bomb,
        bomb.open("word/document.xml", "w") as entry,
    ):
        for _ in range(250):
            entry.write(bytes(1_000_000))
    assert "unpack to 250,000,000 bytes" in refused(packed.getvalue(), "bomb.docx")


def test_a_document_whose_text_is_too_large_is_refused() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("word/document.xml", bytes(50_000_000))
    assert "word/document.xml in it has 50,000,000" in refused(packed.getvalue(), "bomb.docx")


def test_too_many_entries_are_refused(monkeypatch: pytest.MonkeyPatch, samples: Any) -> None:
    monkeypatch.setattr(archive, "ENTRIES_MAX", 3)
    assert "4 files" in refused(samples.archive(**{str(n): "x" for n in range(4)}), "a.zip")


def test_entities_that_expand_are_not_expanded(samples: Any) -> None:
    with zipfile.ZipFile(io.BytesIO(samples.word())) as good:
        entries = {name: good.read(name) for name in good.namelist()}
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    head = f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY l0 "lol">{laughs}]>'
    body = entries["word/document.xml"].decode()
    body = head + body[body.index("?>") + 2 :].replace("Roadmap", "&l9;")
    entries["word/document.xml"] = body.encode()
    try:
        found = SourceReader().read(samples.archive(**entries), None, "laughs.docx")
    except UnreadableSource:
        return
    assert "lol" not in found.text


def test_outer_entities_are_not_fetched(samples: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("classified")
    with zipfile.ZipFile(io.BytesIO(samples.word())) as good:
        entries = {name: good.read(name) for name in good.namelist()}
    head = f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "{secret.as_uri()}">]>'
    body = entries["word/document.xml"].decode()
    body = head + body[body.index("?>") + 2 :].replace("Roadmap", "&x;")
    entries["word/document.xml"] = body.encode()
    try:
        found = SourceReader().read(samples.archive(**entries), None, "outer.docx")
    except UnreadableSource:
        return
    assert "classified" not in found.text


@pytest.mark.parametrize("data", [b"PK\x03\x04" + bytes(100), b"PK\x03\x04"])
def test_a_broken_archive_is_refused(data: bytes) -> None:
    refused(data, "a.docx")
    refused(data, "a.zip")


def test_an_archive_that_is_no_export_is_refused(samples: Any) -> None:
    assert "no chat's export" in refused(samples.archive(**{"a.txt": "x"}), "a.zip")


def test_an_archive_with_a_password_is_refused(samples: Any) -> None:
    packed = bytearray(samples.archive(**{"conversations.json": "[]"}))
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    assert "password" in refused(bytes(packed), "a.zip")


@pytest.mark.parametrize("nested", ["[" * 100_000, '{"a":' * 100_000, "[" * 90 + "{}" + "]" * 90])
def test_deep_json_is_refused(nested: str) -> None:
    if not nested.endswith(("]", "}")):
        refused(nested, "deep.json")
    refused(nested + "\n", "deep.jsonl")


def test_a_json_that_is_nested_too_deeply_to_be_told_is_refused() -> None:
    nested = '{"a":' * 100 + "1" + "}" * 100
    assert "nested" in refused(nested, "deep.json")


@pytest.mark.parametrize("text", ["", "{", "[1,]", "{'a': 1}", "9" * 5_000, "NaN x"])
def test_what_is_no_json_is_refused(text: str) -> None:
    assert "JSON" in refused(text, "a.json")


def test_the_line_that_is_no_json_is_named() -> None:
    assert "line 2" in refused('{"a": 1}\n{"a"\n', "a.jsonl")


def test_a_large_json_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "JSON_BYTES_MAX", 10)
    assert "11 bytes" in refused('"123456789"', "a.json")


def test_a_large_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "BYTES_MAX", 10)
    path = tmp_path / "a.txt"
    path.write_text("12345678901")
    assert "11 bytes, 10 are read" in refused(path, str(path))
    assert "11 bytes" in refused("12345678901", "a.txt")


def test_paths_that_are_no_files_are_refused(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "none", "none")
    assert "no file" in refused(tmp_path, "folder")
    os.mkfifo(tmp_path / "pipe")
    assert "no file" in refused(tmp_path / "pipe", "pipe")
    assert refused(Path("/dev/zero"), "zero") == "it is no file"


@pytest.mark.parametrize(
    "html",
    ["<div>" * 100_000 + "deep", "<p>" * 50_000, "<!-- " * 50_000, "<" * 50_000, "&amp" * 50_000],
)
def test_html_made_to_be_a_burden_is_read_or_refused(html: str) -> None:
    with contextlib.suppress(UnreadableSource):
        SourceReader().read(f"<html>{html}".encode(), None, "a.html")


def test_empty_html_has_no_text() -> None:
    with contextlib.suppress(UnreadableSource):
        assert SourceReader().read(b"", None, "a.html").text == ""


def test_mails_in_mails_in_mails_end_somewhere() -> None:
    mail = "From: a@x.org\nSubject: innermost\n\nsecret\n"
    for number in range(20):
        mail = f"From: a@x.org\nSubject: {number}\nContent-Type: message/rfc822\n\n{mail}"
    found = SourceReader().read(mail.encode(), None, "a.eml")
    assert found.text.count("Attached") <= 4
    assert "secret" not in found.text


def test_a_mail_of_too_many_parts_is_refused() -> None:
    head = "From: a@x.org\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
    assert "parts" in refused(head + "--b\n\nx\n" * 1_500, "a.eml")


def test_deeply_nested_parts_are_refused_or_read() -> None:
    mail = "From: a@x.org\nMIME-Version: 1.0\n"
    for number in range(2_000):
        mail += f"Content-Type: multipart/mixed; boundary=b{number}\n\n--b{number}\n"
    with contextlib.suppress(UnreadableSource):
        SourceReader().read(mail.encode(), None, "a.eml")


def test_text_without_a_sender_is_no_mail() -> None:
    assert "mail" in refused("just text", "a.eml")


KINDS = [
    None,
    "text/plain",
    "text/markdown",
    "text/html",
    "text/csv",
    "application/json",
    "application/x-ndjson",
    "message/rfc822",
    "application/zip",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
]


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.text(max_size=300).map(lambda t: t.encode("utf-8", "surrogatepass")),
    ),
    st.sampled_from(KINDS),
)
def test_any_bytes_are_read_or_refused(data: bytes, kind: str | None) -> None:
    try:
        found = SourceReader().read(data, kind, "any")
    except UnreadableSource:
        return
    assert "\x00" not in found.text
    assert "\r" not in found.text
    found.text.encode()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_documents_are_read_or_refused(data: st.DataObject) -> None:
    import docx

    made = io.BytesIO()
    docx.Document().save(made)
    damaged = bytearray(made.getvalue())
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(UnreadableSource):
        SourceReader().read(bytes(damaged), None, "a.docx")


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=20,
    )
)
def test_any_json_is_told(value: Any) -> None:
    SourceReader().read(json.dumps(value).encode(), None, "a.json")
    SourceReader().read(json.dumps(value).encode(), None, "conversations.json")

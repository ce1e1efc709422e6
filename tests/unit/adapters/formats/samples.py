"""Small sources of every format, made here."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from datetime import UTC, datetime
from typing import Any

import docx


def pdf(*pages: str, title: str | None = None, compress: bool = True, extra: bytes = b"") -> bytes:
    """A PDF with a line of Helvetica for every line of a page."""
    objects: list[bytes] = [b"<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode())
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for number, page in enumerate(pages):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * number} 0 R"
            " /Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        lines = [line.replace("\\", r"\\").replace("(", r"\(") for line in page.split("\n")]
        drawn = "\n".join(f"({line.replace(')', chr(92) + ')')}) Tj T*" for line in lines)
        content = f"BT /F1 12 Tf 14 TL 72 720 Td {drawn} ET".encode("latin-1") + extra
        how = b""
        if compress:
            content, how = zlib.compress(content), b" /Filter /FlateDecode"
        objects.append(b"<< /Length %d%s >>\nstream\n%s\nendstream" % (len(content), how, content))
    told = f"<< /Title ({title}) /Author (Ann) /CreationDate (D:20240501093000Z) >>"
    objects.append(told.encode() if title else b"<< >>")
    return _assembled(objects)


def _assembled(objects: list[bytes]) -> bytes:
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\n" % (len(objects) + 1, len(objects))
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % table)


def word() -> bytes:
    document = docx.Document()
    document.core_properties.title = "Plans"
    document.core_properties.author = "Ann"
    document.core_properties.modified = datetime(2024, 5, 1, 9, 30, tzinfo=UTC)
    document.add_heading("Roadmap", level=1)
    document.add_paragraph("The fourth quarter is about search.")
    document.add_heading("Risks", level=2)
    document.add_paragraph("Too few people", style="List Bullet")
    document.add_paragraph("Too little time", style="List Bullet")
    table = document.add_table(rows=2, cols=2)
    for at, text in enumerate(("Item", "Cost", "Server", "12 €")):
        table.cell(at // 2, at % 2).text = text
    document.add_paragraph("The end.")
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def archive(**entries: str | bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in entries.items():
            packed.writestr(name, content)
    return file.getvalue()


MAIL = b"""\
From: =?utf-8?q?Zo=C3=AB_Berg?= <zoe@example.org>\r
To: team@example.org\r
Subject: =?utf-8?b?UTQgcm9hZG1hcCDinJM=?=\r
Date: Wed, 01 May 2024 09:30:00 +0200\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=outer\r
\r
--outer\r
Content-Type: multipart/alternative; boundary=inner\r
\r
--inner\r
Content-Type: text/plain; charset=iso-8859-1\r
Content-Transfer-Encoding: quoted-printable\r
\r
The caf=E9 is booked.\r
--inner\r
Content-Type: text/html; charset=utf-8\r
\r
<p>The caf\xc3\xa9 is booked, in colour.</p>\r
--inner--\r
--outer\r
Content-Type: text/markdown\r
Content-Disposition: attachment; filename=notes.md\r
\r
Bring the notes.\r
--outer\r
Content-Type: image/png\r
Content-Disposition: attachment; filename=logo.png\r
Content-Transfer-Encoding: base64\r
\r
iVBORw0KGgo=\r
--outer--\r
"""

HTML = """<!DOCTYPE html>
<html><head><title>The  page</title><meta charset="utf-8">
<meta name="author" content="Ann"><meta property="article:published_time"
content="2024-05-01T09:30:00+02:00"><style>p { color: red }</style>
<script>alert("no")</script></head>
<body><h1>Caf\u00e9 &amp; bar</h1><p>One
 two <b>three</b>.</p><ul><li>first</li><li>second</li></ul>
<pre>  def f():
      return 1</pre><table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>
<h2>More</h2>tail<br>next</body></html>"""

WHATSAPP = """\
[01/05/2024, 09:30:11] Messages and calls are end-to-end encrypted.
[01/05/2024, 09:30:12] Ann: Shall we meet?
[01/05/2024, 09:31:00] Ben Smith: Yes,
at noon.
[02/05/2024, 10:00:00] Ann: # not a heading
"""

CHATGPT: list[dict[str, Any]] = [
    {
        "title": "Trip",
        "current_node": "c",
        "mapping": {
            "a": {"message": None, "parent": None},
            "b": {
                "message": {
                    "author": {"role": "user"},
                    "create_time": 1714548600.0,
                    "content": {"content_type": "text", "parts": ["Where to?"]},
                },
                "parent": "a",
            },
            "x": {
                "message": {"author": {"role": "assistant"}, "content": {"parts": ["Dropped."]}},
                "parent": "b",
            },
            "c": {
                "message": {
                    "author": {"role": "assistant"},
                    "create_time": 1714635000.0,
                    "content": {"parts": ["# Lisbon\n```sh\n# stays\n```", {"image": 1}]},
                },
                "parent": "b",
            },
        },
    }
]

CLAUDE: list[dict[str, Any]] = [
    {
        "name": "Bread",
        "chat_messages": [
            {
                "sender": "human",
                "text": "How long?",
                "created_at": "2024-05-01T09:30:00.000000Z",
                "content": [{"type": "text", "text": "How long?"}],
            },
            {"sender": "assistant", "text": "An hour.", "created_at": "2024-05-01T09:31:00Z"},
        ],
    },
    {"name": "Empty", "chat_messages": []},
    {"name": "Soup", "chat_messages": [{"sender": "human", "text": "Too salty?"}]},
]

SLACK_DAY: list[dict[str, Any]] = [
    {"type": "message", "user": "U1", "text": "Hi <@U2> &amp; all", "ts": "1714548600.000100"},
    {"type": "message", "user": "U2", "text": "<https://x.org|the page>", "ts": "1714548660.0"},
]


def slack() -> bytes:
    users = [{"id": "U1", "real_name": "Ann"}, {"id": "U2", "name": "ben"}]
    return archive(
        **{
            "users.json": json.dumps(users),
            "channels.json": "[]",
            "general/2024-05-01.json": json.dumps(SLACK_DAY),
        }
    )

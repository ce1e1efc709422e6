"""What is found in sources of every format."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from memoledger.adapters.formats import SourceReader
from memoledger.adapters.splitting.outline import is_code
from memoledger.model.document import Extracted
from memoledger.ports import Reader

MORNING = datetime(2024, 5, 1, 9, 30, tzinfo=UTC)


def read(source: bytes | str | Path, name: str | None = None, kind: str | None = None) -> Extracted:
    given = source.encode() if isinstance(source, str) else source
    return SourceReader().read(given, kind, name)


def test_it_is_a_reader() -> None:
    assert isinstance(SourceReader(), Reader)


@pytest.mark.parametrize(
    "data",
    [
        "naïve – 漢字".encode(),
        b"\xef\xbb\xbf" + "naïve – 漢字".encode(),
        "naïve – 漢字".encode("utf-16"),
        b"\xfe\xff" + "naïve – 漢字".encode("utf-16-be"),
        b"\xff\xfe\x00\x00" + "naïve – 漢字".encode("utf-32-le"),
    ],
)
def test_text_of_any_unicode_encoding_is_read(data: bytes) -> None:
    assert read(data, "a.txt") == Extracted("naïve – 漢字", source_type="text/plain")


def test_text_of_an_older_encoding_is_guessed() -> None:
    german = "Die Straße führt über die Brücke, und dahinter liegt ein schönes altes Gehöft. " * 5
    assert read(german.encode("cp1252"), "a.txt").text == german


def test_line_ends_are_line_feeds_and_nothing_is_left_that_cannot_be_stored() -> None:
    assert read(b"one\r\ntwo\rthree\n", "a.txt").text == "one\ntwo\nthree\n"
    assert read('["\\u0000a\\ud800"]', "a.json").text == "a\ufffd"


def test_markdown_knows_its_title() -> None:
    front = '---\ndate: 2024-05-01\ntitle: "The plan"\n---\n\n# Other\n'
    assert read(front, "a.md").title == "The plan"
    assert read("words\n\n#  Real   title #\n", "a.md").title == "Real title"
    assert read("no heading", "a.md") == Extracted(
        "no heading", media_type="text/markdown", source_type="text/markdown"
    )


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("a.py", "text/x-python"), ("b/C.JAVA", "text/x-java"), ("Makefile", "text/x-make")],
)
def test_source_code_is_known_by_its_name(name: str, media_type: str) -> None:
    found = read("x = 1\n", name)
    assert found == Extracted("x = 1\n", media_type=media_type, source_type=media_type)
    assert is_code(found.media_type)


def test_html_becomes_markdown(samples: Any) -> None:
    found = read(samples.HTML, "a.html")
    assert found.text == (
        "# Café & bar\n\nOne two three.\n\n- first\n- second\n\n```\n  def f():\n      return 1\n"
        "```\n\n| a | b\n| 1 | 2\n\n## More\n\ntail\nnext"
    )
    assert (found.title, found.author) == ("The page", {"name": "Ann"})
    assert found.occurred_at == datetime(2024, 5, 1, 9, 30, tzinfo=timezone(timedelta(hours=2)))
    assert read(samples.HTML).text == found.text, "by its first bytes"


def test_html_says_its_encoding() -> None:
    html = '<html><meta charset="windows-1251"><p>Привет, мир</p></html>'
    assert read(html.encode("cp1251"), "a.html").text == "Привет, мир"


def test_a_pdf_is_read_page_by_page(samples: Any) -> None:
    found = read(samples.pdf("First (page)\nof two", "Second", title="Report"), "a.pdf")
    assert found.text == "First (page)\nof two\n\fSecond"
    assert (found.title, found.author, found.occurred_at) == ("Report", {"name": "Ann"}, MORNING)
    assert (found.media_type, found.source_type) == ("text/plain", "application/pdf")
    assert read(samples.pdf("x", compress=False)).text == "x", "by its first bytes"


def test_a_pdf_is_read_from_its_file(samples: Any, tmp_path: Path) -> None:
    path = tmp_path / "wrongly named.txt"
    path.write_bytes(samples.pdf("From a file"))
    assert read(path).text == "From a file"


def test_docx_becomes_markdown(samples: Any) -> None:
    found = read(samples.word(), "a.docx")
    assert found.text == (
        "# Roadmap\n\nThe fourth quarter is about search.\n\n## Risks\n\n- Too few people\n"
        "- Too little time\n\n| Item | Cost |\n| Server | 12 € |\n\nThe end."
    )
    assert (found.title, found.author, found.occurred_at) == ("Plans", {"name": "Ann"}, MORNING)
    assert read(samples.word()).text == found.text, "by its first bytes"


def test_rows_of_csv_carry_the_names_of_their_columns() -> None:
    assert read('name,city\nAnn,"Bonn, Rhine"\nBen,\nCy,Rome,x\n', "a.csv").text == (
        "name: Ann\ncity: Bonn, Rhine\n\nname: Ben\n\nname: Cy\ncity: Rome\ncolumn 3: x"
    )
    assert read("a;b\n1;2\n", "a.csv").text == "a: 1\nb: 2"
    assert read("a\tb\n1\t2\n", "a.tsv").text == "a: 1\nb: 2"
    assert read("1,2\n3,4\n", "a.csv").text == "1 | 2\n\n3 | 4"


def test_json_is_told_path_by_path() -> None:
    value = {"a": {"b": [1, 2.5, None, "x"], "c": True}, "d": [{"e": "f"}], "g": None, "h": {}}
    text = "a.b: 1, 2.5, , x\na.c: true\nd.1.e: f"
    assert read(json.dumps(value), "a.json").text == text
    assert read(json.dumps([value, 7, "x"]), "a.json").text == f"{text}\n\n7\n\nx"
    assert read('{"a": 1}\n\n{"a": 2}\n', "a.jsonl").text == "a: 1\n\na: 2"


def test_mail_tells_who_and_when_and_what_is_attached(samples: Any) -> None:
    found = read(samples.MAIL, "a.eml")
    assert found.text == (
        "# Q4 roadmap ✓\n\nFrom: Zoë Berg <zoe@example.org>\nTo: team@example.org\n"
        "Date: Wed, 01 May 2024 09:30:00 +0200\n\nThe café is booked.\n\n"
        "# Attached: notes.md\n\nBring the notes.\n\n# Attached: logo.png"
    )
    assert found.title == "Q4 roadmap ✓"
    assert found.author == {"name": "Zoë Berg", "email": "zoe@example.org"}
    assert found.occurred_at == datetime(2024, 5, 1, 9, 30, tzinfo=timezone(timedelta(hours=2)))


def test_a_mail_in_a_mail_is_read() -> None:
    inner = "From: b@x.org\nSubject: Inner\n\nHello inside.\n"
    outer = (
        "From: a@x.org\nSubject: Outer\nMIME-Version: 1.0\nContent-Type: message/rfc822\n\n" + inner
    )
    text = read(outer, "a.eml").text
    assert text == (
        "# Outer\n\nFrom: a@x.org\n\n# Attached: attached.eml\n\n# Inner\n\nFrom: b@x.org\n\n"
        "Hello inside."
    )


def test_a_mail_of_html_alone_is_read() -> None:
    mail = "From: a@x.org\nContent-Type: text/html\n\n<h1>Big</h1><p>small</p>"
    assert read(mail, "a.eml").text == "From: a@x.org\n\n# Big\n\nsmall"


def test_a_chat_of_whatsapp_is_recognised(samples: Any) -> None:
    text = (
        "## 01/05/2024\n\n**Ann** (09:30:12): Shall we meet?\n\n"
        "**Ben Smith** (09:31:00): Yes,\nat noon.\n\n## 02/05/2024\n\n"
        "**Ann** (10:00:00): ### not a heading"
    )
    found = read(samples.WHATSAPP, "_chat.txt")
    assert (found.text, found.media_type) == (text, "text/markdown")
    dashes = samples.WHATSAPP.replace("[", "").replace("]", " -")
    assert read(dashes, "WhatsApp Chat.txt").text == text
    assert read(samples.archive(**{"_chat.txt": samples.WHATSAPP}), "chat.zip").text == text


def test_the_current_branch_of_a_chat_with_chatgpt_is_read(samples: Any) -> None:
    text = (
        "# Trip\n\n## 2024-05-01\n\n**user** (07:30): Where to?\n\n## 2024-05-02\n\n"
        "**assistant** (07:30): ### Lisbon\n```sh\n# stays\n```"
    )
    told = json.dumps(samples.CHATGPT)
    found = read(told, "conversations.json")
    assert (found.text, found.title) == (text, "Trip")
    assert found.occurred_at == datetime(2024, 5, 2, 7, 30, tzinfo=UTC)
    packed = samples.archive(**{"x/conversations.json": told, "chat.html": "<p>"})
    assert read(packed, "export.zip").text == text


def test_chats_with_claude_are_read(samples: Any) -> None:
    assert read(json.dumps(samples.CLAUDE), "conversations.json").text == (
        "# Bread\n\n## 2024-05-01\n\n**human** (09:30): How long?\n\n**assistant** (09:31): "
        "An hour.\n\n# Soup\n\n**human**: Too salty?"
    )


def test_an_archive_of_slack_is_read_with_the_names_of_people(samples: Any) -> None:
    assert read(samples.slack(), "export.zip").text == (
        "# #general\n\n## 2024-05-01\n\n**Ann** (07:30): Hi @ben & all\n\n**ben** (07:31): the page"
    )
    assert "**U1**" in read(json.dumps(samples.SLACK_DAY), "2024-05-01.json").text


def test_what_somebody_says_it_is_counts() -> None:
    assert read("# a", "x.bin", "text/markdown").media_type == "text/markdown"
    assert read("a,b\n1,2", None, "TEXT/CSV; charset=utf-8").text == "a: 1\nb: 2"
    assert read("plain", None, "application/octet-stream").media_type == "text/plain"
    assert read("name: x", "a.yaml").media_type == "text/x-yaml"

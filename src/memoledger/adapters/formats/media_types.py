"""What a source is: by what somebody says, by its name, by its first bytes."""

from __future__ import annotations

from pathlib import PurePath
from typing import Final

from memoledger.adapters.formats.source import Source

PDF: Final = "application/pdf"
DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
ZIP: Final = "application/zip"
HTML: Final = "text/html"
MARKDOWN: Final = "text/markdown"
CSV: Final = "text/csv"
JSON: Final = "application/json"
JSON_LINES: Final = "application/x-ndjson"
MAIL: Final = "message/rfc822"
PLAIN: Final = "text/plain"

_SAME: Final = {
    "application/xhtml+xml": HTML,
    "text/x-markdown": MARKDOWN,
    "text/tab-separated-values": CSV,
    "application/csv": CSV,
    "text/json": JSON,
    "application/jsonl": JSON_LINES,
    "application/jsonlines": JSON_LINES,
    "application/x-jsonlines": JSON_LINES,
    "application/x-zip-compressed": ZIP,
}
"""Other names of what is known."""

_SAYS_NOTHING: Final = frozenset({"application/octet-stream", "binary/octet-stream"})

_BY_SUFFIX: Final = {
    **dict.fromkeys((".txt", ".text", ".log", ".rst", ".adoc", ".org", ".tex"), PLAIN),
    **dict.fromkeys((".md", ".markdown", ".mdown", ".mdx", ".mkd"), MARKDOWN),
    **dict.fromkeys((".html", ".htm", ".xhtml"), HTML),
    **dict.fromkeys((".csv", ".tsv"), CSV),
    **dict.fromkeys((".jsonl", ".ndjson"), JSON_LINES),
    ".json": JSON,
    ".pdf": PDF,
    ".docx": DOCX,
    ".eml": MAIL,
    ".zip": ZIP,
}

_CODE: Final = {
    "python": "py pyi pyw pyx",
    "javascript": "js jsx mjs cjs",
    "typescript": "ts tsx mts cts",
    "c": "c h",
    "c++": "cc cpp cxx hh hpp hxx",
    "csharp": "cs",
    "go": "go",
    "rust": "rs",
    "java": "java",
    "kotlin": "kt kts",
    "scala": "scala",
    "swift": "swift",
    "ruby": "rb",
    "php": "php",
    "perl": "pl pm",
    "lua": "lua",
    "r": "r",
    "julia": "jl",
    "haskell": "hs",
    "elixir": "ex exs",
    "erlang": "erl",
    "clojure": "clj cljs",
    "ocaml": "ml mli",
    "dart": "dart",
    "zig": "zig",
    "shell": "sh bash zsh fish",
    "powershell": "ps1",
    "sql": "sql",
    "css": "css scss less",
    "toml": "toml",
    "yaml": "yaml yml",
    "ini": "ini cfg conf properties env",
    "xml": "xml xsd xsl svg",
    "protobuf": "proto",
    "graphql": "graphql gql",
    "terraform": "tf",
    "cmake": "cmake",
    "make": "mk",
    "diff": "diff patch",
    "vue": "vue svelte",
}
_CODE_BY_SUFFIX: Final = {
    f".{suffix}": f"text/x-{language}"
    for language, suffixes in _CODE.items()
    for suffix in suffixes.split()
}
_BY_NAME: Final = {
    "makefile": "text/x-make",
    "dockerfile": "text/x-dockerfile",
    "readme": PLAIN,
    "license": PLAIN,
    "changelog": PLAIN,
}


def media_type_of(source: Source, said: str | None) -> str | None:
    """The media type of a source; None if neither its name nor its bytes tell.

    Args:
        said: what somebody said about it, which counts unless it says nothing.
    """
    told = (said or "").partition(";")[0].strip().lower()
    told = _SAME.get(told, told)
    by_bytes = _by_bytes(source.data)
    if told and told not in _SAYS_NOTHING and not (told == PLAIN and by_bytes):
        return told
    path = PurePath(source.name.replace("\\", "/"))
    by_name = (
        _BY_SUFFIX.get(path.suffix.lower())
        or _CODE_BY_SUFFIX.get(path.suffix.lower())
        or _BY_NAME.get(path.name.lower())
    )
    # Bytes that are no text beat a name that says they are.
    return by_bytes if by_bytes in {PDF, ZIP} and by_name != DOCX else by_name or by_bytes


def _by_bytes(data: bytes) -> str | None:
    head = data[:1_024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if b"%PDF-" in data[:1_024]:
        return PDF
    if head.startswith(b"PK\x03\x04"):
        return ZIP
    lowered = head[:200].lower()
    if lowered.startswith((b"<!doctype html", b"<html")):
        return HTML
    return None

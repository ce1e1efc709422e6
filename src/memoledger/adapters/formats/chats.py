"""Exports of chats as Markdown: a heading for each conversation and day, a paragraph for each turn.

Known are exports of ChatGPT and of Claude (`conversations.json`, alone or in their archive), of
Slack (the archive, or the file of one day), and of WhatsApp (the text, or the archive with it).
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from memoledger.adapters.formats.archive import entry
from memoledger.adapters.formats.plain_text import decoded, short_title
from memoledger.adapters.formats.records import JSON_BYTES_MAX, parsed
from memoledger.adapters.formats.source import TEXT_BYTES_MAX, Source
from memoledger.model.document import Extracted

_STEPS_MAX: Final = 100_000
"""Turns followed back from a conversation's end; its links could go round in a circle."""

_HEADING = re.compile(r"#{1,4}(?=\s)")
_FENCE = re.compile(r"\s*(```|~~~)")
_SLACK_DAY = re.compile(r"(?:.*/)?([^/]+)/\d{4}-\d{2}-\d{2}\.json$")
_SLACK_MENTION = re.compile(r"<@([A-Z0-9]+)(?:\|[^>]*)?>")
_SLACK_LINK = re.compile(r"<(https?://[^|>]+)(?:\|([^>]*))?>")
_WHATSAPP = re.compile(
    r"[\u200e\u200f]?\[?(\d{1,4}[./-]\d{1,2}[./-]\d{1,4}),?[ \u202f]+"
    r"(\d{1,2}[:.]\d{2}(?:[:.]\d{2})?(?:[ \u202f]?[AaPp]\.?[Mm]\.?)?)\]?(?: -)? ([^:\n]{1,80}): "
    r"(.*)"
)
_WHATSAPP_BEGINS_WITHIN: Final = 20
_WHATSAPP_LEAST: Final = 2


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation; its moment as an instant, or else as it is written."""

    speaker: str
    text: str
    at: datetime | None = None
    day: str = ""
    time: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What was said under one title."""

    title: str | None
    turns: list[Turn] = field(default_factory=list)


def rendered(conversations: Iterable[Conversation]) -> Extracted:
    """Conversations as a document; its time is that of the last turn."""
    kept = [talk for talk in conversations if talk.turns]
    blocks = [block for talk in kept for block in _blocks(talk)]
    moments = [turn.at for talk in kept for turn in talk.turns if turn.at is not None]
    title = kept[0].title if len(kept) == 1 else None
    return Extracted(
        "\n\n".join(blocks),
        title=short_title(title),
        occurred_at=max(moments, default=None),
        media_type="text/markdown",
    )


def _blocks(talk: Conversation) -> Iterator[str]:
    title = short_title(talk.title)
    if title:
        yield f"# {title}"
    before = ""
    for turn in talk.turns:
        day = f"{turn.at:%Y-%m-%d}" if turn.at else turn.day
        time = f"{turn.at:%H:%M}" if turn.at else turn.time
        if day and day != before:
            yield f"## {day}"
            before = day
        moment = f" ({time})" if time else ""
        yield f"**{short_title(turn.speaker) or 'unknown'}**{moment}: {_below(turn.text)}"


def _below(text: str) -> str:
    """What was said, its headings two levels deeper than those of conversations and days."""
    fenced = False
    lines: list[str] = []
    for line in text.strip().split("\n"):
        fenced ^= _FENCE.match(line) is not None
        lines.append(line if fenced else _HEADING.sub(lambda found: "##" + found[0], line, count=1))
    return "\n".join(lines)


def of_json(value: object) -> list[Conversation] | None:
    """The conversations in a value of JSON; None if it is no export that is known."""
    given = value if isinstance(value, list) else [value]
    items: list[dict[str, Any]] = [item for item in given if isinstance(item, dict)]
    if not items or len(items) < len(given):
        return None
    if all(isinstance(item.get("mapping"), dict) for item in items):
        return [_of_chatgpt(item) for item in items]
    if all(isinstance(item.get("chat_messages"), list) for item in items):
        return [_of_claude(item) for item in items]
    if all(_is_slack(item) for item in items):
        return [Conversation(None, list(_of_slack(items, {})))]
    return None


def _of_chatgpt(talk: Mapping[str, Any]) -> Conversation:
    """The branch that was current when it was exported."""
    nodes = talk["mapping"]
    at = talk.get("current_node")
    turns: list[Turn] = []
    for _ in range(_STEPS_MAX):
        node = nodes.get(at) if isinstance(at, str) else None
        if not isinstance(node, dict):
            break
        turns += _chatgpt_turn(node.get("message"))
        at = node.get("parent")
    turns.reverse()
    return Conversation(_string(talk.get("title")), turns)


def _chatgpt_turn(message: object) -> Iterator[Turn]:
    if not isinstance(message, dict):
        return
    content, author = message.get("content"), message.get("author")
    parts = content.get("parts") if isinstance(content, dict) else None
    role = author.get("role") if isinstance(author, dict) else None
    text = "\n".join(part for part in parts or () if isinstance(part, str)).strip()
    if text and role in {"user", "assistant"}:
        yield Turn(str(role), text, _epoch(message.get("create_time")))


def _of_claude(talk: Mapping[str, Any]) -> Conversation:
    turns: list[Turn] = []
    for message in talk["chat_messages"]:
        if not isinstance(message, dict):
            continue
        blocks = message.get("content")
        texts = [
            block["text"]
            for block in (blocks if isinstance(blocks, list) else ())
            if isinstance(block, dict) and isinstance(block.get("text"), str)
        ]
        text = "\n\n".join(texts).strip() or (_string(message.get("text")) or "")
        if text.strip():
            speaker = _string(message.get("sender")) or "unknown"
            turns.append(Turn(speaker, text, _iso(message.get("created_at"))))
    return Conversation(_string(talk.get("name")), turns)


def of_archive(source: Source, archive: zipfile.ZipFile) -> list[Conversation] | None:
    """The conversations in an archive; None if it is no export that is known."""
    names = archive.namelist()
    for name in names:
        if name.rsplit("/", 1)[-1] == "conversations.json":
            return of_json(_json_in(source, archive, name))
    chats = [name for name in names if name.endswith(".txt") and "chat" in name.lower()]
    if len(chats) == 1:
        inner = Source(source.name, entry(source, archive, chats[0], TEXT_BYTES_MAX))
        return of_whatsapp(decoded(inner))
    if any(name.rsplit("/", 1)[-1] == "users.json" for name in names):
        return _slack_channels(source, archive, sorted(names))
    return None


def _json_in(source: Source, archive: zipfile.ZipFile, name: str) -> object:
    data = entry(source, archive, name, JSON_BYTES_MAX)
    return parsed(Source(source.name, data))


def _slack_channels(
    source: Source, archive: zipfile.ZipFile, names: list[str]
) -> list[Conversation]:
    users: dict[str, str] = {}
    channels: dict[str, Conversation] = {}
    for name in names:
        if name.rsplit("/", 1)[-1] == "users.json":
            users = _slack_users(_json_in(source, archive, name))
    for name in names:
        if found := _SLACK_DAY.match(name):
            talk = channels.setdefault(found[1], Conversation(f"#{found[1]}"))
            day = _json_in(source, archive, name)
            messages = [m for m in day if _is_slack(m)] if isinstance(day, list) else []
            talk.turns.extend(_of_slack(messages, users))
    return list(channels.values())


def _slack_users(told: object) -> dict[str, str]:
    users = [user for user in told if isinstance(user, dict)] if isinstance(told, list) else []
    return {
        str(user.get("id")): str(user.get("real_name") or user.get("name") or user.get("id"))
        for user in users
    }


def _is_slack(message: object) -> bool:
    return (
        isinstance(message, dict)
        and message.get("type") == "message"
        and isinstance(message.get("text"), str)
        and isinstance(message.get("ts"), str)
    )


def _of_slack(messages: Iterable[Mapping[str, Any]], users: Mapping[str, str]) -> Iterator[Turn]:
    for message in messages:
        if message["text"].strip():
            user = str(message.get("user") or message.get("username") or "unknown")
            profile = message.get("user_profile")
            named = profile.get("real_name") if isinstance(profile, dict) else None
            text = _slack_text(message["text"], users)
            yield Turn(users.get(user) or str(named or user), text, _epoch(message["ts"]))


def _slack_text(text: str, users: Mapping[str, str]) -> str:
    text = _SLACK_MENTION.sub(lambda found: "@" + users.get(found[1], found[1]), text)
    text = _SLACK_LINK.sub(lambda found: found[2] or found[1], text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def of_whatsapp(text: str) -> list[Conversation] | None:
    """The conversation in a text as WhatsApp exports it; None if it is none.

    Its days are left as they are written: whether the day or the month comes first depends on the
    phone it came from, and it says no time zone.
    """
    found: list[tuple[re.Match[str], list[str]]] = []
    for number, line in enumerate(text.split("\n")):
        if head := _WHATSAPP.match(line):
            found.append((head, [head[4]]))
        elif found:
            found[-1][1].append(line)
        elif number > _WHATSAPP_BEGINS_WITHIN:
            return None
    if len(found) < _WHATSAPP_LEAST:
        return None
    turns = [Turn(head[3], "\n".join(lines), day=head[1], time=head[2]) for head, lines in found]
    return [Conversation(None, turns)]


def _string(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _epoch(value: object) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(str(value)), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _iso(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None

"""The service as a process: it starts, ends in order, is killed, and is treated badly."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

PATIENCE_S = 60


def store_of(client: httpx.Client, name: str) -> str:
    made = client.post("/v1/stores", json={"name": name})
    assert made.is_success, made.text
    return f"/v1/stores/{made.json()['id']}"


class Bulk:
    """A bulk write over a socket of its own, whose answer is read while it is being sent.

    Args:
        most: lines that are sent at most; then the body ends.
    """

    def __init__(self, served: Any, path: str, prefix: str, most: int = 1_000_000) -> None:
        self.prefix, self._most = prefix, most
        self.lines: list[dict[str, Any]] = []
        self._socket = served.raw()
        head = (
            f"POST {path}/memories/bulk?batchSize=20 HTTP/1.1\r\nhost: 127.0.0.1\r\n"
            "content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        self._socket.sendall(head.encode())
        self._threads = [threading.Thread(target=act) for act in (self._send, self._read)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        try:
            for number in range(self._most):
                line = json.dumps(body_of(self.prefix, number)).encode() + b"\n"
                self._socket.sendall(b"%x\r\n%s\r\n" % (len(line), line))
            self._socket.sendall(b"0\r\n\r\n")
        except OSError:
            pass  # The service ended, which is what the test is about.

    def _read(self) -> None:
        try:
            with self._socket.makefile("rb") as answer:
                for line in answer:
                    if line.startswith(b"{"):
                        self.lines.append(json.loads(line))
        except (OSError, ValueError):
            pass

    def wait(self) -> None:
        for thread in reversed(self._threads):
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        self._socket.close()

    @property
    def acknowledged(self) -> dict[str, int]:
        """External id -> version, of the lines whose outcome came."""
        return {
            f"{self.prefix}-{line['position'] - 1}": line["version"]
            for line in self.lines
            if line.get("version")
        }


def body_of(prefix: str, number: int) -> dict[str, object]:
    return {"content": f"{prefix} number {number}", "externalId": f"{prefix}-{number}"}


def exported(client: httpx.Client, path: str) -> list[dict[str, Any]]:
    with client.stream("GET", f"{path}/export") as answer:
        return [json.loads(line) for line in answer.iter_lines()]


def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_it_serves_and_ends(serve: Any) -> None:
    served = serve()
    with served.client() as client:
        path = store_of(client, "notes")
        assert client.post(f"{path}/memories", json={"content": "kept"}).status_code == 201
        found = client.post(f"{path}/recall", json={"query": "kept"}).json()
        receipt = found["receiptId"]
    assert served.end() == 0
    # The receipt of the last moment was written before the ledger was closed.
    with serve().client() as client:
        assert client.get(f"/v1/receipts/{receipt}").status_code == 200


def test_a_bulk_stream_ends_with_the_batch_in_hand(serve: Any) -> None:
    served = serve()
    with served.client() as client:
        path = store_of(client, "ending")
    bulk = Bulk(served, path, "ending")
    until(lambda: len(bulk.acknowledged) >= 40)
    assert served.end() == 0
    bulk.wait()
    assert bulk.lines[-1]["problem"]["code"] == "shutting-down"
    with serve().client() as client:
        kept = {one["external_id"] for one in exported(client, path)}
    assert kept == set(bulk.acknowledged)


def test_an_export_is_finished(serve: Any) -> None:
    served = serve()
    # What is not embedded makes an answer long in no time.
    filler = {"filler": "word " * 4_000}
    with served.client() as client:
        path = store_of(client, "export")
        drafts = [{"content": f"number {number}", "metadata": filler} for number in range(600)]
        lines = "".join(json.dumps(draft) + "\n" for draft in drafts)
        kind = {"content-type": "application/x-ndjson"}
        client.post(f"{path}/memories/bulk", content=lines.encode(), headers=kind)
        with client.stream("GET", f"{path}/export", headers={"accept-encoding": "identity"}) as one:
            incoming = one.iter_lines()
            first = next(incoming)
            served.process.terminate()
            assert len([first, *incoming]) == 600
    assert served.process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_in_the_middle_of_bulk_streams_it_keeps_what_it_acknowledged(
    serve: Any, kills: int
) -> None:
    acknowledged: dict[str, int] = {}
    names = itertools.count()
    for kill in range(kills):
        served = serve()
        with served.client() as client:
            path = store_of(client, "killed")
        streams = [Bulk(served, path, f"stream{next(names)}") for _ in range(2)]
        until(
            lambda streams=streams, kill=kill: all(  # type: ignore[misc]
                len(one.acknowledged) >= 20 * (1 + kill % 3) for one in streams
            )
        )
        served.kill()
        for one in streams:
            one.wait()
            acknowledged |= one.acknowledged
    served = serve()
    with served.client() as client:
        kept = [one["external_id"] for one in exported(client, path)]
        assert set(acknowledged) <= set(kept)
        assert len(set(kept)) == len(kept)
        # Sent again, what is there is found, and nothing is there twice.
        lines = "".join(json.dumps(body_of(*_parts(one))) + "\n" for one in sorted(acknowledged))
        kind = {"content-type": "application/x-ndjson"}
        again = client.post(f"{path}/memories/bulk", content=lines.encode(), headers=kind)
        outcomes = {json.loads(line)["outcome"] for line in again.text.splitlines()}
        assert outcomes == {"unchanged"}
        assert len(exported(client, path)) == len(kept)


def _parts(external_id: str) -> tuple[str, int]:
    prefix, _, number = external_id.rpartition("-")
    return prefix, int(number)


def test_killed_in_the_middle_of_keyed_writes_a_replay_makes_no_double(serve: Any) -> None:
    served = serve()
    with served.client() as client:
        path = store_of(client, "keyed")
    done: list[int] = []

    def write(client: httpx.Client, number: int) -> httpx.Response:
        body = {"content": f"keyed number {number}"}
        key = {"idempotency-key": f"key-{number}"}
        return client.post(f"{path}/memories", json=body, headers=key)

    def write_on() -> None:
        try:
            with served.client() as client:
                for number in range(100_000):
                    assert write(client, number).status_code == 201
                    done.append(number)
        except httpx.HTTPError:
            pass

    writer = threading.Thread(target=write_on)
    writer.start()
    until(lambda: len(done) >= 20)
    served.kill()
    writer.join(PATIENCE_S)
    with serve().client() as client:
        for number in done:
            again = write(client, number)
            assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
        # The one in hand may be claimed still; then the service says for how long.
        last = write(client, len(done))
        assert last.status_code in (200, 201) or (
            last.status_code == 409 and int(last.headers["retry-after"]) > 0
        )
        contents = [one["content"] for one in exported(client, path)]
    assert len(contents) == len(set(contents))
    assert {f"keyed number {number}" for number in done} <= set(contents)


BAD = {
    "no http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "another protocol": b"EHLO example.com\r\n\r\n",
    "no host": b"GET / HTTP/9.9\r\n\r\n",
    "a bad length": b"POST /v1/stores HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    "two lengths": b"POST /v1/stores HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 3\r\n"
    b"content-length: 4\r\n\r\n{}{",
    "length and chunks": b"POST /v1/stores HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 3\r\n"
    b"transfer-encoding: chunked\r\n\r\n{}{",
    "bad chunks": b"POST /v1/stores HTTP/1.1\r\nhost: 127.0.0.1\r\n"
    b"transfer-encoding: chunked\r\n\r\nzz\r\n",
    "a truncated body": b"POST /v1/stores HTTP/1.1\r\nhost: 127.0.0.1\r\n"
    b"content-type: application/json\r\ncontent-length: 100\r\n\r\n{",
    "a bad path": b"GET /\xff\xfe HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
    "a bad escape": b"GET /v1/stores/%zz%00 HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
    "a websocket": b"GET /v1/me HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\n"
    b"upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: eA==\r\n\r\n",
    "a long head": b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n" + b"x: y\r\n" * 50_000,
    "a long path": b"GET /" + b"x" * 300_000,
}


def answered(served: Any, *pieces: bytes, hold_on: bool = False) -> bytes:
    """What comes back until the service closes the connection.

    Args:
        hold_on: leave the sending side open, as a client does that has more to send.
    """
    with served.raw() as connection:
        connection.settimeout(PATIENCE_S)
        try:
            for piece in pieces:
                connection.sendall(piece)
            if not hold_on:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return b"".join(_received(connection))


def _received(connection: socket.socket) -> Iterator[bytes]:
    try:
        while piece := connection.recv(65_536):
            yield piece
    except ConnectionResetError:
        return


def test_bad_requests_do_no_harm(serve: Any) -> None:
    served = serve(http_body_timeout_s=1)
    for name, sent in BAD.items():
        answer = answered(served, sent)
        assert b" 500 " not in answer[:20], name
    with served.client() as client:
        assert client.get("/health/ready").json() == {"status": "ok"}


def test_slow_clients_are_let_go(serve: Any) -> None:
    served = serve(http_body_timeout_s=1)
    head = b"POST /v1/stores HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    with served.raw() as silent, served.raw() as half_a_head, served.raw() as half_a_body:
        half_a_head.sendall(head)
        half_a_body.sendall(head + b"content-length: 50\r\n\r\n{")
        for connection in (silent, half_a_head, half_a_body):
            connection.settimeout(PATIENCE_S)
        assert b"".join(_received(silent)) == b""
        assert b"".join(_received(half_a_head)) == b""
        assert b"".join(_received(half_a_body)).startswith(b"HTTP/1.1 408 ")


def test_who_does_not_read_the_answer_costs_little(serve: Any) -> None:
    served = serve(http_body_timeout_s=2)
    with served.client() as client:
        path = store_of(client, "unread")
        before = psutil.Process(served.process.pid).memory_info().rss
        lines = b"".join(b'{"content": ""}\n' for _ in range(60_000))
        kind = {"content-type": "application/x-ndjson"}
        # httpx sends all of it before it reads a line of the answer, which is larger.
        answer = client.post(f"{path}/memories/bulk", content=lines, headers=kind)
        assert len(answer.text.splitlines()) == 60_000
        after = psutil.Process(served.process.pid).memory_info().rss
    assert after - before < 100_000_000


def test_a_huge_body_is_cut_off(serve: Any) -> None:
    served = serve()
    before = psutil.Process(served.process.pid).memory_info().rss
    head = b"POST /v1/stores HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    answer = answered(served, head + b"transfer-encoding: chunked\r\n\r\n", *[chunk] * 200)
    assert answer.startswith(b"HTTP/1.1 413 ") or answer == b""  # or it was reset while sending
    declared = answered(served, head + b"content-length: 99999999999\r\n\r\n", hold_on=True)
    assert declared.startswith(b"HTTP/1.1 413 ")
    assert psutil.Process(served.process.pid).memory_info().rss - before < 50_000_000


def run_serve(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "memoledger", "serve", "--json", *options],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_it_says_why_it_cannot_start(tmp_path: Path) -> None:
    place = ("--data-dir", str(tmp_path / "ledger"))
    open_to_all = run_serve(*place, "--development", "--host", "0.0.0.0")
    assert open_to_all.returncode == 2
    assert "--development" in json.loads(open_to_all.stderr.splitlines()[-1])["remedy"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = run_serve(*place, "--development", "--port", port)
    assert refused.returncode == 2
    assert "in use" in json.loads(refused.stderr.splitlines()[-1])["message"]
    assert not (tmp_path / "ledger").exists()

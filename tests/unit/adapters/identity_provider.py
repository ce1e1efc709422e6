"""An identity provider on loopback, its keys, and what it signs; it misbehaves as it is told."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from memoledger.model.claims import ClaimRules

SECRET = "a shared secret that is long enough for every one of the algorithms"
RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
P256 = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
RULES = ClaimRules("acme", None)


def public(key: Any, kid: str | None, **members: Any) -> dict[str, Any]:
    """A public key as a provider publishes it."""
    kinds = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
    for kind, algorithm in kinds.items():
        try:
            made = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
        except (TypeError, AttributeError, jwt.PyJWTError):
            continue
        if made["kty"] == kind:
            return {**made, **({} if kid is None else {"kid": kid}), **members}
    raise AssertionError(key)


class Provider:
    """A web server on loopback with discovery and keys, as it is told."""

    def __init__(self) -> None:
        self.keys: list[Any] = [public(RSA, "rsa"), public(P256, "ec"), public(ED, "ed")]
        self.asked: list[str] = []
        self.status = 200
        self.body: bytes | None = None
        self.discovered: dict[str, Any] = {}
        self.location = ""
        self.hangs = False

    async def start(self) -> Provider:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.issuer = f"http://127.0.0.1:{port}"
        self.jwks_url = f"{self.issuer}/keys"
        return self

    async def stop(self) -> None:
        self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ")[1].decode()
            self.asked.append(path)
            if self.hangs:
                await asyncio.sleep(60)
            document: dict[str, Any] = {"keys": self.keys}
            if path.endswith("openid-configuration"):
                document = {"issuer": self.issuer, "jwks_uri": self.jwks_url, **self.discovered}
            body = json.dumps(document).encode() if self.body is None else self.body
            location = f"Location: {self.location}\r\n" if self.location else ""
            writer.write(
                f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(body)}\r\n{location}"
                "Connection: close\r\n\r\n".encode()
                + body
            )
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


class Clock:
    """Seconds of a clock that the test sets."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)

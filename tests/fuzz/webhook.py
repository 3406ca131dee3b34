"""What must hold of whatever is sent to the webhook, from bytes to what would be kept: for a fuzzer, and for its seeds.

The first line of the bytes is the URL's query, the rest the body. Since nobody guesses a signature, some bytes stand
for tokens, whole and in pieces.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from typing import TYPE_CHECKING

from runledger.domain.deliveries import Delivery, NotADeliveryError, Trimmed, parse_delivery
from runledger.domain.outcomes import outcome_of
from runledger.domain.tokens import Grant, KeyRing, TokenRefusedError, UnknownKeyError, in_query, sign, verify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAUNCH, NOW = "6f1c7c0e-3c4b-4a53-9a57-0d3f8f1f6a10", 1_795_327_172.5
SHARED = "shared_key-0123456789-0123456789"
RING = KeyRing("k0", {"k0": b"o" * 64, "k1795000000": b"n" * 64}, {"shared-crons": SHARED.encode()})
GOOD = sign(RING, LAUNCH, int(NOW) + 60, NOW)
OLD = sign(RING, LAUNCH, int(NOW) - 1, NOW)
FOREIGN = sign(KeyRing("k9", {"k9": b"f" * 64}, {}), LAUNCH, int(NOW) + 60, NOW)
TOKENS = (GOOD, OLD, FOREIGN, SHARED)
STANDS_FOR = {
    **{bytes([1 + index]): token for index, token in enumerate(TOKENS)},
    b"\x05": "".join(f"%{byte:02X}" for byte in GOOD.encode()),
    b"\x06": GOOD[:50],
    b"\x07": GOOD[50:],
    b"\x0e": SHARED[:9],
    b"\x0f": SHARED[9:],
}
GZIP = b"\x1f\x8b"
_REASONS = {"missing", "several", "malformed", "forged", "expired"}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def check(data: bytes) -> None:
    """Do with the bytes what the webhook does before it writes; an AssertionError or any other exception is a fault."""
    query, _, body = data.partition(b"\n")
    try:
        token, spelt = in_query(_filled(query).decode("latin-1"))
    except TokenRefusedError as refusal:
        _hold(refusal.reason in {"missing", "several"})
        return
    grants = [grant for accepts in (False, True) if (grant := _granted(token, accept_shared=accepts))]
    if grants:
        _check_kept(_filled(body), token, spelt)


def seeds(payloads: Path) -> Iterator[bytes]:
    """Yield LangGraph's own deliveries, as they come with each kind of token, and some that nobody should send."""
    for path in sorted(payloads.glob("*.json")):
        sent = re.sub(rb"(?<=token=)[^\"&]*", b"\x01", path.read_bytes())
        yield b"token=\x01\n" + sent
        yield b"a=b&token=\x05&c\n" + sent.replace(b"\x01", b"\x05")
        yield b"token=\x04\n" + sent.replace(b"\x01", b"\x04")
    least = f'{{"run_id": "{LAUNCH}", "status": "error"'.encode()
    yield b"token=\x01\n" + least + b', "error": {"message": "\x01"}, "metadata": {"launch_id": "\x05"}}'
    yield b"token=\x04\n" + least + b', "values": "\x04\x0e", "thread_id": "\\ud800", "created_at": "2026-01-01"}'
    yield b"token=\x01\n" + least + b', "values": "\x06\x06\x01\x07\x07"}'
    yield b"token=\x05\n" + least + b', "values": "\x06\x05\x07"}'
    yield b"token=\x04\n" + least + b', "values": "\x0e\x04\x0f"}'
    for query in (
        b"",
        b"token=",
        b"token=\x02",
        b"token=\x03",
        b"token=\x01&token=\x01",
        b"%74oken=\x06\x07",
        b"token=\x01A",
    ):
        yield query + b"\n{}"
    for body in (
        b"",
        b"[]",
        b'{"run_id": 1}',
        b'{"values": NaN}',
        b'{"values": "\xff"}',
        b"[" * 9999,
        b'{"a": 1e999, "b": -0.0}',
        b"\xef\xbb\xbf" + least + b"}",
        (least + b"}").decode().encode("utf-16"),
        gzip.compress(least + b"}", mtime=0),
    ):
        yield b"token=\x01\n" + body


def _granted(token: str, *, accept_shared: bool) -> Grant | None:
    """Verify a token: it is accepted where the ring signed it and it has not expired, or where it is a shared key."""
    try:
        grant = verify(token, RING, NOW, accept_shared=accept_shared)
    except TokenRefusedError as refusal:
        _hold(refusal.reason in _REASONS)
        _hold(refusal.launch_id == (LAUNCH if token == OLD else None))
        grant = None
    except UnknownKeyError:
        grant = None
    if token == GOOD:
        assert grant == Grant(LAUNCH)
    else:
        assert grant == (Grant(None) if accept_shared and token == SHARED else None)
    return grant


def _check_kept(body: bytes, token: str, spelt: str) -> None:
    try:
        read = parse_delivery(body, token, spelt)
    except NotADeliveryError:
        _hold(not _is_object(body))  # else it is refused, and nothing is proven bad
        return
    if isinstance(read, Trimmed):
        if body.startswith(GZIP):
            return  # cut off, or no gzip; tests/unit/test_body_text.py
        assert read.run_id is None or _UUID.fullmatch(read.run_id)
        _hold(not _is_readable(body, token, spelt))  # else a result is thrown away
        return
    kept = read.payload.text
    assert kept == _less(_text(body), token, spelt), "not what was received"
    assert token not in kept
    assert spelt not in kept
    assert read.payload.size == len(kept.encode())
    assert read.payload.sha256 == hashlib.sha256(kept.encode()).hexdigest()
    _check_names(read, json.loads(kept, parse_int=str))


def _check_names(read: Delivery, sent: dict[str, object]) -> None:
    """What is kept beside the payload is what stands in it, short enough for an index, and text that DynamoDB takes."""
    assert _UUID.fullmatch(read.run_id)
    assert read.run_id == str(sent["run_id"]).lower()
    assert read.status == sent["status"]
    kwargs = sent.get("kwargs")
    temporary = isinstance(kwargs, dict) and kwargs.get("temporary") is True
    assert read.outcome == outcome_of(read.status, temporary=temporary)
    for name in (read.status, read.thread_id, read.assistant_id, *(read.error or {}).values(), read.metadata or "-"):
        assert name is None or name.encode()
    for name in (read.thread_id, read.assistant_id):
        assert name is None or len(name) <= 256


def _hold(what: bool) -> None:  # noqa: FBT001 - as `assert` takes it
    assert what


def _is_object(body: bytes) -> bool:
    """Whether it is a JSON object, as Python reads JSON: NaN, which JSON doesn't have, proves nothing."""
    try:
        text = _text(body)
        return isinstance(json.loads(text, parse_int=str), dict)
    except RecursionError:  # too deep for Python to say; what begins and ends otherwise is none
        text = text.strip(" \t\n\r")
        return text[:1] == "{" and text[-1:] == "}"
    except ValueError:
        return False


def _text(body: bytes) -> str:
    plain = gzip.decompress(body) if body.startswith(GZIP) else body
    return plain.decode(json.detect_encoding(plain))


def _is_readable(body: bytes, *spellings: str) -> bool:
    """Whether it says which run it is about and how that ended, so that nobody need ask LangGraph."""
    text = _text(body)
    for _ in range(5):  # a token in more pieces of pieces than that is cut out elsewhere
        for spelt in spellings:
            text = text.replace(spelt, "")
    try:
        members = json.loads(text, parse_int=str, parse_constant=_refuse)
    except (RecursionError, ValueError):
        return False
    run_id, status = members.get("run_id"), members.get("status")
    if any(spelt in text for spelt in spellings) or not isinstance(run_id, str) or not isinstance(status, str):
        return False
    return bool(_UUID.fullmatch(run_id)) and 0 < len(status) <= 256 and status.encode(errors="replace") == _utf8(status)


def _utf8(text: str) -> bytes | None:
    try:
        return text.encode()
    except ValueError:
        return None


def _refuse(name: str) -> None:
    raise ValueError(name)


def _less(text: str, *spellings: str) -> str:
    """Cut out what is to be cut out, one after the other, until nothing of it is left: slowly, and plainly right."""
    while spelt := next((spelt for spelt in spellings if spelt in text), None):
        before, _, after = text.partition(spelt)
        text = before + after
    return text


def _filled(data: bytes) -> bytes:
    for byte, text in STANDS_FOR.items():
        data = data.replace(byte, text.encode())
    return data

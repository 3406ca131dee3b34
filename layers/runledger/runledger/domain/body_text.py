"""The text of a body, whichever way it was encoded on its way here.

LangGraph sends plain UTF-8. A proxy in between may compress, or a client of another make put a byte order mark first:
none of that proves a delivery bad (G6).
"""

from __future__ import annotations

import json
import zlib

MAX_BYTES = 6 * 1024 * 1024  # of a body after decompression: as much as Lambda takes of one that came without
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP, _ZLIB, _RAW = 31, 15, -15  # zlib's `wbits`; "deflate" is zlib's format (RFC 9110, 8.4.1.2), yet some send it raw


def body_text(body: bytes, coding: str) -> str | None:
    """Return the text of a body; `coding` is its header Content-Encoding, empty for none.

    None where it can't be read here and may be a delivery all the same: an unknown coding, a compressed body that is
    cut off or longer than MAX_BYTES. Raises ValueError for bytes that are no text, which JSON always is (RFC 8259,
    8.1); UTF-16 and UTF-32, which older JSON had, are known by their zeros or their mark.
    """
    plain = _plain(body, [name for name in coding.lower().replace(" ", "").split(",") if name not in ("", "identity")])
    return None if plain is None else plain.decode(json.detect_encoding(plain))


def _plain(body: bytes, codings: list[str]) -> bytes | None:
    if body.startswith(_GZIP_MAGIC):  # also where a proxy has dropped the header
        return _inflated(body, _GZIP)
    if not codings or body.lstrip()[:1] == b"{":  # or has unpacked the body and kept the header
        return body
    return (_inflated(body, _ZLIB) or _inflated(body, _RAW)) if codings == ["deflate"] else None


def _inflated(body: bytes, wbits: int) -> bytes | None:
    """Decompress one stream, and no more of it than MAX_BYTES."""
    stream = zlib.decompressobj(wbits)
    try:
        plain = stream.decompress(body, MAX_BYTES)
    except zlib.error:
        return None
    return plain if stream.eof and not stream.unused_data else None

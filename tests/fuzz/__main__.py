"""Atheris on the webhook's reading of tokens and bodies: `make fuzz`, which gives it libFuzzer's own arguments."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parent.parent.parent

with atheris.instrument_imports(include=["runledger", "tests.fuzz"]):
    from tests.fuzz.webhook import STANDS_FOR, check, seeds

_BLIND = 0.5
PIECES = tuple(STANDS_FOR)
WORDS = (*PIECES, b"token=", b"run_id", b"status", b"metadata", b"launch_id", b"kwargs", b"temporary", b"error")


def mutated(data: bytes, longest: int, seed: int) -> bytes:
    """Change bytes as libFuzzer does; or take another token, and put some into a string, where JSON stays JSON."""
    chance = random.Random(seed)
    if chance.random() < _BLIND:
        changed: bytes = atheris.Mutate(data, longest)
        return changed
    _, line, body = data.partition(b"\n")
    start = body.find(b'"', chance.randrange(len(body) + 1)) + 1
    tokens = b"".join(chance.choices(PIECES, k=chance.randint(1, 5)))
    return (b"token=" + chance.choice(PIECES) + line + body[:start] + tokens + body[start:])[:longest]


if __name__ == "__main__":
    folder = ROOT / ".runledger" / "fuzz"
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(ROOT / "tests" / "payloads")):
        (folder / f"seed-{number}").write_bytes(seed)
    words = folder.with_suffix(".words")
    words.write_text("".join('"{}"\n'.format("".join(f"\\x{byte:02X}" for byte in word)) for word in WORDS))
    atheris.Setup(
        [*sys.argv, f"-dict={words}", f"-artifact_prefix={folder}-", str(folder)], check, custom_mutator=mutated
    )
    atheris.Fuzz()

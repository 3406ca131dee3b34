"""Atheris on the webhook's reading of tokens and bodies: `make fuzz`, which gives it libFuzzer's own arguments."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parent.parent.parent

with atheris.instrument_imports(include=["runledger", "tests.fuzz"]):
    from tests.fuzz.webhook import STANDS_FOR, check, seeds

WORDS = (*STANDS_FOR, b"token=", b"run_id", b"status", b"metadata", b"launch_id", b"kwargs", b"temporary", b"error")

if __name__ == "__main__":
    folder = ROOT / ".runledger" / "fuzz"
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(ROOT / "tests" / "payloads")):
        (folder / f"seed-{number}").write_bytes(seed)
    words = folder.with_suffix(".words")
    words.write_text("".join('"{}"\n'.format("".join(f"\\x{byte:02X}" for byte in word)) for word in WORDS))
    atheris.Setup([*sys.argv, f"-dict={words}", f"-artifact_prefix={folder}-", str(folder)], check)
    atheris.Fuzz()

"""Gets uv for a Python that has no ensurepip, as Debian's has none without the package python3-venv.

`python3.13 local/get_uv.py requirements-uv.txt TARGET`: the wheel for this machine whose hash is locked, from the
package index, with nothing but the standard library. The index is PyPI, or UV_DEFAULT_INDEX or PIP_INDEX_URL.
https://packaging.python.org/en/latest/specifications/simple-repository-api/
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import re
import sys
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

_JSON = "application/vnd.pypi.simple.v1+json"
_PYPI = "https://pypi.org/simple"
_SECONDS = 60


def get(requirements: str, machine: str, index: str) -> bytes:
    """Return uv itself; raise LookupError where the index has no such wheel, OSError where it can't be reached."""
    locked = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", requirements))
    page = f"{index.rstrip('/')}/uv/"
    request = urllib.request.Request(page, headers={"accept": _JSON})
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
        files = json.load(answer)["files"]
    for file in files:
        digest = file["hashes"].get("sha256")
        if digest in locked and re.search(rf"manylinux\w*_{machine}\b", file["filename"]):
            with urllib.request.urlopen(urllib.parse.urljoin(page, file["url"]), timeout=_SECONDS) as answer:
                content = answer.read()
            if hashlib.sha256(content).hexdigest() != digest:
                raise LookupError(f"{file['filename']} is not what is locked")
            with zipfile.ZipFile(io.BytesIO(content)) as wheel:
                return wheel.read(next(name for name in wheel.namelist() if name.endswith(".data/scripts/uv")))
    raise LookupError(f"it has no locked wheel for Linux on {machine}")


def main() -> int:
    """Write uv to the path given; return the exit status."""
    requirements, target = map(Path, sys.argv[1:])
    index = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL") or _PYPI
    print("getting uv, some 25 MB", file=sys.stderr)
    try:
        content = get(requirements.read_text(), platform.machine(), index)
    except (OSError, LookupError, ValueError) as error:  # a ValueError's text may have the index's address, and its key
        cause = "its address or its answer is none" if isinstance(error, ValueError) else error
        print(f"uv can't be had from the package index: {cause}.", file=sys.stderr)
        print(
            "This Python has no ensurepip, with which pip could get it: install python3.13-venv (apt),", file=sys.stderr
        )
        print("or uv (https://docs.astral.sh/uv), and try again.", file=sys.stderr)
        return 1
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".draft")
    draft.write_bytes(content)
    draft.chmod(0o755)
    draft.rename(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())

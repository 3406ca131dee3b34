"""Packs one layer, for `sam build`: what is locked, our own package, and bytecode; less what is never read.

Run by layers/<architecture>/Makefile with the layer's folder as the working directory. /opt is read-only in Lambda, so
what is not compiled here is compiled again at every cold start. Hashes instead of times say what bytecode belongs to:
Lambda unpacks with times of its own; and they are not checked, for nothing there can change a source. Started with -E,
so that no variable of Python's has the bytecode put elsewhere, or made for -O.
"""

from __future__ import annotations

import compileall
import gzip
import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

# What botocore has a description of, and adapters make a client for; the other 400 services weigh 27 MB.
SERVICES = {"dynamodb", "events", "s3", "secretsmanager", "sqs", "stepfunctions"}
_ENDPOINTS = {*SERVICES, "states"}  # as the table of regions calls them
_GLIBC = ("2_17", "2_28", "2_34")  # those that wheels are built for; Amazon Linux 2023 has 2.34


def pack(architecture: str, artefact: Path) -> None:
    """Make `artefact`/python of the layer in the working directory, for x86_64 or arm64."""
    if sys.version_info[:2] != (3, 13):
        raise SystemExit(f"python3.13 makes the bytecode that Lambda reads, not {sys.version.split()[0]}")
    if find_spec("pip") is None:
        raise SystemExit(
            f"{sys.executable} has no pip: install python3-pip (apt), or call make build, which brings one"
        )
    target = artefact / "python"
    install(architecture, target)
    for package in Path().glob("*/__init__.py"):
        shutil.copytree(package.parent, target / package.parent, ignore=shutil.ignore_patterns("__pycache__"))
    if (data := target / "botocore" / "data").exists():
        trim(data)
    compile_all(target, "/opt/python")


def install(architecture: str, target: Path) -> None:
    """Install what requirements.txt locks, as wheels for Lambda's machine, whatever machine this is."""
    machine = {"x86_64": "x86_64", "arm64": "aarch64"}[architecture]
    platforms = [f"--platform=manylinux_{glibc}_{machine}" for glibc in _GLIBC]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    theirs = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}  # pip.conf may say so of other environments
    where = ["--target", str(target), "--python-version=3.13", "--implementation=cp", "--only-binary=:all:", *platforms]
    what = ["--no-deps", "--require-hashes", "--requirement=requirements.txt"]
    subprocess.run([*pip, *where, *what], env={**os.environ, **theirs}, check=True)
    shutil.rmtree(target / "bin", ignore_errors=True)


def trim(data: Path) -> None:
    """Keep the services that are called, and of them what is read, in a form that is read fastest."""
    for service in data.iterdir():
        if service.is_dir() and service.name not in SERVICES:
            shutil.rmtree(service)
    for packed in data.rglob("*.json.gz"):
        _write(packed.with_suffix(""), _without_documentation(json.loads(gzip.decompress(packed.read_bytes()))))
        packed.unlink()
    for unread in data.rglob("examples-*.json"):
        unread.unlink()
    regions = json.loads((data / "endpoints.json").read_text())
    for partition in regions["partitions"]:
        partition["services"] = {name: it for name, it in partition["services"].items() if name in _ENDPOINTS}
    _write(data / "endpoints.json", regions)


def compile_all(target: Path, path: str) -> None:
    """Compile everything below `target`, which is `path` in Lambda."""
    if not compileall.compile_dir(
        target,
        quiet=1,
        force=True,
        workers=0,
        stripdir=str(target),
        prependdir=path,
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    ):
        raise SystemExit("not everything could be compiled")
    suffix = f".{sys.implementation.cache_tag}.pyc"
    missing = [p for p in target.rglob("*.py") if not (p.parent / "__pycache__" / f"{p.stem}{suffix}").exists()]
    if missing:
        raise SystemExit(f"no bytecode beside {missing[0]}: start this program with python3.13 -E")


def _without_documentation(part: Any) -> Any:  # noqa: ANN401 - JSON is of any type
    """Return a service's description with its prose, two thirds of it, made empty: botocore looks some of it up."""
    match part:
        case dict():
            return {
                name: "" if name == "documentation" and isinstance(value, str) else _without_documentation(value)
                for name, value in part.items()
            }
        case list():
            return [_without_documentation(value) for value in part]
    return part


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, separators=(",", ":")))


if __name__ == "__main__":
    pack(sys.argv[1], Path(sys.argv[2]))

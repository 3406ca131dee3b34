"""Set-up on machines as they are: blanks in paths, Pythons without this or that, settings meant for something else."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local import get_uv

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SHELL = ("bash", "sh", "make", "rm", "env", "dirname", "tr", "mkdir", "cp", "touch", "uname")
HOSTILE = {"PYTHONPYCACHEPREFIX": "/nonexistent/prefix", "PYTHONOPTIMIZE": "2", "PYTHONPATH": "/nonexistent/path"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "it's a  folder"
    folder.mkdir()
    for name in ("Makefile", "requirements-uv.txt", "requirements-dev.txt"):
        shutil.copy(ROOT / name, folder)
    for name in ("layers", "functions", "local"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """Return a folder for PATH that has a shell and make, and neither Python nor uv."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in SHELL:
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    return folder


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!{shutil.which('bash')}\n{text}\n")
    (folder / name).chmod(0o755)


def make(folder: Path, tools: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=folder,
        env={"PATH": str(tools), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(("python", "named"), [(None, "none"), ("3.12.3", "Python 3.12.3")])
def test_without_python_3_13_the_message_says_what_is_missing_and_what_to_do(
    checkout: Path, tools: Path, python: str | None, named: str
) -> None:
    if python:
        program(tools, "python3", f'[ "$1" = --version ] && echo "Python {python}" || exit 1')
    status, printed = make(checkout, tools, "demo")
    assert status == 2
    assert f"Python 3.13 is needed, and here is {named}." in printed
    assert "Install python3.13" in printed
    assert "or uv (https://docs.astral.sh/uv)" in printed
    assert max(map(len, printed.splitlines())) < 140


def test_a_python_without_ensurepip_gets_uv_by_itself(checkout: Path, tools: Path) -> None:
    program(tools, "python3.13", f'case "$2" in *ensurepip*) exit 1;; esac; exec "{sys.executable}" "$@"')
    with index() as (url, uv):
        (checkout / "requirements-uv.txt").write_text(f"uv==1 --hash=sha256:{hashlib.sha256(uv).hexdigest()}\n")
        status, printed = make(checkout, tools, ".tools/uv/bin/uv", PIP_INDEX_URL=url)
    assert status == 0, printed
    done = subprocess.run([checkout / ".tools/uv/bin/uv"], capture_output=True, text=True, check=True)
    assert done.stdout == "uv itself\n"


def test_uv_that_is_not_the_locked_one_is_not_taken(checkout: Path, tools: Path) -> None:
    program(tools, "python3.13", f'case "$2" in *ensurepip*) exit 1;; esac; exec "{sys.executable}" "$@"')
    with index() as (url, uv):
        (checkout / "requirements-uv.txt").write_text("uv==1 --hash=sha256:" + "0" * 64)
        status, printed = make(checkout, tools, ".tools/uv/bin/uv", PIP_INDEX_URL=url)
        assert status == 2
        assert "it has no locked wheel for Linux on" in printed
        assert "install python3.13-venv (apt)" in printed
        locked = f"--hash=sha256:{hashlib.sha256(uv).hexdigest()}"
        with pytest.raises(LookupError, match="not what is locked"):
            get_uv.get(locked, "x86_64", f"{url}/changed")
    assert not (checkout / ".tools/uv/bin/uv").exists()


def test_an_index_that_cannot_be_reached_is_told_without_its_address(checkout: Path, tools: Path) -> None:
    program(tools, "python3.13", f'case "$2" in *ensurepip*) exit 1;; esac; exec "{sys.executable}" "$@"')
    for url in ("http://user:secret@127.0.0.1:9/simple", "nothing://secret", "secret"):
        status, printed = make(checkout, tools, ".tools/uv/bin/uv", PIP_INDEX_URL=url)
        assert status == 2
        assert "uv can't be had from the package index" in printed
        assert "secret" not in printed


def test_an_environment_is_set_up_in_a_folder_with_blanks_by_a_uv_on_the_path(checkout: Path, tools: Path) -> None:
    program(tools, "uv", 'printf "%s|" "$@" >>uv.log; [ "$1" = venv ] && mkdir -p "${!#}/bin" || true')
    status, printed = make(checkout, tools, ".venv/.done", PYTHONOPTIMIZE="2")
    assert status == 0, printed
    assert (checkout / "uv.log").read_text() == (
        "venv|-q|--seed|--python|3.13|.venv|"
        "pip|sync|-q|--python|.venv/bin/python|--compile-bytecode|--require-hashes|requirements-dev.txt|"
    )
    assert (checkout / ".venv" / ".done").exists()
    assert make(checkout, tools, "-q", ".venv/.done") == (0, "")


def test_a_clean_that_is_broken_off_leaves_nothing_that_passes_for_whole(checkout: Path, tools: Path) -> None:
    done = [checkout / name / ".done" for name in (".venv", ".tools/sam", ".tools/langgraph")]
    for file in done:
        file.parent.mkdir(parents=True)
        file.touch()
    (tools / "rm").unlink()
    program(tools, "rm", f'[ "$1" = -rf ] && exit 130; exec {shutil.which("rm")} "$@"')
    assert make(checkout, tools, "clean")[0] == 2
    assert not any(file.exists() for file in done)


@pytest.mark.parametrize("by", ["argument", "environment"])
@pytest.mark.parametrize(("target", "variable"), [("keys", "DO"), ("event", "EVENT")])
@pytest.mark.parametrize(
    "text",
    [
        "revoke k1700000000",
        "share it's",
        'share "two words',
        "share $HOME $$ ${x} #",
        "x; touch run",
        "`touch run`",
        "$(touch run)",
        "$(shell touch run)",
        "' ; touch run ; '",
    ],
)
def test_what_make_is_given_reaches_the_program_as_it_is_and_is_never_run(
    checkout: Path, tools: Path, target: str, variable: str, text: str, by: str
) -> None:
    program(tools, "uv", "exit 1")
    (checkout / ".venv" / "bin").mkdir(parents=True)
    program(checkout / ".venv" / "bin", "python", f'printf "%s|" "$@" "${variable}"')
    (checkout / ".venv" / ".done").touch()
    status, printed = (
        make(checkout, tools, target, f"{variable}={text}")
        if by == "argument"
        else make(checkout, tools, target, **{variable: text})
    )
    assert (status, printed) == (0, f"-m|local|{target}|{text}|")
    assert not (checkout / "run").exists()


@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_sam_has_a_layer_built_in_a_folder_with_blanks(checkout: Path, tools: Path, architecture: str) -> None:
    program(tools, "python3.13", '[ -f "$2" ] && printf "%s|" "$@"')
    makefile, artefact = checkout / "layers" / architecture / "Makefile", checkout / "to  be"
    status, printed = make(
        checkout / "layers" / "runledger",
        tools,
        "-s",
        "-f",
        str(makefile),
        "build-RunledgerLayer",
        f"ARTIFACTS_DIR={artefact}",
    )
    assert (status, printed) == (0, f"-E|{makefile.parent}/../pack.py|{architecture}|{artefact}|")


def test_what_is_built_for_lambda_has_its_bytecode_whatever_pythons_variables_say(checkout: Path, tools: Path) -> None:
    (tools / "python3.13").symlink_to(sys.executable)
    artefact = checkout / "built"
    status, printed = make(
        checkout / "functions", tools, "build-WebhookFunction", f"ARTIFACTS_DIR={artefact}", **HOSTILE
    )
    assert status == 0, printed
    assert bytecode(artefact) == sources(artefact) != set()


def test_a_layer_has_its_bytecode_or_is_not_built(checkout: Path) -> None:
    layer = checkout / "layers" / "runledger"
    (layer / "requirements.txt").write_text("")

    def pack(*flags: str) -> subprocess.CompletedProcess[str]:
        shutil.rmtree(checkout / "built", ignore_errors=True)
        command = [sys.executable, *flags, "../pack.py", "x86_64", str(checkout / "built")]
        theirs = {"PIP_USER": "1", "PIP_REQUIRE_VIRTUALENV": "1", "PYTHONPYCACHEPREFIX": str(checkout / "elsewhere")}
        return subprocess.run(
            command, cwd=layer, env={**os.environ, **theirs}, capture_output=True, text=True, check=False
        )

    done = pack("-E")
    assert done.returncode == 0, done.stderr
    assert bytecode(checkout / "built") == sources(checkout / "built") != set()
    assert "no bytecode beside" in pack().stderr


def test_pip_of_a_python_that_is_no_virtual_environment_installs_all_the_same(checkout: Path) -> None:
    base: Any = getattr(sys, "_base_executable")  # noqa: B009 - it has no type
    if subprocess.run([base, "-c", "import pip"], capture_output=True, check=False).returncode:
        pytest.skip("the Python that this environment was made of has no pip")
    layer = checkout / "layers" / "runledger"
    (layer / "requirements.txt").write_text("")
    theirs = {"PIP_USER": "1", "PIP_REQUIRE_VIRTUALENV": "1"}
    command = [base, "-E", "../pack.py", "x86_64", str(checkout / "built")]
    done = subprocess.run(command, cwd=layer, env={**os.environ, **theirs}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def bytecode(folder: Path) -> set[str]:
    return {str(path.parent.parent / path.name.partition(".")[0]) for path in folder.rglob("*.cpython-313.pyc")}


def sources(folder: Path) -> set[str]:
    return {str(path.with_suffix("")) for path in folder.rglob("*.py")}


@contextmanager
def index() -> Iterator[tuple[str, bytes]]:
    """Serve a package index with a wheel of uv for each machine: yield its address and the wheel."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as wheel:
        wheel.writestr("uv-1.data/scripts/uvx", "another\n")
        wheel.writestr("uv-1.data/scripts/uv", "#!/bin/sh\necho uv itself\n")
    content = packed.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    names = [f"uv-1-py3-none-{platform}.whl" for platform in ("win_amd64", *platforms())]
    page = {"files": [{"filename": name, "url": f"files/{name}", "hashes": {"sha256": digest}} for name in names]}

    class Index(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(page).encode() if self.path.endswith("/uv/") else content
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body + b"changed" * ("changed" in self.path and self.path.endswith(".whl")))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Index)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple", content
    finally:
        server.shutdown()
        server.server_close()


def platforms() -> list[str]:
    return [f"manylinux_2_17_{machine}.manylinux2014_{machine}" for machine in ("x86_64", "aarch64", "arm64")]

"""The folder that a local LangGraph server works in, so that its state is apart from that of the user's own server.

`langgraph dev` keeps threads, runs, checkpoints and its store in `.langgraph_api` of the working directory, which no
setting moves: with `disable_persistence` it still reads and overwrites what it finds there (langgraph-runtime-inmem
0.36, `database.start_pool`).
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

STATE = ".langgraph_api"
_CONFIG = "langgraph.json"
_LOOPBACK_SINCE = (0, 8)  # of langgraph-api
_NO_PATHS = ("env", "webhooks")  # members of the config whose texts are the user's own


def lay_out(folder: Path, config: Path, changes: dict[str, Any], *, takes_loopback: bool = True) -> Path:
    """Show in `folder` what is beside `config`, and return the config to run there; raise ValueError for a bad one.

    Relative paths of the config are made absolute, so that modules are loaded from where they are; what graphs open
    by a relative path they find by a link. `changes` are merged into the config's top level. Where a server with a
    `webhooks` block does not take loopback at all (not `takes_loopback`), the block is left out.
    """
    content = _read(config)
    folder.mkdir(parents=True, exist_ok=True)
    _unlink(folder)
    for entry in config.parent.iterdir():
        link = folder / entry.name
        if entry.name not in (STATE, _CONFIG) and not link.exists():
            link.symlink_to(entry)
    content = {name: value if name in _NO_PATHS else _absolute(value, config.parent) for name, value in content.items()}
    if takes_loopback:
        webhooks = content.setdefault("webhooks", {})
        webhooks["url"] = {**webhooks.get("url", {}), "disable_loopback": False, "require_https": False}
    else:
        content.pop("webhooks", None)
    for name, change in changes.items():
        content[name] = {**content.get(name, {}), **change}
    path = folder / _CONFIG
    path.write_text(json.dumps(content, indent=2))
    return path


def takes_loopback(executable: Path) -> bool:
    """Whether the server of this `langgraph` takes webhooks to loopback where its config has a `webhooks` block.

    langgraph-api up to 0.7 refuses private addresses as soon as there is such a block (its `webhook.py`).
    """
    for found in executable.resolve().parent.parent.glob("lib/python*/site-packages/langgraph_api-*.dist-info"):
        major, minor = found.name.removeprefix("langgraph_api-").split(".")[:2]
        return (int(major), int(minor)) >= _LOOPBACK_SINCE
    return True


def clear(folder: Path) -> None:
    """Remove the server's state and the links; what graphs have written beside them stays."""
    if folder.is_dir():
        shutil.rmtree(folder / STATE, ignore_errors=True)
        _unlink(folder)
        (folder / _CONFIG).unlink(missing_ok=True)


def _unlink(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_symlink():
            entry.unlink()


def _read(config: Path) -> dict[str, Any]:
    try:
        content = json.loads(config.read_text())
    except ValueError as error:
        raise ValueError(f"{config} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{config} is not a JSON object")  # noqa: TRY004 - the file's value, not a type
    return content


def _absolute(value: Any, folder: Path) -> Any:
    match value:
        case dict():
            return {name: _absolute(one, folder) for name, one in value.items()}
        case list():
            return [_absolute(one, folder) for one in value]
        case str() if value in (".", "..") or value.startswith(("./", "../")):
            return str(folder / value)
    return value

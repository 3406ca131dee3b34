"""A user's own graphs: run from where they are, with a state that is the stack's and not that of their own server."""

from __future__ import annotations

import json
import urllib.request
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from local import langgraph_folder
from local.langgraph_server import LangGraphServer
from local.servers import free_port

if TYPE_CHECKING:
    from pathlib import Path

GRAPH = """
import pathlib
from typing import Any, TypedDict
from langgraph.graph import END, START, StateGraph
from sibling import NAME
from beside import WORD


class State(TypedDict):
    said: Any


TEXT = pathlib.Path("data/text").read_text()
PLACE = __file__


async def work(state: State) -> dict[str, Any]:
    return {"said": [NAME, WORD, TEXT, PLACE]}


graph = StateGraph(State).add_node(work).add_edge(START, "work").add_edge("work", END).compile()
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Lay out a project, with a folder beside it and the state of the user's own server."""
    project, shared = tmp_path / "my project", tmp_path / "shared"
    (project / "data").mkdir(parents=True)
    (project / "src").mkdir()
    (project / "src" / "graph.py").write_text(GRAPH)
    (project / "sibling.py").write_text("NAME = 'sibling'\n")
    (project / "data" / "text").write_text("read")
    shared.mkdir()
    (shared / "beside.py").write_text("WORD = 'beside'\n")
    (project / ".langgraph_api").mkdir()
    (project / ".langgraph_api" / ".langgraph_ops.pckl").write_bytes(b"the user's own")
    path = project / "langgraph.json"
    path.write_text('{"dependencies": [".", "../shared"], "graphs": {"mine": "./src/graph.py:graph"}}')
    return path


def ask(server: LangGraphServer, path: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"{server.url}{path}", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def test_g12_the_state_of_a_users_own_server_is_not_read_or_touched_and_that_of_the_stack_ends_with_it(
    config: Path, tmp_path: Path
) -> None:
    before = listing(config.parent)
    server = LangGraphServer(config, "127.0.0.1", free_port("127.0.0.1"), tmp_path / "stack folder")
    with closing(server):
        said = ask(server, "/runs/wait", {"assistant_id": "mine", "input": {"said": ""}})["said"]
        assert said == ["sibling", "beside", "read", str(config.parent / "src" / "graph.py")]
        ask(server, "/threads", {"metadata": {"mine": "yes"}})
    assert server.state.is_dir()
    server.start()
    with closing(server):
        assert len(ask(server, "/threads/search", {"metadata": {"mine": "yes"}})) == 1, (
            "a server that comes again knows"
        )
    server.clear()
    assert not server.state.exists()
    assert listing(config.parent) == before


def test_the_state_of_a_stack_that_was_killed_is_not_the_next_ones(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "langgraph"
    langgraph_folder.lay_out(folder, config, {})
    (folder / langgraph_folder.STATE).mkdir()
    (folder / "written by a graph").write_text("kept")
    langgraph_folder.clear(folder)
    assert [entry.name for entry in folder.iterdir()] == ["written by a graph"]
    assert (config.parent / ".langgraph_api" / ".langgraph_ops.pckl").read_bytes() == b"the user's own"


@pytest.mark.parametrize(
    ("version", "is_taken"), [("0.7.103", False), ("0.8.7", True), ("0.16.7", True), ("1.0.0", True)]
)
def test_the_webhooks_block_is_left_out_for_a_server_that_takes_no_loopback_with_one(
    config: Path, tmp_path: Path, version: str, *, is_taken: bool
) -> None:
    """Up to 0.7 a server with such a block refuses every private address, and without one none."""
    executable = tmp_path / "venv" / "bin" / "langgraph"
    (tmp_path / "venv" / "lib" / "python3.13" / "site-packages" / f"langgraph_api-{version}.dist-info").mkdir(
        parents=True
    )
    takes = langgraph_folder.takes_loopback(executable)
    assert takes is is_taken
    written = json.loads(langgraph_folder.lay_out(tmp_path / "w", config, {}, takes_loopback=takes).read_text())
    assert ("webhooks" in written) is is_taken


def test_paths_of_the_config_are_those_of_the_users_folder_and_its_other_texts_are_left_alone(
    config: Path, tmp_path: Path
) -> None:
    content = {
        "dependencies": [".", "./a", "httpx"],
        "graphs": {"one": "./a.py:graph", "two": {"path": "./b.py:graph"}, "three": "package.module:graph"},
        "auth": {"path": "./auth.py:auth"},
        "http": {"app": "./app.py:app", "disable_mcp": True},
        "env": {"DATA": "./data"},
        "webhooks": {"env_prefix": "./", "url": {"max_url_length": 100}},
    }
    config.write_text(json.dumps(content))
    written = json.loads(langgraph_folder.lay_out(tmp_path / "w", config, {"env": {"MORE": "1"}}).read_text())
    at = config.parent
    assert written == {
        "dependencies": [str(at), f"{at}/a", "httpx"],
        "graphs": {"one": f"{at}/a.py:graph", "two": {"path": f"{at}/b.py:graph"}, "three": "package.module:graph"},
        "auth": {"path": f"{at}/auth.py:auth"},
        "http": {"app": f"{at}/app.py:app", "disable_mcp": True},
        "env": {"DATA": "./data", "MORE": "1"},
        "webhooks": {
            "env_prefix": "./",
            "url": {"max_url_length": 100, "disable_loopback": False, "require_https": False},
        },
    }


def listing(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path): path.read_bytes() for path in files}

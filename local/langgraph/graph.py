"""An example graph that ends in every way a run can: it does what `task` in its input says, or answers messages."""

import asyncio
from typing import Any, Literal, NotRequired, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt


class State(TypedDict):
    """The run's input, and its result beside it."""

    messages: NotRequired[list[Any]]
    task: NotRequired[Literal["answer", "fail", "ask", "large", "slow"]]
    bytes: NotRequired[int]
    questions: NotRequired[int]
    seconds: NotRequired[float]
    result: NotRequired[Any]


async def work(state: State) -> dict[str, Any]:
    """Do the task."""
    match state.get("task", "answer"):
        case "answer":
            return {"result": {"text": "It is 42. 🎉", "sum": 0.1 + 0.2, "one": 1.0, "large": 2**63 - 1}}
        case "fail":
            raise ValueError("the task was to fail")
        case "ask":
            said = [interrupt({"question": "Shall I go on?"}) for _ in range(state.get("questions", 1))]
            return {"result": f"A person said: {', '.join(map(str, said))}"}
        case "large":
            return {"result": "x" * state.get("bytes", 1_000_000)}
        case "slow":
            await asyncio.sleep(state.get("seconds", 5.0))
            return {"result": "done at last"}


graph = StateGraph(State).add_node(work).add_edge(START, "work").add_edge("work", END).compile()

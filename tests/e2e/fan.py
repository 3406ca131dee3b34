"""A graph that asks as many people at once as its input says; the last of them twice."""

import operator
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send, interrupt


class State(TypedDict):
    """How many are asked, with how long a question, and what they have said."""

    people: int
    length: int
    said: Annotated[list[Any], operator.add]


def everybody(state: State) -> list[Send]:
    """Send one task to each."""
    return [Send("ask", {**state, "who": who}) for who in range(state["people"])]


def ask(state: dict[str, Any]) -> dict[str, Any]:
    """Ask one of them."""
    said = interrupt(f"{state['who']}? ".ljust(state["length"], "x"))
    if state["who"] == state["people"] - 1:
        said = [said, interrupt("And then?")]
    return {"said": [said]}


graph = StateGraph(State).add_node("ask", ask).add_conditional_edges(START, everybody, ["ask"]).add_edge("ask", END)
graph = graph.compile()

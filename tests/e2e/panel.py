"""A graph that asks two people at once, each with one question of their own."""

import operator
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt


class State(TypedDict):
    """What the two have said."""

    said: Annotated[dict[str, Any], operator.or_]


def ask(who: str) -> Any:
    """Make the node that asks one of them."""
    return lambda _: {"said": {who: interrupt(f"What does {who} say?")}}


graph = (
    StateGraph(State)
    .add_node("first", ask("first"))
    .add_node("second", ask("second"))
    .add_edge(START, "first")
    .add_edge(START, "second")
    .add_edge("first", END)
    .add_edge("second", END)
    .compile()
)

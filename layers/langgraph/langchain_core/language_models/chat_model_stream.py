"""What the LangGraph SDK imports of langchain-core: two classes that it needs for `threads.stream`, not used here.

The whole of langchain-core brings langsmith, pydantic, requests and zstandard, 40 MB in 22 packages, and takes half of
the time that the SDK needs to be imported. requirements.txt leaves it out by layers/langgraph/overrides.txt.
"""

from __future__ import annotations


class ChatModelStream:
    """Stands in for a message of a thread's stream."""

    def __init__(self, *_: object, **__: object) -> None:
        """Raise: it can't be used."""
        raise NotImplementedError(
            "threads.stream of the LangGraph SDK needs langchain-core, which this layer leaves out"
        )


class AsyncChatModelStream(ChatModelStream):
    """Stands in for the same, awaited."""

"""LangGraph, through its SDK: the only code that imports it, in a layer of its own."""

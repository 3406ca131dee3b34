"""Stands in for langchain-core: see chat_model_stream.py."""

"""Stands in for langchain-core: see language_models/chat_model_stream.py."""

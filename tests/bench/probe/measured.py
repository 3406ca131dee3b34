"""Wraps the handler that MEASURED names: after each call, a line in FIGURES of what it took."""

import http.client
import importlib
import json
import os
import resource
import time

_module, _, _name = os.environ["MEASURED"].rpartition(".")
_answer = http.client.HTTPConnection.getresponse
_waits = []  # for AWS alone: the calls to LangGraph are made by httpx


def _waited(*given, **named):
    begun = time.perf_counter()
    try:
        return _answer(*given, **named)
    finally:
        _waits.append(time.perf_counter() - begun)


http.client.HTTPConnection.getresponse = _waited
_handler = getattr(importlib.import_module(_module), _name)


def handler(event, context):
    _waits.clear()
    begun = time.process_time()
    try:
        return _handler(event, context)
    finally:
        used = time.process_time()
        figures = {
            "aws_calls": len(_waits),
            "aws_seconds": sum(_waits),
            "call_cpu": used - begun,
            "cpu": used,  # of the process since it began: the interpreter's start and all imports included
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        with open(os.environ["FIGURES"], "a") as file:
            file.write(json.dumps(figures) + "\n")

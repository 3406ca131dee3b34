"""events/schemas/openapi.json as a judge of requests and answers."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from local.openapi.document import FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DOCUMENT: dict[str, Any] = json.loads(FILE.read_text())
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
_REGISTRY: Registry[Any] = Registry().with_resource("urn:openapi", DRAFT202012.create_resource(DOCUMENT))


def complaints(route: str, status: int, headers: Mapping[str, str], text: str) -> list[str]:
    """Return what is wrong with an answer of a route, such as `POST /runs`, by what the document says of it."""
    answers = OPERATIONS[route]["responses"]
    if str(status) not in answers:
        return [f"the status {status} is not described"]
    answer = resolved(answers[str(status)])
    sent = {name.lower(): value for name, value in headers.items()}
    media = sent.pop("content-type", None)
    found = list(_in_headers(answer.get("headers", {}), sent))
    if media is None and not text:
        return found + (["there is no body"] if "content" in answer else [])
    if media not in answer.get("content", {}):
        return [*found, f"{media} is not described"]
    return [*found, *(error.message for error in judge(_at(route, status, str(media))).iter_errors(json.loads(text)))]


def resolved(part: Any) -> Any:
    """Return a part of the document, the component itself where it is a reference to one."""
    while isinstance(part, dict) and set(part) == {"$ref"}:
        part = functools.reduce(lambda value, name: value[name], part["$ref"].split("/")[1:], DOCUMENT)
    return part


@functools.cache
def judge(reference: str) -> Draft202012Validator:
    """Return the validator of a schema in the document, by its JSON pointer."""
    return Draft202012Validator(
        {"$ref": f"urn:openapi#{reference}"},
        registry=_REGISTRY,
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )


def body_of(route: str) -> Draft202012Validator:
    """Return the validator of the JSON body that a route takes."""
    method, path = route.split()
    return judge(f"/paths/{_escaped(path)}/{method.lower()}/requestBody/content/application~1json/schema")


def _at(route: str, status: int, media: str) -> str:
    method, path = route.split()
    return f"/paths/{_escaped(path)}/{method.lower()}/responses/{status}/content/{_escaped(media)}/schema"


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")


def _in_headers(described: Mapping[str, Any], sent: Mapping[str, str]) -> Iterator[str]:
    known = {name.lower(): resolved(header) for name, header in described.items()}
    yield from (
        f"the header {name} is missing" for name, one in known.items() if one.get("required") and name not in sent
    )
    for name, value in sent.items():
        if name not in known:
            yield f"the header {name} is not described"
            continue
        schema = known[name]["schema"]
        number = int(value) if schema.get("type") == "integer" and value.isdecimal() else value
        yield from (f"{name}: {error.message}" for error in Draft202012Validator(schema).iter_errors(number))

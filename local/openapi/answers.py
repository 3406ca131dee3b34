"""The answers: successes with their headers, the functions' problems by name, the gateway's own errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

PROBLEMS: dict[int, dict[str, str]] = {  # by status and slug, what is the matter
    400: {
        "invalid-request": "the request is not valid; `errors` names each bad field",
        "other-launch": "the body is about a run of another launch than the token",
        "other-ledger": "the body is about a run that another stack has launched",
        "temporary-run": "the token is a launch's, and the body is about a run without a thread",
    },
    401: {
        "token-missing": "there is no token",
        "token-several": "there are several tokens",
        "token-malformed": "the token has not the form of one",
        "token-forged": "the token's signature does not fit",
        "token-expired": "the token has expired",
        "token-unknown-key": "the key that signed the token is not in the ring",
    },
    403: {"source-refused": "the sender is in none of the networks that the stack hears"},
    404: {"unknown": "not in the ledger; what is no UUID names nothing"},
    409: {
        "idempotency-key-reused": "the Idempotency-Key was used with another body",
        "launch-in-progress": "another request with this Idempotency-Key is at work, or died at it just now",
        "launch-unconfirmed": "a webhook reported a run of the launch that LangGraph does not know; it is asked again",
        "thread-busy": "LangGraph has another run on the thread, for how long it does not say; Retry-After is a guess",
        "not-waiting": "the run asks nothing now",
        "already-answered": "the run has got another answer",
        "answer-in-progress": "another request is answering the run, or died at it just now",
        "run-is-over": "there is nothing to cancel",
        "run-is-unconfirmed": "only a token vouches for the run",
    },
    410: {"run-removed": "the run that the same request started before was removed from the ledger"},
    413: {"body-too-large": "more than 4 MiB, or than LangGraph takes"},
    422: {
        "langgraph-refused": "LangGraph refuses the run",
        "langgraph-unknown": "LangGraph does not know the assistant, or the thread",
    },
    429: {"langgraph-throttles": "LangGraph throttles"},
    500: {"internal": "a fault that nobody foresaw; it is logged"},
    502: {
        "api-key-refused": "LangGraph refuses the API key that the stack has",
        "webhook-url-refused": "LangGraph refuses the URL of the stack's webhook, by its configuration or the stack's",
        "langgraph-fault": "LangGraph can't be reached, or its answer is none; the run may have been started",
    },
    503: {
        "unavailable": "a fault of the ledger, of AWS or of the moment; send the same request again",
        "key-ring-unusable": "the secret of the key ring can't be used",
        "api-key-missing": "nobody has put LangGraph's API key into its secret",
        "api-key-unusable": "LangGraph's API key holds what no header can carry, or its JSON object is malformed",
        "deployment-without-key": "the launch or run is on a LangGraph deployment that has no key; it stays as it is",
        "token-unknown-key": "the key that signed the token is not known here yet; send it again",
        "too-many-unconfirmed": "too many deliveries about runs that are not confirmed are kept; send it again",
    },
    504: {"langgraph-timeout": "LangGraph did not answer in time; the run may have been started"},
}
_GATEWAY = {
    403: "the request is not signed, or its sender may not call this",
    404: "no route: an id that is empty or has a slash in it",
    413: "more than the gateway or Lambda takes",
    429: "more requests than the stack's throttle lets through",
    500: "the function failed",
    503: "the function can't be reached, or ran out of time",
    504: "the function did not answer in time",
}
_HINTED = (409, 429, 502, 503, 504)  # statuses of problems that may say when to come again

HEADERS: dict[str, dict[str, Any]] = {
    "Location": {
        "description": "path of the run",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "ETag": {
        "description": "weak where the answer has a link, which is signed anew each time",
        "required": True,
        "schema": {"type": "string", "pattern": '^(W/)?"[0-9a-f]{32}"$'},
    },
    "Kept": {
        "description": "what is final may be kept for a minute",
        "required": True,
        "schema": {"enum": ["private, no-cache", "private, max-age=60"]},
    },
    "NeverKept": {"required": True, "schema": {"const": "no-store"}},
    "NeverKeptUnlessGateways": {"schema": {"const": "no-store"}},
    "Retry-After": {"description": "seconds to wait", "schema": {"type": "integer", "minimum": 0}},
    "Preference-Applied": {
        "description": "the wait that was granted",
        "schema": {"type": "string", "pattern": "^wait=[0-9]+$"},
    },
}


def done(description: str, schema: str, headers: Mapping[str, Any] | None = None, **example: object) -> dict[str, Any]:
    """Describe a success with a JSON body, which must not be kept unless `headers` say otherwise."""
    content: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{schema}"}, **example}
    return {
        "description": description,
        "headers": {"Cache-Control": header("NeverKept"), **(headers or {})},
        "content": {"application/json": content},
    }


def read(**more: Any) -> dict[str, Any]:
    """Return the headers of what was read of the ledger, and `more`."""
    return {"ETag": header("ETag"), "Cache-Control": header("Kept"), **more}


def header(name: str) -> dict[str, str]:
    """Refer to one of HEADERS."""
    return {"$ref": f"#/components/headers/{name}"}


def errors(slugs: Collection[str], *, is_signed: bool, has_body: bool, has_id: bool) -> dict[str, Any]:
    """Describe everything that is no success: the problems of an operation, and what the gateway itself answers."""
    gateway = {429, 500, 503, 504} | ({403} if is_signed else set()) | ({404} if has_id else set())
    gateway |= {413} if has_body else set()
    ours = {status: {slug: text for slug, text in known.items() if slug in slugs} for status, known in PROBLEMS.items()}
    statuses = sorted(gateway | {status for status, known in ours.items() if known})
    return {str(status): _error(status, ours.get(status, {}), is_gateways=status in gateway) for status in statuses}


def _error(status: int, problems: Mapping[str, str], *, is_gateways: bool) -> dict[str, Any]:
    lines = [f"- `{slug}`: {text}" for slug, text in problems.items()]
    lines += [f"- the gateway's own: {_GATEWAY[status]}"] if is_gateways else []
    hint = {"Retry-After": header("Retry-After")} if problems and status in _HINTED else {}
    kept = header("NeverKeptUnlessGateways" if is_gateways else "NeverKept")
    return {
        "description": "\n".join(lines),
        **({"headers": {"Cache-Control": kept, **hint}} if problems else {}),
        "content": {
            **({"application/problem+json": {"schema": _problem(status, problems)}} if problems else {}),
            **({"application/json": {"schema": {"$ref": "#/components/schemas/GatewayError"}}} if is_gateways else {}),
        },
    }


def _problem(status: int, problems: Mapping[str, str]) -> dict[str, Any]:
    types = [f"urn:runledger:{slug}" for slug in problems]
    return {
        "$ref": "#/components/schemas/Problem",
        "properties": {"type": {"enum": types}, "status": {"const": status}},
    }

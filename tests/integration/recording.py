"""What AWS was asked, as moto's recorder writes it down, and which function asked: its key id is its name."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from tests.contract.source import FUNCTIONS
from tests.integration.calls import action_of, resources
from tests.integration.spellings import squeezed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.contract.permissions import Permission

RECORDER = {"MOTO_ENABLE_RECORDING": "yes"}  # and MOTO_RECORDER_FILEPATH, for moto's server
_SIGNED = re.compile(r"Credential=(\w+)/\d{8}/[\w-]+/(\w+)/aws4_request")  # in a header, or in a link
_BETWEEN = re.compile(r"\s*")
_TASK_TOKEN = re.compile(r"#?task_token = (:\w+)")  # where the attribute is set, and where it is compared
_OBJECTS = {"GET": "GetObject", "PUT": "PutObject"}
_NAMES = frozenset(function.name for function in FUNCTIONS)


@dataclass(frozen=True)
class Call:
    """One call of a function, or of who follows a link that it signed; `sent` is everything that was sent, as text."""

    function: str
    action: str
    params: Mapping[str, Any]
    sent: str

    def unguarded(self) -> str:
        """Return what was sent less a secret in the one place where it belongs.

        The ring where it is put into its secret, a task's token where it stands in its attribute or is used.
        """
        left = self.sent
        for belongs in self._belong():
            left = left.replace(json.dumps(belongs), "", 1)
        return left

    def _belong(self) -> list[str]:
        match self.action, self.params:
            case "secretsmanager:PutSecretValue", {"SecretString": ring}:
                return [ring]
            case "dynamodb:UpdateItem", {"ExpressionAttributeValues": values}:
                said = f"{self.params.get('UpdateExpression')} {self.params.get('ConditionExpression')}"
                return [values[name]["S"] for name in _TASK_TOKEN.findall(said)]
            case (("states:SendTaskSuccess" | "states:SendTaskFailure"), {"taskToken": token}):
                return [token]
        return []


def read(path: Path) -> list[Call]:
    """Return the calls of functions that are written down there."""
    return [call for entry in _entries(path.read_text()) if (call := _call(entry))]


def made(calls: Sequence[Call], names: Mapping[str, str]) -> dict[str, set[Permission]]:
    """Return what each function called, as its role names it; `names` has the physical names by logical id."""
    found: dict[str, set[Permission]] = defaultdict(set)
    for call in calls:
        found[call.function] |= {(call.action, resource) for resource in resources(call.params, names)}
    return found


def _entries(text: str) -> Iterator[dict[str, Any]]:
    """Yield what the recorder wrote: objects, one after the other, of which two can stand on one line."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        entry, at = decoder.raw_decode(text, at)
        yield entry
        at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr]


def _call(entry: dict[str, Any]) -> Call | None:
    headers = {name.lower(): value for name, value in entry["headers"].items()}
    signed = _SIGNED.search(headers.get("authorization", "")) or _SIGNED.search(unquote(entry["url"]))
    if signed is None or signed[1] not in _NAMES:
        return None
    body = base64.b64decode(entry["body"] or "") if entry["body_encoded"] else str(entry["body"]).encode()
    if signed[2] == "s3":
        _, bucket, key = urlsplit(entry["url"]).path.split("/", 2)
        action, params = _OBJECTS[entry["method"]], {"Bucket": bucket, "Key": unquote(key)}
        body = gzip.decompress(body) if body else body
    else:
        action, params = headers["x-amz-target"].rpartition(".")[2], json.loads(body)
    said = {name: value for name, value in headers.items() if name != "authorization"}
    return Call(signed[1], action_of(signed[2], action), params, f"{entry['url']}\n{said}\n{squeezed(body.decode())}")

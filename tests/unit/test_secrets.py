"""Secrets are read seldom, never kept too long, and never the sender's fault."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError

from runledger import telemetry
from runledger.adapters.secrets_manager import (
    API_KEY_PLACEHOLDER,
    CACHE_SECONDS,
    REREAD_SECONDS,
    STALE_SECONDS,
    Secret,
    api_keys,
    key_ring,
)
from runledger.domain.deployments import ApiKeys
from runledger.domain.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "K" * 64
RING = json.dumps({"current": "k0", "k0": KEY})


class SecretsManager:
    """Counts its reads; answers with `secret`, or raises it where it is a fault."""

    def __init__(self, secret: str | Exception | dict[str, Any]) -> None:
        self.secret, self.reads = secret, 0

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        assert SecretId == "the-id"
        self.reads += 1
        if isinstance(self.secret, Exception):
            raise self.secret
        return self.secret if isinstance(self.secret, dict) else {"SecretString": self.secret}


class Clock:
    """Stands still until told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The metrics that were counted."""
    names: list[str] = []
    monkeypatch.setattr(telemetry, "count", names.append)
    return names


def secret_of[T](manager: SecretsManager, clock: Clock, read: Callable[[str], T]) -> Secret[T]:
    client: Any = manager
    return Secret(client, "the-id", read, clock)


def refused(act: Callable[[], object]) -> Problem:
    with pytest.raises(Problem) as caught:
        act()
    return caught.value


def test_nothing_is_read_before_it_is_needed(clock: Clock) -> None:
    manager = SecretsManager("one")
    secret_of(manager, clock, str)
    assert manager.reads == 0


def test_g10_a_secret_is_read_once_in_its_cache_time(clock: Clock) -> None:
    manager = SecretsManager("one")
    secret = secret_of(manager, clock, str)
    assert [secret.value() for _ in range(3)] == ["one"] * 3
    manager.secret, clock.now = "two", clock.now + CACHE_SECONDS - 0.1
    assert (secret.value(), manager.reads) == ("one", 1)
    clock.now += 0.1
    assert (secret.value(), secret.value(), manager.reads) == ("two", "two", 2)


def test_g10_a_blank_api_key_is_kept_as_any_other(clock: Clock) -> None:
    manager = SecretsManager(" ")
    secret = secret_of(manager, clock, api_keys)
    assert [secret.value().single for _ in range(3)] == [None] * 3
    assert manager.reads == 1


def test_g7_a_fresh_copy_is_read_at_most_every_30_seconds(clock: Clock) -> None:
    manager = SecretsManager("one")
    secret = secret_of(manager, clock, str)
    secret.value()
    manager.secret, clock.now = "two", clock.now + REREAD_SECONDS - 0.1
    assert (secret.fresh(), manager.reads) == (None, 1)
    clock.now += 0.1
    assert (secret.fresh(), manager.reads) == ("two", 2)
    assert [secret.fresh() for _ in range(100)] == [None] * 100
    assert (secret.value(), manager.reads) == ("two", 2)


def test_a_fresh_copy_starts_the_cache_time_anew(clock: Clock) -> None:
    manager = SecretsManager("one")
    secret = secret_of(manager, clock, str)
    secret.value()
    clock.now += CACHE_SECONDS - 1
    secret.fresh()
    clock.now += CACHE_SECONDS - 1
    secret.value()
    assert manager.reads == 2


def test_a_forgotten_secret_is_read_anew_when_next_needed(clock: Clock) -> None:
    manager = SecretsManager("one")
    secret = secret_of(manager, clock, str)
    secret.value()
    manager.secret = "two"
    secret.forget()
    assert manager.reads == 1
    assert (secret.value(), secret.value(), manager.reads) == ("two", "two", 2)


@pytest.mark.parametrize(
    "fault",
    [
        ClientError({"Error": {"Code": "ThrottlingException", "Message": KEY}}, "GetSecretValue"),
        ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetSecretValue"),
        EndpointConnectionError(endpoint_url="https://secretsmanager.example"),
        ConnectTimeoutError(endpoint_url="https://secretsmanager.example"),
        {"SecretBinary": b"x"},
    ],
)
def test_g7_a_secret_that_cant_be_read_is_a_503_and_the_repeat_works(
    fault: Exception | dict[str, Any], clock: Clock
) -> None:
    manager = SecretsManager(fault)
    secret = secret_of(manager, clock, str)
    for act in (secret.value, secret.value, secret.fresh):
        if act == secret.fresh:
            clock.now += REREAD_SECONDS
        problem = refused(act)
        assert (problem.status, problem.slug) == (503, "unavailable")
        assert "Retry-After" in problem.headers
        assert KEY not in problem.detail
    manager.secret = "one"
    assert secret.value() == "one"


def test_g7_a_read_that_failed_is_not_made_again_at_once_for_the_sake_of_an_unknown_key(clock: Clock) -> None:
    manager = SecretsManager("one")
    secret = secret_of(manager, clock, str)
    secret.value()
    manager.secret, clock.now = EndpointConnectionError(endpoint_url="x"), clock.now + REREAD_SECONDS
    assert refused(secret.fresh).status == 503
    clock.now += REREAD_SECONDS - 1
    assert (secret.fresh(), manager.reads) == (None, 2)
    manager.secret, clock.now = "two", clock.now + 1
    assert secret.fresh() == "two"


def down() -> EndpointConnectionError:
    return EndpointConnectionError(endpoint_url="x")


def test_g7_an_outage_is_outlasted_by_the_copy_for_an_hour_and_no_longer(clock: Clock) -> None:
    manager = SecretsManager("one")
    secret = secret_of(manager, clock, str)
    secret.value()
    manager.secret, clock.now = down(), clock.now + CACHE_SECONDS
    assert secret.value() == "one"
    clock.now += STALE_SECONDS - 0.1
    assert secret.value() == "one"
    clock.now += 0.1
    assert refused(secret.value).status == 503
    manager.secret = "two"
    assert secret.value() == "two"


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException"])
def test_g7_a_secret_that_was_taken_away_is_no_outage(clock: Clock, code: str) -> None:
    """Somebody has denied the role access, or deleted the secret, to stop a key that leaked."""
    manager = SecretsManager("one")
    secret = secret_of(manager, clock, str)
    secret.value()
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    manager.secret, clock.now = ClientError(answer, "GetSecretValue"), clock.now + CACHE_SECONDS  # type: ignore[arg-type]
    assert refused(secret.value).status == 503


@pytest.mark.parametrize(("code", "status"), [("ThrottlingException", 400), ("InternalServiceError", 500)])
def test_g7_a_busy_secrets_manager_is_an_outage(clock: Clock, code: str, status: int) -> None:
    manager = SecretsManager("one")
    secret = secret_of(manager, clock, str)
    secret.value()
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    manager.secret, clock.now = ClientError(answer, "GetSecretValue"), clock.now + CACHE_SECONDS  # type: ignore[arg-type]
    assert secret.value() == "one"


def test_g7_an_outage_is_over_at_the_next_read(clock: Clock) -> None:
    manager = SecretsManager("one")
    secret = secret_of(manager, clock, str)
    secret.value()
    manager.secret, clock.now = down(), clock.now + CACHE_SECONDS
    secret.value()
    manager.secret, clock.now = "two", clock.now + REREAD_SECONDS
    assert secret.value() == "two"
    manager.secret, clock.now = down(), clock.now + CACHE_SECONDS + STALE_SECONDS - 1
    assert secret.value() == "two", "its hour begins when it was read"


def test_g10_an_outage_is_asked_about_every_30_seconds_not_by_each_request(clock: Clock) -> None:
    """A call that times out takes 7 s."""
    manager = SecretsManager("one")
    secret = secret_of(manager, clock, str)
    secret.value()
    manager.secret, clock.now = down(), clock.now + CACHE_SECONDS
    assert {secret.value() for _ in range(100)} == {"one"}
    assert manager.reads == 2
    clock.now += REREAD_SECONDS - 0.1
    assert (secret.value(), manager.reads) == ("one", 2)
    clock.now += 0.1
    assert (secret.value(), secret.value(), manager.reads) == ("one", "one", 3)


def test_g7_while_nothing_is_known_each_request_asks(clock: Clock) -> None:
    """There is nothing to lose by it: without a copy the request fails anyway."""
    manager = SecretsManager(down())
    secret = secret_of(manager, clock, str)
    assert [refused(secret.value).status for _ in range(3)] == [503] * 3
    assert manager.reads == 3
    manager.secret = "one"
    assert secret.value() == "one"


def test_g7_in_an_outage_an_unknown_key_is_never_held_against_an_old_copy(clock: Clock) -> None:
    """Else a genuine token with a new key would be 401."""
    manager = SecretsManager("one")
    secret = secret_of(manager, clock, str)
    secret.value()
    manager.secret, clock.now = down(), clock.now + CACHE_SECONDS
    assert secret.value() == "one"
    assert secret.fresh() is None
    clock.now += REREAD_SECONDS
    assert refused(secret.fresh).status == 503


def test_g7_a_forgotten_copy_outlasts_no_outage(clock: Clock) -> None:
    manager = SecretsManager("one")
    secret = secret_of(manager, clock, str)
    secret.value()
    secret.forget()
    manager.secret = down()
    assert refused(secret.value).status == 503


def test_g7_a_secret_that_was_read_and_is_unusable_is_no_outage(clock: Clock) -> None:
    manager = SecretsManager(RING)
    secret = secret_of(manager, clock, key_ring)
    secret.value()
    manager.secret, clock.now = "no ring", clock.now + CACHE_SECONDS
    assert [refused(secret.value).slug for _ in range(2)] == ["key-ring-unusable"] * 2
    manager.secret = down()
    assert secret.value().signing == {"k0": KEY.encode()}, "nobody knows what it is now"


@pytest.mark.parametrize("clock_ahead", ["wall", "monotonic"])
def test_g7_a_copy_is_as_old_as_the_clock_says_that_has_gone_further(clock_ahead: str) -> None:
    """The monotonic clock stands still in a frozen environment; the wall clock may be set back by an hour."""
    wall, monotonic, manager = Clock(), Clock(), SecretsManager("one")
    client: Any = manager
    secret = Secret(client, "the-id", str, wall, monotonic)
    secret.value()
    manager.secret = "two"
    ahead, behind = (wall, monotonic) if clock_ahead == "wall" else (monotonic, wall)
    behind.now -= 3600 if behind is wall else 0
    ahead.now += CACHE_SECONDS - 0.1
    assert secret.value() == "one"
    ahead.now += 0.1
    assert secret.value() == "two"
    manager.secret = down()
    ahead.now += CACHE_SECONDS + STALE_SECONDS
    assert refused(secret.value).status == 503


def test_g7_by_default_a_copys_age_is_wall_time_and_active_time() -> None:
    client: Any = SecretsManager("one")
    assert Secret(client, "the-id", str)._clocks == (time.time, time.monotonic)  # noqa: SLF001


def test_an_old_copy_is_counted_each_time_and_its_outage_logged_once(
    clock: Clock, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(telemetry.logger, "warning", lambda _, **more: lines.append(more))
    manager = SecretsManager("one")
    secret = secret_of(manager, clock, str)
    secret.value()
    assert counted == []
    manager.secret, clock.now = down(), clock.now + CACHE_SECONDS
    for _ in range(3):
        secret.value()
    assert counted == ["stale_secret"] * 3
    assert [line["age"] for line in lines] == [CACHE_SECONDS]
    assert lines[0]["detail"].startswith("A secret can't be read (EndpointConnectionError).")


def test_g7_an_unusable_ring_is_a_503_and_mended_as_soon_as_the_secret_is(clock: Clock) -> None:
    manager = SecretsManager(json.dumps({"current": "k0", "k0": KEY, KEY: "k0"}))
    secret = secret_of(manager, clock, key_ring)
    problem = refused(secret.value)
    assert (problem.status, problem.slug) == (503, "key-ring-unusable")
    assert KEY not in json.dumps(problem.body())
    manager.secret = RING
    assert secret.value().signing == {"k0": KEY.encode()}


@pytest.mark.parametrize(
    ("text", "key"),
    [("lsv2_abc", "lsv2_abc"), ("lsv2_abc\n", "lsv2_abc"), (" a b\t", "a b"), ("", None), (" ", None), ("\r\n", None)],
)
def test_an_api_key_is_what_is_not_blank(text: str, key: str | None) -> None:
    assert api_keys(text) == ApiKeys(single=key)


def test_g13_the_secret_can_have_a_key_for_each_deployment() -> None:
    given = {"HTTPS://One.example:443/": "k1", "http://two.example:8123/agents/": " k2\n", "http://three.example": ""}
    text = f" {json.dumps(given)}\n"
    by_url = {"https://one.example": "k1", "http://two.example:8123/agents": "k2", "http://three.example": None}
    found = api_keys(text)
    assert found == ApiKeys(by_url=by_url)
    assert "k1" not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        '{"https://x.example": "sec-ret"',
        '{"https://x.example": "sec-ret"} more',
        '{"LANGGRAPH_API_KEY": "sec-ret"}',
        '{"https://user:sec-ret@x.example": "k"}',
        '{"https://x.example?key=sec-ret": "k"}',
        '{"https://x.example": ["sec-ret"]}',
        '{"https://x.example": {"key": "sec-ret"}}',
        '{"https://x.example": null}',
        '{"https://x.example": "sec-ret", "https://X.example/": "other"}',
        '{"https://x.example": ' + "[" * 100_000,
        "{sec-ret}",
    ],
)
def test_g5_an_object_that_is_not_keys_by_url_says_where_it_is_and_what_it_must_be_and_nothing_more(text: str) -> None:
    problem = refused(lambda: api_keys(text))
    assert (problem.status, problem.slug) == (503, "api-key-unusable")
    assert "LangGraphApiKeySecret" in problem.detail
    assert '{"<URL of a deployment>": "<its key>"}' in problem.detail
    assert not any(part in problem.detail for part in ("sec-ret", "x.example", "LANGGRAPH_API_KEY"))


def test_g5_a_bad_key_of_one_deployment_is_refused_as_a_single_one_is() -> None:
    assert refused(lambda: api_keys('{"https://x.example": "k\\u00e9y"}')).slug == "api-key-unusable"
    assert refused(lambda: api_keys(json.dumps({"https://x.example": API_KEY_PLACEHOLDER}))).slug == "api-key-missing"


@pytest.mark.parametrize("text", [API_KEY_PLACEHOLDER, f" {API_KEY_PLACEHOLDER}\n"])
def test_the_untouched_placeholder_says_what_to_do(text: str) -> None:
    problem = refused(lambda: api_keys(text))
    assert (problem.status, problem.slug) == (503, "api-key-missing")
    assert "LangGraphApiKeySecret" in problem.detail


@pytest.mark.parametrize(
    "text", ["kéy-secret", "secret\nkey", "secret\0", "\x7fsecret", "sec\tret", "secret😀", "\ud800"]
)
def test_g5_a_key_that_no_header_carries_is_refused_unquoted(text: str) -> None:
    problem = refused(lambda: api_keys(text))
    assert (problem.status, problem.slug) == (503, "api-key-unusable")
    assert "sec" not in problem.detail.replace("secret LangGraphApiKeySecret", "")

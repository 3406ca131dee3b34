"""Whatever is sent to the webhook: no fault of ours, and nothing written for what is refused."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.spellings import percent_encoded
from tests.integration.support import LATER, NOW, claim, delivery, new_id, record_launch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.support import Aws, Webhook

LAUNCH_ID, RUN_ID = new_id(), new_id()
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner))
MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "run_id": st.sampled_from([RUN_ID, RUN_ID.upper(), ""]) | JSON,
        "status": st.sampled_from(["success", "error", "a-new-word"]) | JSON,
        "metadata": st.sampled_from([{"launch_id": LAUNCH_ID}, {"launch_id": new_id()}]) | JSON,
        **dict.fromkeys(("thread_id", "assistant_id", "created_at", "error", "kwargs", "values", "x"), JSON),
    },
)
BODIES = st.one_of(
    MEMBERS.map(lambda members: json.dumps(members).encode()),
    MEMBERS.map(lambda members: json.dumps(members, ensure_ascii=False).encode(errors="surrogatepass")),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.just(delivery(RUN_ID, LAUNCH_ID).encode()),
    st.binary(max_size=50),
)

# What is made of a good token, and of any text.
SPELT: tuple[Callable[[str, str], str], ...] = (
    lambda good, _: f"token={good}",
    lambda good, _: f"a=b&token={percent_encoded(good)}&&=",
    lambda good, text: f"token={good}{quote(text)}",
    lambda good, text: f"token={quote(text)}{good}",
    lambda good, text: f"token={good[: len(text)]}{quote(text)}{good[len(text) * 2 :]}",
    lambda good, text: f"token={good}&token={quote(text)}",
    lambda _, text: f"token={quote(text)}",
    lambda _, text: text,
)


def kept(aws: Aws) -> list[Any]:
    return [aws.items("RunsTable"), aws.items("LaunchesTable"), sorted(aws.objects())]


@pytest.fixture
def known(alone: Webhook, aws: Aws, request: pytest.FixtureRequest) -> None:
    """What the ledger knows of the run and its launch before anything is sent."""
    if request.param == "run":
        record_launch(aws, RUN_ID, LAUNCH_ID)
    if request.param == "launch":
        assert alone.parts.receiver.launches.apply(claim(LAUNCH_ID, LATER)) is None


@pytest.mark.parametrize("known", ["run", "launch", "neither"], indirect=True)
@pytest.mark.usefixtures("known")
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spelt=st.sampled_from(SPELT), text=st.text(max_size=60), is_late=st.booleans(), body=BODIES)
def test_g6_whatever_is_sent_is_no_fault_of_ours_and_nothing_is_written_for_what_is_refused(
    alone: Webhook, aws: Aws, spelt: Callable[[str, str], str], text: str, body: bytes, *, is_late: bool
) -> None:
    query = spelt(aws.token(LAUNCH_ID, int(NOW) - 1 if is_late else LATER), text)
    before = kept(aws)
    reply = alone.call(base64.b64encode(body).decode(), query, is_base64=True)
    assert reply.status in (200, 202, 400, 401) or reply.problem == "token-unknown-key"
    assert reply.status < 400 or kept(aws) == before

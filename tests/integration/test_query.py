"""GET /runs/{run_id}, GET /runs and GET /launches/{launch_id} on the ledger that launch and webhook write."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from runledger.adapters.dynamodb import LaunchesTable, RunsTable
from runledger.adapters.s3 import Bucket
from runledger.domain import answer_states, launch_states, run_states, verification
from runledger.domain.deliveries import Delivery, parse_delivery
from runledger.domain.ledger import Placed
from runledger.domain.settling import Seen, seen
from tests.integration import faults as kinds
from tests.integration.support import NOW, claim, client_of, delivery, new_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.conftest import Load
    from tests.integration.faults import Faults
    from tests.integration.support import Aws, Door, Output, Reply, WallClock

THREAD = "01a201d6-a0d1-70a4-a07d-24d5b1a571e8"


class Book:
    """Writes into the ledger what launch, webhook and reconcile would."""

    def __init__(self, aws: Aws) -> None:
        dynamodb, names = aws.client("dynamodb"), aws.template.names
        self.runs, self.launches = (
            RunsTable(dynamodb, names["RunsTable"]),
            LaunchesTable(dynamodb, names["LaunchesTable"]),
        )
        self.bucket = Bucket(names["PayloadBucket"])

    def launched(self, launch_id: str | None = None, thread_id: str = THREAD, now: float = NOW) -> str:
        run_id = new_id()
        self.apply(
            run_states.pending(
                run_id=run_id,
                launch_id=launch_id or new_id(),
                thread_id=thread_id,
                assistant_id="agent",
                after_seconds=0,
                now=now,
            )
        )
        return run_id

    def delivered(self, run_id: str, launch_id: str, status: str, *, spilled: bool = False, **changes: Any) -> Delivery:
        told = parse_delivery(delivery(run_id, launch_id, status=status, created_at=None, **changes).encode())
        assert isinstance(told, Delivery)
        placed = self.bucket.put(launch_id, run_id, told.payload) if spilled else Placed(told.payload, None)
        self.apply(run_states.delivered(told, placed, launch_id, NOW + 1))
        return told

    def settled(self, run_id: str, outcome: Any, questions: str | None = None) -> None:
        self.apply(run_states.settled(run_id, Seen("success", outcome, None, None, questions, began=True), NOW + 2))

    def apply(self, update: Any) -> None:
        assert self.runs.apply(update) is None


@pytest.fixture
def book(aws: Aws) -> Book:
    return Book(aws)


def calls_of(query: Door) -> Counter[str]:
    calls: Counter[str] = Counter()
    for client in (client_of(query.parts.runs), client_of(query.parts.bucket)):
        client.meta.events.register(
            "before-send", lambda event_name, **_: calls.update([event_name.rpartition(".")[2]])
        )
    return calls


def get_run(query: Door, run_id: str, **headers: str) -> Reply:
    return query.get(f"/runs/{run_id}", headers)


def test_a_pending_run_is_shown_and_kept_by_no_cache(query: Door, book: Book) -> None:
    launch_id = new_id()
    run_id = book.launched(launch_id)
    reply = get_run(query, run_id)
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Cache-Control"] == "private, no-cache"
    assert reply.body == {
        "run_id": run_id,
        "launch_id": launch_id,
        "thread_id": THREAD,
        "assistant_id": "agent",
        "status": "pending",
        "outcome": "pending",
        "source": "launch",
        "created_at": "2026-11-22T06:00:00.000000Z",
        "updated_at": "2026-11-22T06:00:00.000000Z",
        "links": {"launch": f"/launches/{launch_id}", "thread": f"/runs?thread_id={THREAD}"},
    }


@pytest.mark.parametrize("values", ['{"sum":0.30000000000000004,"large":9223372036854775808}', "null", "[-0.0]"])
def test_g3_a_finished_run_is_shown_with_its_payload_as_received(query: Door, book: Book, values: str) -> None:
    """Its answer may be kept for a minute once LangGraph has confirmed its end, and no sooner (G11)."""
    launch_id = new_id()
    run_id = book.launched(launch_id)
    told = book.delivered(run_id, launch_id, "error", values=values)
    reply = get_run(query, run_id.upper())
    assert f'"payload": {told.payload.text}' in reply.text
    assert (reply.body["outcome"], reply.body["payload_sha256"]) == ("failed", told.payload.sha256)
    assert (reply.headers["Cache-Control"], reply.body["unverified"]) == ("private, no-cache", True)
    book.apply(verification.verified(book.runs.item(run_id) or {}))
    confirmed = get_run(query, run_id)
    assert confirmed.headers["Cache-Control"] == "private, max-age=60"
    assert confirmed.headers["ETag"] != reply.headers["ETag"]
    assert {**confirmed.body, "unverified": True} == reply.body


def test_a_question_is_json_and_not_text(query: Door, book: Book) -> None:
    launch_id = new_id()
    run_id = book.launched(launch_id)
    book.delivered(run_id, launch_id, "success")
    book.settled(run_id, "awaiting_input", '[{"id": "i1", "value": {"question": "Shall I?"}}]')
    reply = get_run(query, run_id)
    assert reply.body["questions"] == [{"id": "i1", "value": {"question": "Shall I?"}}]
    assert reply.headers["Cache-Control"] == "private, no-cache"


def test_questions_that_the_item_cannot_hold_are_a_link(query: Door, book: Book, aws: Aws) -> None:
    launch_id, asked = new_id(), [{"id": f"i{at}", "value": "x" * 2_000} for at in range(150)]
    run_id = book.launched(launch_id)
    book.delivered(run_id, launch_id, "success")
    found = seen({"status": "success"}, {"next": ["a"], "tasks": [{"id": "t", "interrupts": asked}]})
    key = book.bucket.put_questions(launch_id, run_id, found.all_questions)
    book.apply(run_states.settled(run_id, found, NOW + 2, key))
    reply = get_run(query, run_id)
    assert reply.body["questions"] == [{"id": one["id"]} for one in asked]
    assert reply.body["question_count"] == 150
    assert "questions_key" not in reply.body
    url = urlsplit(reply.body["questions_url"])
    assert url.path.endswith(f"/{key}")
    assert parse_qs(url.query)["X-Amz-Expires"] == ["300"]
    assert json.loads(aws.objects()[str(key)]["Body"]) == asked
    assert get_run(query, run_id, **{"if-none-match": reply.headers["ETag"]}).status == 304


def test_g5_a_payload_in_the_bucket_is_a_link_of_five_minutes_to_json(query: Door, book: Book, aws: Aws) -> None:
    launch_id = new_id()
    run_id = book.launched(launch_id)
    told = book.delivered(run_id, launch_id, "error", spilled=True)
    shown = get_run(query, run_id).body
    assert "payload" not in shown
    url = urlsplit(shown["payload_url"])
    signed = parse_qs(url.query)
    assert signed["X-Amz-Expires"] == ["300"]
    assert signed["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    (key,) = aws.objects()
    assert url.path.endswith(f"/{key}")
    stored = aws.client("s3").get_object(Bucket=aws.template.names["PayloadBucket"], Key=key)
    assert (stored["ContentType"], stored["ContentEncoding"]) == ("application/json", "gzip")
    assert gzip.decompress(stored["Body"].read()).decode() == told.payload.text


def test_g5_a_link_stands_in_the_answer_alone(load: Load, book: Book, output: Output) -> None:
    query, run_id = load("query", LogLevel="DEBUG"), book.launched(launch_id := new_id())
    book.delivered(run_id, launch_id, "error", spilled=True)
    assert "X-Amz-Signature" in get_run(query, run_id).body["payload_url"]
    assert output.counts == {}
    assert "X-Amz" not in output.text


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "ap-southeast-4"])
def test_a_link_leads_to_the_buckets_own_region(region: str, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 would send it to us-east-1, whose redirect no signature survives."""
    assert aws
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    host = urlsplit(Bucket("a-bucket").link("runs/1/2/3.json.gz")).hostname
    assert host == ("a-bucket.s3.amazonaws.com" if region == "us-east-1" else f"a-bucket.s3.{region}.amazonaws.com")


def test_an_etag_stays_until_the_run_goes_on(query: Door, book: Book) -> None:
    launch_id = new_id()
    run_id = book.launched(launch_id)
    first = get_run(query, run_id)
    again = get_run(query, run_id, **{"if-none-match": first.headers["ETag"]})
    assert (again.status, again.text) == (304, "")
    assert {name: again.headers[name] for name in ("ETag", "Cache-Control")} == {
        "ETag": first.headers["ETag"],
        "Cache-Control": "private, no-cache",
    }
    assert "Content-Type" not in again.headers
    book.delivered(run_id, launch_id, "error")
    changed = get_run(query, run_id, **{"if-none-match": first.headers["ETag"]})
    assert (changed.status, changed.body["outcome"]) == (200, "failed")
    assert changed.headers["ETag"] != first.headers["ETag"]
    assert re.fullmatch(r'"[0-9a-f]{32}"', changed.headers["ETag"])


def test_an_answer_with_a_link_is_renewed_before_its_link_ends(query: Door, book: Book, wall: WallClock) -> None:
    launch_id = new_id()
    run_id = book.launched(launch_id)
    book.delivered(run_id, launch_id, "error", spilled=True)
    etag = get_run(query, run_id).headers["ETag"]
    assert etag.startswith("W/")
    wall.now = NOW + 119
    assert get_run(query, run_id, **{"if-none-match": etag}).status == 304
    wall.now = NOW + 120
    assert get_run(query, run_id, **{"if-none-match": etag}).status == 200


def waiting(query: Door, wall: WallClock) -> Counter[str]:
    """Have time pass only while the handler sleeps; count the reads."""
    wall.monotonic = lambda: wall.now
    return calls_of(query)


@pytest.mark.parametrize(("wait", "seconds"), [("wait=3", 3), ("wait=25", 25), ("wait=999", 25), ("wait=0", 0)])
def test_a_caller_who_waits_is_answered_in_time_whatever_the_run_does(
    query: Door, book: Book, wall: WallClock, wait: str, seconds: int
) -> None:
    run_id = book.launched()
    reads = waiting(query, wall)
    reply = get_run(query, run_id, prefer=wait)
    assert (reply.status, reply.body["outcome"]) == (200, "pending")
    assert reply.headers["Preference-Applied"] == f"wait={seconds}"
    assert wall.now == NOW + seconds
    assert reads == {"GetItem": seconds + 1}


def test_a_caller_waits_the_whole_time_though_each_look_takes_some(
    query: Door, book: Book, wall: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, item = book.launched(), query.parts.runs.item
    waiting(query, wall)

    def slow(*key: str) -> Any:
        wall.now += 0.01
        return item(*key)

    monkeypatch.setattr(query.parts.runs, "item", slow)
    assert get_run(query, run_id, prefer="wait=1").body["outcome"] == "pending"
    assert 1 <= wall.now - NOW < 1.1


def test_a_caller_who_waits_hears_of_the_run_when_it_is_neither_pending_nor_settling(
    query: Door, book: Book, wall: WallClock
) -> None:
    launch_id = new_id()
    run_id = book.launched(launch_id)
    waiting(query, wall)
    steps: dict[float, Callable[[], object]] = {
        NOW + 2: partial(book.delivered, run_id, launch_id, "success"),
        NOW + 5: partial(book.settled, run_id, "awaiting_input", "[]"),
    }

    def step() -> None:
        if wall.now in steps:
            steps.pop(wall.now)()

    wall.while_asleep = step
    reply = get_run(query, run_id, prefer="wait=20")
    assert (reply.body["outcome"], wall.now) == ("awaiting_input", NOW + 5)


def test_nobody_waits_for_what_is_over_or_unknown(query: Door, book: Book, wall: WallClock) -> None:
    launch_id = new_id()
    run_id = book.launched(launch_id)
    book.delivered(run_id, launch_id, "timeout")
    waiting(query, wall)
    assert get_run(query, run_id, prefer="wait=20").body["outcome"] == "timed_out"
    assert get_run(query, new_id(), prefer="wait=20").status == 404
    assert wall.now == NOW
    assert "Preference-Applied" not in get_run(query, run_id).headers


@pytest.mark.parametrize("run_id", ["00000000-0000-4000-8000-000000000000", "1", "%2e%2e", "é", "x" * 3000])
def test_an_unknown_run_is_404(query: Door, output: Output, run_id: str) -> None:
    calls = calls_of(query)
    reply = get_run(query, run_id)
    assert (reply.status, reply.problem) == (404, "unknown")
    assert calls == ({"GetItem": 1} if len(run_id) == 36 else {})  # DynamoDB refuses a key that is too long
    assert reply.headers["Cache-Control"] == "no-store"
    assert output.counts == {"refused": 1, "refused:unknown": 1}


def listed(query: Door, text: str) -> list[list[str]]:
    """Return the runs of each page."""
    pages: list[list[str]] = []
    cursor = ""
    while len(pages) < 20:
        reply = query.get(f"/runs?{text}{cursor}")
        assert reply.status == 200, reply.text
        assert reply.headers["Cache-Control"] == "private, no-cache"
        pages.append([run["run_id"] for run in reply.body["runs"]])
        if reply.body["next_cursor"] is None:
            return pages
        cursor = f"&cursor={quote(reply.body['next_cursor'])}"
    pytest.fail(f"no end: {pages}")


def test_runs_of_a_thread_are_listed_newest_first_page_by_page(query: Door, book: Book) -> None:
    made = [book.launched(thread_id=THREAD, now=NOW + number) for number in range(7)]
    book.launched(thread_id=new_id())
    assert listed(query, f"thread_id={THREAD.upper()}&limit=3") == [made[:3:-1], made[3:0:-1], made[:1]]
    assert listed(query, f"thread_id={THREAD}") == [made[::-1]]
    assert listed(query, f"thread_id={new_id()}") == [[]]


def test_runs_of_an_outcome_are_listed_from_all_shards_newest_first(query: Door, book: Book) -> None:
    launch_id = new_id()
    made = [book.launched(launch_id, now=NOW + number) for number in range(23)]
    for run_id in made[::2]:
        book.delivered(run_id, launch_id, "error")
    assert listed(query, "outcome=failed&limit=5") == [made[22:12:-2], made[12:2:-2], made[2::-2]]
    assert listed(query, "outcome=pending") == [made[1::2][::-1]]
    assert listed(query, "outcome=lost") == [[]]


def test_a_run_that_ends_between_two_pages_leaves_no_hole(query: Door, book: Book) -> None:
    launch_id = new_id()
    made = [book.launched(launch_id, now=NOW + number) for number in range(9)]
    first = query.get("/runs?outcome=pending&limit=4").body
    assert [run["run_id"] for run in first["runs"]] == made[:4:-1]
    for run_id in (made[5], made[4]):  # where the first page ended, and where the second would begin
        book.delivered(run_id, launch_id, "error")
    later = book.launched(launch_id, now=NOW + 60)
    second = query.get(f"/runs?outcome=pending&limit=4&cursor={first['next_cursor']}").body
    assert [run["run_id"] for run in second["runs"]] == made[3::-1]
    assert second["next_cursor"] is None
    assert later in listed(query, "outcome=pending")[0]


def test_what_failed_says_why_in_every_list(query: Door, book: Book) -> None:
    launch_id = new_id()
    book.launches.apply(claim(launch_id))
    run_id = book.launched(launch_id)
    book.delivered(run_id, launch_id, "error", error={"error": "ValueError", "message": "x" * 3000})
    assert len(get_run(query, run_id).body["error"]["message"]) == 2000
    for url in (f"/runs?thread_id={THREAD}", "/runs?outcome=failed", f"/launches/{launch_id}"):
        (shown,) = query.get(url).body["runs"]
        assert shown["error"] == {"type": "ValueError", "message": "x" * 200}


def test_a_list_is_a_summary(query: Door, book: Book) -> None:
    launch_id = new_id()
    run_id = book.launched(launch_id)
    told = book.delivered(run_id, launch_id, "error")
    reply = query.get("/runs?outcome=failed")
    assert reply.body["runs"] == [
        {
            "run_id": run_id,
            "launch_id": launch_id,
            "thread_id": THREAD,
            "assistant_id": "agent",
            "status": "error",
            "outcome": "failed",
            "source": "webhook",
            "created_at": "2026-11-22T06:00:00.000000Z",
            "ended_at": "2026-11-22T05:59:33.653878Z",
            "payload_bytes": told.payload.size,
            "unverified": True,
            "links": {"run": f"/runs/{run_id}"},
        }
    ]
    assert query.get("/runs?outcome=failed", {"if-none-match": reply.headers["ETag"]}).status == 304


@pytest.mark.parametrize("text", ["", "outcome=nope", "thread_id=a&limit=1000", "outcome=failed&cursor=x"])
def test_a_bad_query_is_400_and_names_its_parameter(query: Door, text: str, output: Output) -> None:
    reply = query.get(f"/runs?{text}")
    assert (reply.status, reply.problem) == (400, "invalid-request")
    assert all(set(error) == {"parameter", "detail"} for error in reply.body["errors"])
    assert output.counts["refused:invalid-request"] == 1


def test_a_launch_is_shown_with_its_runs(query: Door, book: Book) -> None:
    launch_id = new_id()
    book.launches.apply(claim(launch_id))
    reply = query.get(f"/launches/{launch_id.upper()}")
    assert (reply.status, reply.body["state"], reply.body["outcome"]) == (200, "starting", "pending")
    first = book.launched(launch_id)
    launch = launch_states.Launch.read(book.launches.item(launch_id) or {})
    assert book.launches.apply(launch_states.started(launch, first, NOW)) is None
    book.delivered(first, launch_id, "success")
    book.settled(first, "awaiting_input", "[]")
    assert query.get(f"/launches/{launch_id}").body["outcome"] == "awaiting_input"
    second = book.launched(launch_id, now=NOW + 9)
    book.apply(answer_states.moved_on(first, second, NOW))
    shown = query.get(f"/launches/{launch_id}").body
    assert (shown["state"], shown["run_id"], shown["outcome"]) == ("started", first, "pending")
    assert [(run["run_id"], run["outcome"]) for run in shown["runs"]] == [(second, "pending"), (first, "answered")]


def test_a_launch_whose_run_was_removed_says_so_and_one_that_the_index_has_not_yet_is_pending(
    query: Door, book: Book, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch_id = new_id()
    book.launches.apply(claim(launch_id))
    run_id = book.launched(launch_id)
    launch = launch_states.Launch.read(book.launches.item(launch_id) or {})
    assert book.launches.apply(launch_states.started(launch, run_id, NOW)) is None
    with monkeypatch.context() as patch:
        patch.setattr(query.parts.runs, "newest_of_launch", lambda *_: [])
        shown = query.get(f"/launches/{launch_id}").body
    assert (shown["outcome"], [run["run_id"] for run in shown["runs"]]) == ("pending", [run_id])
    aws.remove(run_id)
    shown = query.get(f"/launches/{launch_id}").body
    assert (shown["state"], shown["outcome"], shown["runs"]) == ("started", "removed", [])


def test_a_refused_launch_is_shown_with_langgraphs_words(query: Door, book: Book) -> None:
    launch_id = new_id()
    book.launches.apply(claim(launch_id))
    launch = launch_states.Launch.read(book.launches.item(launch_id) or {})
    update = launch_states.refused(launch, "langgraph-refused", "LangGraph answered 422: no such graph.", NOW)
    assert book.launches.apply(update) is None
    shown = query.get(f"/launches/{launch_id}").body
    assert (shown["outcome"], shown["reason"]) == ("refused", "langgraph-refused")
    assert shown["detail"] == "LangGraph answered 422: no such graph."


@pytest.mark.parametrize("prefix", ["", "/runs", "/runs-prod", "/launches", "/launches/runs"])
def test_links_begin_with_the_base_path_whatever_it_is(query: Door, book: Book, prefix: str) -> None:
    launch_id = new_id()
    book.launches.apply(claim(launch_id))
    run_id = book.launched(launch_id)
    run = query.get(f"/runs/{run_id}", prefix=prefix).body
    assert run["links"]["launch"] == f"{prefix}/launches/{launch_id}"
    for url in (f"/runs?thread_id={THREAD}", f"/launches/{launch_id}"):
        (shown,) = query.get(url, prefix=prefix).body["runs"]
        assert shown["links"] == {"run": f"{prefix}/runs/{run_id}"}


def test_g2_a_doubled_run_is_shown_as_one_and_is_not_the_launchs_outcome(query: Door, book: Book) -> None:
    launch_id = new_id()
    book.launches.apply(claim(launch_id))
    first, second = book.launched(launch_id), book.launched(launch_id, now=NOW + 1)
    book.delivered(first, launch_id, "error")
    book.apply(run_states.doubled(second, launch_id, NOW))
    shown = query.get(f"/launches/{launch_id}").body
    assert shown["outcome"] == "failed"
    assert [run.get("doubled") for run in shown["runs"]] == [True, None]
    assert get_run(query, second).body["doubled"] is True


@pytest.mark.parametrize("launch_id", ["00000000-0000-4000-8000-000000000000", "nothing"])
def test_an_unknown_launch_is_404(query: Door, launch_id: str) -> None:
    reply = query.get(f"/launches/{launch_id}")
    assert (reply.status, reply.problem) == (404, "unknown")


@pytest.mark.parametrize("kind", kinds.ALL)
@pytest.mark.parametrize(
    "url", [f"/runs/{new_id()}", "/runs?outcome=failed", f"/runs?thread_id={new_id()}", f"/launches/{new_id()}"]
)
def test_g6_a_ledger_that_cant_be_read_is_503(query: Door, faults: Faults, output: Output, kind: str, url: str) -> None:
    with faults.on(client_of(query.parts.runs), kind):
        reply = query.get(url)
    assert (reply.status, reply.problem) == (503, "unavailable")
    assert reply.headers["Retry-After"]
    assert output.counts == {"failed": 1}


@pytest.mark.parametrize("others", [0, 300])
def test_g10_each_route_makes_the_same_few_calls_however_large_the_ledger(query: Door, book: Book, others: int) -> None:
    launch_id = new_id()
    book.launches.apply(claim(launch_id))
    run_id = book.launched(launch_id)
    book.delivered(run_id, launch_id, "error", spilled=True)
    for number in range(others):
        book.launched(launch_id if number % 2 else None)
    calls = calls_of(query)
    expected = {
        f"/runs/{run_id}": {"GetItem": 1},
        f"/launches/{launch_id}": {"GetItem": 1, "Query": 1},
        "/runs?outcome=pending": {"Query": 8},
        f"/runs?thread_id={THREAD}": {"Query": 1},
    }
    for url, made in expected.items():
        reply = query.get(url)
        assert reply.status == 200
        assert calls == made, url
        calls.clear()
    assert json.loads(reply.text)["runs"]

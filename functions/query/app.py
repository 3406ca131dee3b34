"""GET /runs/{run_id}, GET /runs, GET /launches/{launch_id}: what the ledger has, as JSON.

One or two reads each, however large the ledger is (G10): a run by its key, a launch by its key and its runs by an
index, a page of one outcome from its 8 shards at once. Only `Prefer: wait=N` reads again, once a second.
"""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from runledger.adapters.gateway import Answer, Request, serve
from runledger.bootstrap import Once
from runledger.bootstrap.query import build
from runledger.domain import listings, views
from runledger.domain.headers import has_already, wait_seconds
from runledger.domain.ledger import SHARDS
from runledger.domain.problems import unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from runledger.domain.listings import Position
    from runledger.domain.run import Run

_AWAITED = ("pending", "settling")  # outcomes that a caller who waits waits out
_LOOK_SECONDS = 1.0
_LINK_WINDOW_SECONDS = 120  # how long an answer with a link counts as unchanged: its link is good for 300
_MAX_LAUNCH_RUNS = 100

parts = Once(build)
_threads = ThreadPoolExecutor(SHARDS)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one API Gateway event."""
    return serve(event, context, show)


def show(http: Request) -> Answer:
    """Answer one of the three routes: 200, 304 where the caller has it already, or a Problem."""
    return _ROUTES[http.route](http)


def _run(http: Request) -> Answer:
    run_id = http.identifier("run_id")
    waits = wait_seconds(http.headers)
    item = _awaited(run_id, waits or 0)
    prefix = http.prefix
    applied = {} if waits is None else {"Preference-Applied": f"wait={waits}"}
    if not {"payload_key", "questions_key"} & set(item):
        return _answer(http, views.run(item, prefix), is_final=views.is_final(item), headers=applied)
    # A link differs each time, so the ETag is made without it; but who has an old answer must get a new link in time.
    window = f"{views.run(item, prefix)} {int(time.time()) // _LINK_WINDOW_SECONDS}"
    payload, questions = (
        parts().bucket.link(item[name]) if name in item else None for name in ("payload_key", "questions_key")
    )
    text = views.run(item, prefix, payload, questions_url=questions)
    return _answer(http, text, is_final=views.is_final(item), headers=applied, same=window)


def _awaited(run_id: str, seconds: float) -> Run:
    """Return a run's item: as it is, or for up to `seconds` once it is neither pending nor settling."""
    ends = time.monotonic() + seconds
    while (item := parts().runs.item(run_id)) is not None:
        left = ends - time.monotonic()
        if item["outcome"] not in _AWAITED or left <= 0:
            return item
        time.sleep(min(_LOOK_SECONDS, left))
    raise unknown("run with this id")


def _runs(http: Request) -> Answer:
    listing, runs = listings.parse_listing(http.query), parts().runs

    def read(partition: str, after: Position | None) -> list[Run]:
        where = (partition, listing.limit + 1, listing.newest, after)
        return runs.newest_of_thread(*where) if listing.by == "thread_id" else runs.newest_of_outcome(*where)

    found = list(_threads.map(read, listing.partitions, listing.after))
    page, cursor = listings.page(listing, found)
    return _answer(http, views.page(page, http.prefix, cursor))


def _launch(http: Request) -> Answer:
    launch_id, runs = http.identifier("launch_id"), parts().runs
    item = parts().launches.item(launch_id)
    if item is None:
        raise unknown("launch with this id")
    found = runs.newest_of_launch(launch_id, _MAX_LAUNCH_RUNS)
    if not found and item["state"] == "started":  # its run was removed, or the index is a moment behind
        run = runs.item(item["run_id"])
        found = [run] if run else []
    return _answer(http, views.launch(item, found, http.prefix))


def _answer(
    http: Request, text: str, *, is_final: bool = False, headers: Mapping[str, str] | None = None, same: str = ""
) -> Answer:
    """Answer with JSON text, or 304; `same` stands for texts that mean the same and differ in their links."""
    digest = hashlib.sha256((same or text).encode()).hexdigest()[:32]
    etag = f'W/"{digest}"' if same else f'"{digest}"'
    sent = {**(headers or {}), "ETag": etag, "Cache-Control": f"private, {'max-age=60' if is_final else 'no-cache'}"}
    return Answer(304, None, sent) if has_already(http.headers, etag) else Answer(200, text, sent)


_ROUTES = {"GET /runs/{run_id}": _run, "GET /runs": _runs, "GET /launches/{launch_id}": _launch}

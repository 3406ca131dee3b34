"""What each operation costs, as `tests/integration/test_cost.py` counts it; `costs.py` and `load.py` reckon with it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Bill:
    """What one operation costs. Units of DynamoDB are written by table and index: indexes take most of them."""

    calls: dict[str, int] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    read: float = 0.0
    sent: int = 0  # bytes, to AWS; an object's own are `unpacked`
    received: int = 0  # bytes, from AWS
    unpacked: int = 0  # bytes put into the bucket, before gzip
    logged: int = 0  # bytes, as CloudWatch counts them

    @property
    def aws_calls(self) -> int:
        """Return how many calls go to AWS."""
        return sum(n for name, n in self.calls.items() if not name.startswith("LangGraph "))


PAYLOADS = {"2 KB": 2 * 1024, "32 KB": 32 * 1024, "50 KB": 50 * 1024, "1 MB": 1024 * 1024}  # of a webhook's body
BUDGET = {  # calls to AWS; a function reads its secrets besides, when it starts and then every five minutes
    "POST /runs": 3,
    "POST /webhook, 2 KB": 1,
    "POST /webhook, 50 KB": 2,
    "POST /webhook, 1 MB": 2,
    "GET /runs/{run_id}, 2 KB": 1,
    "GET /runs/{run_id}, 50 KB": 1,
}
STORED = {
    "2 KB": 4585,
    "32 KB": 35309,
    "50 KB": 2790,
    "1 MB": 2794,
}  # bytes in both tables and their indexes, of a launch and its run in the end

RUN, CHECKPOINT = "LangGraph GET /threads/…/runs/…", "LangGraph POST /threads/…/history"
CREATE = "LangGraph POST /threads/…/runs"
BILLS = {
    "POST /runs": Bill(
        {"UpdateItem": 3, CREATE: 1},
        {
            "Launches": 2,
            "Launches due": 2,
            "Runs": 1,
            "Runs by-launch": 1,
            "Runs by-outcome": 1,
            "Runs by-thread": 1,
            "Runs due": 1,
        },
        logged=590,
    ),
    "a message of the launch queue": Bill(
        {"UpdateItem": 3, CREATE: 1},
        {
            "Launches": 2,
            "Launches due": 2,
            "Runs": 1,
            "Runs by-launch": 1,
            "Runs by-outcome": 1,
            "Runs by-thread": 1,
            "Runs due": 1,
        },
        logged=642,
    ),
    "POST /runs/{run_id}/resume": Bill(
        {"GetItem": 1, "UpdateItem": 4, "LangGraph GET /threads/…/runs": 1, RUN: 1, CREATE: 1},
        {"Launches": 1, "Runs": 3, "Runs by-launch": 2, "Runs by-outcome": 3, "Runs by-thread": 2, "Runs due": 5},
        read=1.0,
        logged=569,
    ),
    "POST /runs/{run_id}/cancel": Bill(
        {"GetItem": 1, "UpdateItem": 1, "LangGraph POST /threads/…/runs/…/cancel": 1},
        {"Runs": 1, "Runs due": 2},
        read=1.0,
        logged=548,
    ),
    "POST /webhook, 2 KB": Bill(
        {"UpdateItem": 1},
        {"Runs": 3, "Runs by-launch": 1, "Runs by-outcome": 2, "Runs by-thread": 1, "Runs due": 2},
        logged=583,
    ),
    "a record to be settled, 2 KB": Bill(
        {"UpdateItem": 1, RUN: 1, CHECKPOINT: 1},
        {"Runs": 3, "Runs by-launch": 1, "Runs by-outcome": 2, "Runs by-thread": 1, "Runs due": 2},
        logged=544,
    ),
    "a record to be told, 2 KB": Bill(
        {"GetItem": 2, "PutEvents": 1, "UpdateItem": 1}, {"Runs": 3, "Runs due": 1}, read=2.0, logged=1_032
    ),
    "GET /runs/{run_id}, 2 KB": Bill({"GetItem": 1}, read=1.0),
    "GET /launches/{launch_id}": Bill({"GetItem": 1, "Query": 1}, read=1.5),
    "POST /webhook, 32 KB": Bill(
        {"UpdateItem": 1},
        {"Runs": 33, "Runs by-launch": 1, "Runs by-outcome": 2, "Runs by-thread": 1, "Runs due": 2},
        logged=584,
    ),
    "a record to be settled, 32 KB": Bill(
        {"UpdateItem": 1, RUN: 1, CHECKPOINT: 1},
        {"Runs": 33, "Runs by-launch": 1, "Runs by-outcome": 2, "Runs by-thread": 1, "Runs due": 2},
        logged=544,
    ),
    "a record to be told, 32 KB": Bill(
        {"GetItem": 2, "PutEvents": 1, "UpdateItem": 1}, {"Runs": 33, "Runs due": 1}, read=10.0, logged=1_032
    ),
    "GET /runs/{run_id}, 32 KB": Bill({"GetItem": 1}, read=9.0),
    "POST /webhook, 50 KB": Bill(
        {"PutObject": 1, "UpdateItem": 1},
        {"Runs": 1, "Runs by-launch": 1, "Runs by-outcome": 2, "Runs by-thread": 1, "Runs due": 2},
        unpacked=51106,
        logged=634,
    ),
    "a record to be settled, 50 KB": Bill(
        {"UpdateItem": 1, RUN: 1, CHECKPOINT: 1},
        {"Runs": 1, "Runs by-launch": 1, "Runs by-outcome": 2, "Runs by-thread": 1, "Runs due": 2},
        logged=544,
    ),
    "a record to be told, 50 KB": Bill(
        {"GetItem": 2, "PutEvents": 1, "UpdateItem": 1}, {"Runs": 1, "Runs due": 1}, read=2.0, logged=1_032
    ),
    "GET /runs/{run_id}, 50 KB": Bill({"GetItem": 1}, read=1.0),
    "POST /webhook, 1 MB": Bill(
        {"PutObject": 1, "UpdateItem": 1},
        {"Runs": 1, "Runs by-launch": 1, "Runs by-outcome": 2, "Runs by-thread": 1, "Runs due": 2},
        unpacked=1048482,
        logged=636,
    ),
    "a record to be settled, 1 MB": Bill(
        {"UpdateItem": 1, RUN: 1, CHECKPOINT: 1},
        {"Runs": 1, "Runs by-launch": 1, "Runs by-outcome": 2, "Runs by-thread": 1, "Runs due": 2},
        logged=544,
    ),
    "a record to be told, 1 MB": Bill(
        {"GetItem": 2, "PutEvents": 1, "UpdateItem": 1}, {"Runs": 1, "Runs due": 1}, read=2.0, logged=1_032
    ),
    "GET /runs/{run_id}, 1 MB": Bill({"GetItem": 1}, read=1.0),
    "POST /runs and a POST /webhook that is faster": Bill(
        {"UpdateItem": 6, CREATE: 1},
        {
            "Launches": 10,
            "Launches due": 3,
            "Runs": 3,
            "Runs by-launch": 2,
            "Runs by-outcome": 3,
            "Runs by-thread": 2,
            "Runs due": 1,
        },
        logged=1550,
    ),
    "a record to be verified": Bill(
        {"UpdateItem": 1, RUN: 1},
        {
            "Runs": 2,
            "Runs by-launch": 1,
            "Runs by-outcome": 1,
            "Runs by-thread": 1,
        },  # lists show the mark
    ),
    "GET /runs?thread_id=…": Bill({"Query": 1}, read=0.5),
    "GET /runs?outcome=…": Bill({"Query": 8}, read=4.0),
    "a sweep, one due": Bill(
        {"GetQueueAttributes": 1, "Query": 16, "UpdateItem": 1, "SendMessageBatch": 1},
        {"Runs": 1, "Runs due": 2},
        read=8.0,
        logged=235,
    ),
    "work on one due": Bill(
        {"GetItem": 1, "UpdateItem": 1, RUN: 1, CHECKPOINT: 1},
        {"Runs": 2, "Runs by-launch": 1, "Runs by-outcome": 2, "Runs by-thread": 1, "Runs due": 2},
        read=1.0,
        logged=571,
    ),
    "a sweep, one told": Bill(
        {"GetQueueAttributes": 1, "Query": 16, "UpdateItem": 1, "SendMessageBatch": 1},
        {"Runs": 2, "Runs due": 2},
        read=8.0,
        logged=235,
    ),
    "work on one told": Bill(
        {"GetItem": 3, "PutEvents": 1, "UpdateItem": 3}, {"Runs": 6, "Runs due": 1}, read=3.0, logged=1447
    ),
    "a sweep, 10 due": Bill(
        {"GetQueueAttributes": 1, "Query": 16, "UpdateItem": 10, "SendMessageBatch": 1},
        {"Runs": 10, "Runs due": 20},
        read=8.0,
        logged=235,
    ),
    "work on 10 due": Bill(
        {"GetItem": 10, "UpdateItem": 10, RUN: 10, CHECKPOINT: 10},
        {"Runs": 20, "Runs by-launch": 10, "Runs by-outcome": 20, "Runs by-thread": 10, "Runs due": 20},
        read=10.0,
        logged=3676,
    ),
    "a sweep, 10 told": Bill(
        {"GetQueueAttributes": 1, "Query": 16, "UpdateItem": 10, "SendMessageBatch": 1},
        {"Runs": 20, "Runs due": 20},
        read=8.0,
        logged=235,
    ),
    "work on 10 told": Bill(
        {"GetItem": 30, "PutEvents": 10, "UpdateItem": 30}, {"Runs": 60, "Runs due": 10}, read=30.0, logged=12_004
    ),
    "work on 10 unfinished launches": Bill(
        {
            "GetItem": 10,
            "UpdateItem": 40,
            "Query": 20,
            "LangGraph GET /threads/…/runs": 10,
            "LangGraph DELETE /threads/…": 10,
            "LangGraph POST /threads": 10,
            CREATE: 10,
        },
        {
            "Launches": 30,
            "Launches due": 30,
            "Runs": 10,
            "Runs by-launch": 10,
            "Runs by-outcome": 10,
            "Runs by-thread": 10,
            "Runs due": 10,
        },
        read=20.0,
        logged=3998,
    ),
}

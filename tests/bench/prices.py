"""AWS's list prices in us-east-1, in dollars, without the free tier: written down by hand, to be checked before use.

`known` is the month in which each was last known to hold. AWS shows the present ones at aws.amazon.com/pricing.
"""

from __future__ import annotations

from dataclasses import dataclass

REGION = "us-east-1"


@dataclass(frozen=True)
class Price:
    """So many dollars for `per` units."""

    what: str
    dollars: float
    per: int
    unit: str
    known: str

    def of(self, units: float) -> float:
        """Return what so many units cost."""
        return units * self.dollars / self.per


_MILLION, _GB = 1_000_000, 1024**3
GB_SECOND = {
    "x86_64": Price("Lambda, x86_64", 0.0000166667, 1, "GB-second", "2025-01"),
    "arm64": Price("Lambda, arm64", 0.0000133334, 1, "GB-second", "2025-01"),
}
INVOCATION = Price("Lambda", 0.20, _MILLION, "invocations", "2025-01")
HTTP_REQUEST = Price("HTTP API", 1.00, _MILLION, "requests of up to 512 KB, the first 300 million", "2025-05")
WRITE_UNIT = Price("DynamoDB, on demand", 0.625, _MILLION, "write units", "2025-07")
READ_UNIT = Price("DynamoDB, on demand", 0.125, _MILLION, "read units", "2025-07")
TABLE_BYTE = Price("DynamoDB, storage", 0.25, _GB, "bytes in a month", "2025-01")
RECOVERY_BYTE = Price("DynamoDB, point-in-time recovery", 0.20, _GB, "bytes in a month", "2025-01")
STREAM_READ = Price("DynamoDB streams, read by Lambda", 0.0, _MILLION, "reads", "2025-01")
PUT = Price("S3", 0.005, 1000, "PUTs", "2025-01")
GET = Price("S3", 0.0004, 1000, "GETs", "2025-01")
BUCKET_BYTE = Price("S3, storage, the first 50 TB", 0.023, _GB, "bytes in a month", "2025-01")
EVENT = Price("EventBridge, custom events", 1.00, _MILLION, "events of up to 64 KB", "2026-06")
SCHEDULED = Price("EventBridge Scheduler", 1.00, _MILLION, "invocations", "2026-03")
MESSAGE = Price("SQS, standard", 0.40, _MILLION, "requests of up to 64 KB", "2025-01")
SECRET = Price("Secrets Manager", 0.40, 1, "secrets in a month", "2026-09")
SECRET_READ = Price("Secrets Manager", 0.05, 10_000, "calls", "2026-09")
LOG_BYTE = Price("CloudWatch Logs, ingestion, the first 10 TB", 0.50, _GB, "bytes", "2026-02")
METRIC = Price("CloudWatch, custom metrics, the first 10,000", 0.30, 1, "metrics in a month", "2026-02")
ALARM = Price("CloudWatch, alarms", 0.10, 1, "alarms in a month", "2026-02")
SENT_BYTE = Price("Data out to the internet", 0.09, _GB, "bytes, after the first 100 GB", "2026-02")

ALL = [*GB_SECOND.values(), *(price for price in list(globals().values()) if isinstance(price, Price))]

"""A day of ten million runs, second by second, against the limits of `limits.py`: who waits, what workers have to do.

Runs are counted, not made: how many come, how many a limit lets through, how many are left for the next second. Callers
repeat a 429 until it is taken. LangGraph tries a webhook three times in some four seconds; then the run is left to the
workers. Arrivals are drawn at random, with a seed: the same day each time.
"""

from __future__ import annotations

import math
import random
from collections import Counter, deque
from dataclasses import dataclass, field

from runledger.domain.ledger import SHARDS
from runledger.domain.retry import FIRST_CHECK_SECONDS, UNREACHED_SECONDS
from tests.bench import limits

DAY = 86_400
LENGTHS = {10: 0.6, 60: 0.3, 600: 0.1}  # seconds that runs take, and how many of them
PAUSES = (1, 3)  # seconds before LangGraph's second try and its third, seen as 1.1 and 2.5
BURSTS, BURST_SECONDS, BURST_TIMES = 6, 60, 20  # a day, and how many times the mean comes then
SCHEDULED = 0.1  # of all runs: by the queue, at the full hour
OUTAGE, TOLD_IN = range(14 * 3600, 14 * 3600 + 600), 10  # LangGraph ends no run; then all that were to end, in seconds
_UNEVEN = 1.42  # standard deviations by which the fullest of eight shards exceeds their mean
_SHARD_UNITS = limits.PARTITION_UNITS - _UNEVEN * math.sqrt(
    limits.PARTITION_UNITS
)  # the mean, when the fullest is full


@dataclass(frozen=True)
class Setting:
    """What a day is tried with."""

    name: str
    runs: int = 10_000_000
    api: int = limits.parameter("ApiRequestsPerSecond")
    webhook: int = limits.parameter("WebhookRequestsPerSecond")
    queue: int = limits.parameter("LaunchQueueConcurrency")
    warm: int = limits.NEW_TABLE_UNITS  # units in a second that the index `due` is known to take
    shards: int = SHARDS
    workers: int = limits.parameter("WorkerConcurrency")
    has_webhooks: bool = True
    lengths: tuple[tuple[int, float], ...] = tuple(LENGTHS.items())


@dataclass
class Day:
    """What came of it; seconds and numbers are the highest of the day."""

    launched: int = 0
    waited: float = 0.0  # seconds that a caller repeated a 429
    queued: float = 0.0  # seconds that a message waited
    lost: int = 0  # deliveries that were refused three times
    units: int = 0  # written to the fullest shard of the index `due` in a second
    at_once: float = 0.0  # executions
    late: int = 0  # seconds that an event came behind its run
    due: int = 0  # runs, when a sweep began
    overdue: int = 0  # seconds that a run without a webhook waited for a worker after it was due


@dataclass
class World:
    """One day as it goes."""

    setting: Setting
    seconds: int = DAY
    seed: int = 1
    seen: Day = field(default_factory=Day)
    waiting: int = 0  # callers
    queued: int = 0  # messages
    untold: deque[tuple[int, int]] = field(default_factory=deque)  # since when, how many: the stream's
    ends: Counter[int] = field(default_factory=Counter)
    tries: Counter[tuple[int, int]] = field(default_factory=Counter)  # by second and number
    coming: dict[int, list[tuple[float, int]]] = field(default_factory=dict)  # by second: due no more then, how many
    due: deque[tuple[int, float, int]] = field(default_factory=deque)  # since when, due no more then, how many
    enqueued: deque[tuple[int, float, int]] = field(default_factory=deque)  # likewise: what is in the work queue
    units: float = 0.0  # written to the index `due` in this second
    tokens: dict[str, int] = field(default_factory=dict)
    allowed: float = 0.0  # units in a second
    partitions: float = limits.TABLE_PARTITIONS
    peaks: list[float] = field(default_factory=lambda: [0.0])  # of units, minute by minute

    def live(self) -> Day:
        """Let it pass."""
        callers = self._arrivals()
        for now in range(self.seconds):
            self.units = 0.0
            if now % 60 == 0:
                self._grow()
                self._sweep(now)
            self._work(now)
            launched = self._launch(now, callers[now])
            passed = self._deliver(now, launched)
            told = self._tell(now, passed)
            busy = (launched, passed, told)
            at_once = sum(n * seconds for n, seconds in zip(busy, limits.SECONDS, strict=True))
            self.seen.at_once = max(self.seen.at_once, at_once)
            fullest = self.units / self.setting.shards
            self.seen.units = max(self.seen.units, round(fullest + _UNEVEN * math.sqrt(fullest)))
            self.peaks[-1] = max(self.units, self.peaks[-1])
        return self.seen

    def _arrivals(self) -> list[int]:
        """Return how many callers come each second: by day more than by night, and in bursts."""
        source, bursts = random.Random(self.seed), set[int]()
        for _ in range(BURSTS):
            begin = source.randrange(self.seconds)
            bursts |= set(range(begin, begin + BURST_SECONDS))
        mean = self.setting.runs * (1 - SCHEDULED) / (DAY + BURSTS * BURST_SECONDS * (BURST_TIMES - 1))
        found = []
        for second in range(self.seconds):
            expected = mean * (BURST_TIMES if second in bursts else 1 - 0.5 * math.cos(2 * math.pi * second / DAY))
            found.append(max(0, round(source.gauss(expected, math.sqrt(expected)))))
        return found

    def _launch(self, now: int, callers: int) -> int:
        setting = self.setting
        self.waiting += callers
        self.queued += round(setting.runs * SCHEDULED / 24) if now % 3600 == 0 else 0
        by_callers = self._take("api", setting.api, self.waiting)
        by_queue = min(self.queued, round(setting.queue / limits.SECONDS[0]))
        self.waiting, self.queued = self.waiting - by_callers, self.queued - by_queue
        self.seen.waited = max(self.seen.waited, self.waiting / setting.api)
        self.seen.queued = max(self.seen.queued, self.queued * limits.SECONDS[0] / setting.queue)
        launched = by_callers + by_queue
        self.seen.launched += launched
        self.units += launched * limits.DUE_UNITS[0]
        for length, share in setting.lengths:
            end = now + length
            end = OUTAGE.stop + end % TOLD_IN if end in OUTAGE else end
            number = round(launched * share)
            self.ends[end] += number
            for at in limits.looks(end - now):
                self.coming.setdefault(now + int(at), []).append((end, number))
        return launched

    def _deliver(self, now: int, launched: int) -> int:
        """Let LangGraph deliver what has ended; whoever tries again stands in no line."""
        self.tries[now, 0] += self.ends.pop(now, 0)
        mine = [self.tries.pop((now, number), 0) for number in range(len(PAUSES) + 1)]
        wanted = sum(mine)
        if not self.setting.has_webhooks:
            self._leave(now, wanted)
            return 0
        executions = limits.CONCURRENCY - launched * limits.SECONDS[0]
        room = min(executions / limits.SECONDS[1], (self.allowed - self.units) / limits.DUE_UNITS[1])
        passed = self._take("webhook", self.setting.webhook, min(wanted, max(0, int(room))))
        self.units += passed * limits.DUE_UNITS[1]
        for number, tried in enumerate(mine):
            failed = tried - round(passed * tried / wanted) if wanted else 0
            if number < len(PAUSES):
                self.tries[now + PAUSES[number], number + 1] += failed
            elif failed:
                self._leave(now, failed)
        return passed

    def _leave(self, now: int, number: int) -> None:
        """Leave runs to the workers."""
        self.seen.lost += number
        self.coming.setdefault(now + FIRST_CHECK_SECONDS, []).append((math.inf, number))

    def _tell(self, now: int, passed: int) -> int:
        """Have the stream's workers settle and publish what was delivered, as fast as stream and index let them."""
        self.untold.append((now, passed))
        room = (self.allowed - self.units) / limits.DUE_UNITS[2]
        pace = left = max(0, int(min(self.partitions * limits.STREAM_PACE, room)))
        while self.untold and left >= self.untold[0][1]:
            since, number = self.untold.popleft()
            left -= number
            self.seen.late = max(self.seen.late, now - since)
        if self.untold:
            since, number = self.untold[0]
            self.untold[0] = since, number - left
            left = 0
        self.units += (pace - left) * limits.DUE_UNITS[2]
        return pace - left

    def _grow(self) -> None:
        """Learn what the table takes by now: twice what it took half an hour ago, a thousand for each partition."""
        known = max(self.setting.warm, 2 * max(self.peaks[:-30], default=0.0))
        self.allowed = min(known, self.setting.shards * _SHARD_UNITS)
        self.partitions = max(limits.TABLE_PARTITIONS, known / limits.PARTITION_UNITS)
        self.peaks.append(0.0)

    def _sweep(self, now: int) -> None:
        """Put what is due into the work queue, the longest due first, until the sweep ends or the queue is full."""
        for second in range(now - 60, now):
            self.due.extend((second, until, number) for until, number in self.coming.pop(second, []))
        self.seen.due = max(self.seen.due, sum(number for _, until, number in self.due if until > now))
        waiting = sum(number for _, _, number in self.enqueued)
        room = min(limits.FULL * self.setting.workers - waiting, int(limits.SWEEP_SECONDS * limits.sweep_pace()))
        while self.due and room > 0:
            since, until, number = self.due.popleft()
            if until <= now:
                continue  # its webhook came
            taken = min(number, room)
            room -= taken
            self.enqueued.append((since, until, taken))
            if taken < number:
                self.due.appendleft((since, until, number - taken))

    def _work(self, now: int) -> None:
        """Let the workers work for a second."""
        left = float(self.setting.workers)
        while self.enqueued and left > 0:
            since, until, number = self.enqueued.popleft()
            each = limits.FOUND_SECONDS if until == math.inf else limits.GOING_SECONDS
            done = number if until <= now else min(number, math.ceil(left / each))
            left -= 0 if until <= now else done * each
            if done < number:
                self.enqueued.appendleft((since, until, number - done))
            if until == math.inf:
                self.seen.overdue = max(self.seen.overdue, now - since)

    def _take(self, door: str, rate: int, wanted: int) -> int:
        """Return how many pass a door: a token bucket whose burst is its rate."""
        tokens = self.tokens.get(door, rate) + rate
        taken = min(wanted, tokens)
        self.tokens[door] = min(rate, tokens - taken)
        return taken


def minutes_after_an_outage(launches: int, workers: int) -> float:
    """Return how long after the end of an outage the last of the launches is started over that it left, in minutes.

    While it lasts each is tried again after five minutes at the latest, so that they are due evenly over the next five.
    """
    due, waiting, started, second = 0.0, 0.0, 0.0, 0
    while started < launches:
        second += 1
        due = min(launches, launches * second / UNREACHED_SECONDS) - started - waiting
        if second % 60 == 0:
            moved = min(due, limits.FULL * workers - waiting, limits.SWEEP_SECONDS * limits.sweep_pace())
            waiting += moved
        done = min(waiting, workers / limits.LAUNCH_SECONDS)
        waiting, started = waiting - done, started + done
    return second / 60

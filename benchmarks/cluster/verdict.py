"""What a run has shown: the numbers as tables, and everything that is not as promised, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.cluster.course import Course, Kill
from benchmarks.cluster.dag_run import Try
from benchmarks.cluster.environment import WORKERS
from benchmarks.pace import most_in_any_second

TASK_COLUMNS = ("task", "records", "tries", "ran on", "delivered", "merged", "resumed", "batches", "requests")
_COUNTS = ("read", "delivered", "rejected", "suppressed", "merged", "unknown", "resumed", "batches")
_ZERO = ("rejected", "suppressed", "unknown")
# How long before a save was noted it may have been taken: what arrived since was not in it.
_SAVE_TAKES = 1.0


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known when a run is over.

    :param users: users in the source.
    :param records: records in each file, by map index.
    :param limit: requests a second that the server allows.
    :param arrivals: when each request arrived, in Unix time, and how it was answered.
    :param wrong: how many users the server holds otherwise than the source says, by what is wrong.
    """

    users: int
    records: list[int]
    limit: int
    course: Course
    arrivals: list[tuple[float, int | None]]
    wrong: Counter[str]

    @property
    def accepted(self) -> list[float]:
        """When each request arrived that was accepted."""
        return [at for at, status in self.arrivals if status == 200]

    @property
    def most_in_a_second(self) -> int:
        """The most requests of any one second, refused ones included."""
        return most_in_any_second(at for at, _ in self.arrivals)

    @property
    def sent_again(self) -> int:
        """Accepted requests beyond one for each batch."""
        batches: int = sum(report["batches"] for report in self.course.reports.values())
        return len(self.accepted) - batches

    @property
    def may_be_sent_again(self) -> int:
        """What resume promises: no more than arrived after what the killed tasks had saved last."""
        if (kill := self.course.kill) is None:
            return 0
        since = min((saved.at if saved else 0.0 for saved in kill.saved.values()), default=kill.at) - _SAVE_TAKES
        return sum(since <= at <= kill.at + _SAVE_TAKES for at in self.accepted)

    def share(self, *, before: float = float("inf"), after: float = float("-inf")) -> float:
        """Return the share of the allowed rate that was attained between two moments."""
        within = [at for at in self.accepted if after <= at <= before]
        return (len(within) - 1) / (within[-1] - within[0]) / self.limit if len(within) > 1 else 0.0


def facts(evidence: Evidence) -> list[tuple[str, str]]:
    """Return the numbers of the run as rows of a table."""
    course, kill = evidence.course, evidence.course.kill
    total = Counter[str]()
    for report in course.reports.values():
        total.update({name: report[name] for name in _COUNTS})
    statuses = Counter(status for _, status in evidence.arrivals)
    sums = f"{total['read']:,} read = {total['delivered']:,} delivered + {total['merged']:,} merged"
    rows = [
        ("source", f"{evidence.users:,} users, {sum(evidence.records):,} records in {len(evidence.records)} files"),
        ("reports, added up", f"{sums}, {total['resumed']:,} resumed"),
        ("requests accepted", f"{len(evidence.accepted):,} for {total['batches']:,} batches"),
        ("most requests in any one second", f"{evidence.most_in_a_second} (limit {evidence.limit})"),
        ("answers 429", f"{statuses[429]:,}"),
        ("longest wait of a process for a core", course.longest_wait),
        ("share of the rate, whole run", f"{evidence.share():.2%}"),
    ]
    return [*rows, *(_facts_of(kill, evidence) if kill else ())]


def _facts_of(kill: Kill, evidence: Evidence) -> Iterator[tuple[str, str]]:
    again = sorted(at - kill.at for at in evidence.course.retried_at.values())
    yield "share of the rate, both workers", f"{evidence.share(before=kill.at):.2%}"
    yield "share of the rate, one worker", f"{evidence.share(after=kill.at):.2%}"
    yield "killed", f"{kill.processes} processes with {len(kill.saved)} tasks, {kill.held:,} users held"
    yield (
        "killed tasks were running again after (noticed, and their turn)",
        f"{again[0]:.0f} to {again[-1]:.0f} s" if again else "never",
    )
    yield "requests sent again", f"{evidence.sent_again} (at most {evidence.may_be_sent_again} were not saved)"


def tasks(evidence: Evidence) -> list[tuple[object, ...]]:
    """Return a row for each task; the requests are those of its last try."""
    course = evidence.course
    killed = course.kill.saved if course.kill else {}
    rows: list[tuple[object, ...]] = []
    for one in course.tries:
        index, report = one.map_index, course.reports.get(one.map_index, {})
        numbers = [f"{report[name]:,}" if report else "" for name in TASK_COLUMNS[4:]]
        on = (", killed; " if index in killed else "; ").join(course.workers.get(index, []))
        rows.append((index, f"{evidence.records[index]:,}", one.number, on, *numbers))
    return rows


def faults(evidence: Evidence) -> list[str]:
    """Return everything that is not as promised, in words; nothing when all is well."""
    course = evidence.course
    found = [] if course.state == "success" else [f"the run ended as {course.state}"]
    found += [f"{count:,} users {what}" for what, count in evidence.wrong.items()]
    if course.kill is None:
        found.append("no worker was killed: the run was over too soon")
    for index, records in enumerate(evidence.records):
        found += [f"task {index}: {fault}" for fault in _faults_of(index, records, course)]
    found += _faults_of_the_sum(course)
    if evidence.most_in_a_second > evidence.limit + 1:
        found.append(
            f"{evidence.most_in_a_second} requests in one second, with {evidence.limit} allowed, on a machine where a "
            f"process waited for a core for up to {course.longest_wait}"
        )
    if not 0 <= evidence.sent_again <= evidence.may_be_sent_again:
        found.append(f"{evidence.sent_again} requests sent again, with 0 to {evidence.may_be_sent_again} promised")
    return found


def _faults_of(index: int, records: int, course: Course) -> Iterator[str]:
    report = course.reports.get(index)
    if report is None:
        yield "returned no report"
        return
    if report["read"] != records:
        yield f"read {report['read']:,} of {records:,} records"
    if report["read"] != report["delivered"] + report["merged"] or any(report[name] for name in _ZERO):
        yield "its counts do not add up"
    saved = course.kill.saved if course.kill else {}
    left = saved.get(index)
    if report["resumed"] != (left.delivered if left else 0):
        yield f"resumed {report['resumed']:,}, where {left.delivered if left else 0:,} were saved"
    to_send = report["batches"] - (left.batches if left else 0)
    if report["requests"] - report["retries"] != to_send:
        yield f"sent {report['requests'] - report['retries']} requests for {to_send} batches"
    one = next((one for one in course.tries if one.map_index == index), None)
    yield from _faults_of_tries(one, course.workers.get(index, []), was_killed=index in saved)


def _faults_of_tries(one: Try | None, workers: list[str], *, was_killed: bool) -> Iterator[str]:
    wanted = 2 if was_killed else 1
    if one is None or one.number != wanted:
        yield f"took {one.number if one else 'no'} tries instead of {wanted}"
    # A second try that took less than a second may not have been seen.
    if was_killed and workers not in ([*WORKERS[:1]], [*WORKERS]):
        yield f"ran on {', '.join(workers)} instead of on one worker, then on the other"


def _faults_of_the_sum(course: Course) -> Iterator[str]:
    summed = {name: sum(report[name] for report in course.reports.values()) for name in _COUNTS}
    told = {name: value for name, value in (course.summary or {}).items() if name in _COUNTS}
    if told != summed:
        yield f"the DAG's own sum is {told} instead of {summed}"
    if course.kill and not summed["resumed"]:
        yield "nothing was resumed"

"""What the bot shows, in the format that Prometheus reads. Needs the extra `monitor`."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from trading_bot.core.operator_files import BotStatus
from trading_bot.domain.errors import UsageError
from trading_bot.monitor.checks import Health, Level
from trading_bot.monitor.sight import Sight
from trading_bot.monitor.story import Story

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_LEVELS: Final = {Level.OK: 0, Level.WARN: 1, Level.FAIL: 2}
_US: Final = 1e-6
_NS: Final = 1e-9
_QUANTILES: Final = (("0.5", "p50_ns"), ("0.9", "p90_ns"), ("0.99", "p99_ns"), ("0.999", "p999_ns"), ("1", "max_ns"))


def exposition(sight: Sight, story: Story, health: Health) -> bytes:
    """The page of metrics.

    Raises:
        UsageError: prometheus-client is not installed.
    """
    try:
        from prometheus_client import CollectorRegistry, generate_latest
    except ImportError as error:
        raise UsageError(
            "metrics need the package prometheus-client: pip install 'trading-bot[monitor]'; /health works without it"
        ) from error
    registry = CollectorRegistry()
    registry.register(_Page([*_of_checks(health), *_of_log(sight, story), *_of_status(sight), *_of_times(story)]))
    return generate_latest(registry)


class _Page:
    """A collector of what was seen at one moment."""

    def __init__(self, found: list["Metric"]) -> None:
        self._found = found

    def collect(self) -> Iterable["Metric"]:
        """All of it."""
        return self._found


def _of_checks(health: Health) -> Iterator["Metric"]:
    levels = {(check.name,): float(_LEVELS[check.level]) for check in health.checks}
    yield _gauge("check", "0 ok, 1 warn, 2 fail", levels, ("check",))
    ages = {(check.name,): check.age_s for check in health.checks if check.age_s is not None}
    yield _gauge("check_age_seconds", "Age of what a check looked at", ages, ("check",))


def _of_log(sight: Sight, story: Story) -> Iterator["Metric"]:
    yield _gauge("up", "1 while a bot runs in the data directory", {(): float(bool(sight.running))})
    yield _gauge("kill_switch", "1 while latched", {(): float(sight.latch is not None)})
    if sight.disk_free_bytes is not None:
        yield _gauge("disk_free_bytes", "Room in the data directory", {(): float(sight.disk_free_bytes)})
    yield _gauge("log_last_seq", "Number of the newest record of the session's log", {(): float(sight.last_seq)})
    yield _counter("market_records", "Market records read", {(): float(story.ticks)})
    yield _counter("messages", "Other records read", {(): float(story.messages)})
    yield _counter("fills", "Executions", {(): float(story.fills)})
    yield _counter("trades_closed", "Round trips", {(): float(story.trades_closed)})
    yield _counter("decisions", "Decisions by action and reason", _split(story.decided), ("action", "reason"))
    yield _counter("alerts", "Alerts by level and code", _split(story.alerted), ("level", "code"))
    refused = {(name,): float(count) for name, count in story.refused.items()}
    yield _counter("refusals", "Refusals by check of the safety gate", refused, ("check",))


def _of_status(sight: Sight) -> Iterator["Metric"]:
    status = sight.status
    if status is None:
        return
    if status.position_qty is not None:
        yield _gauge("position_contracts", "Signed; absent while unknown", {(): float(status.position_qty)})
    kind = "hypothetical" if status.hypothetical else "real"
    yield _gauge("pnl_net_usd", "Net result of the run", {(kind,): status.pnl_net_usd}, ("kind",))
    scores = {("data",): status.dvs_c / 100, ("execution",): status.eqs_c / 100}
    yield _gauge("score", "Quality, 0 to 1", scores, ("score",))
    yield _gauge("working_entries", "Entries that may still fill", {(): float(status.working_entries)})
    limits = {(row["limit"],): float(row["distance_usd"]) for row in status.limits}
    yield _gauge("limit_distance_usd", "What may still be lost before a breaker", limits, ("limit",))
    yield _gauge("breaker_tripped", "1 while tripped", _tripped(status), ("breaker",))
    if status.link:
        parts = {(part,): float(bool(status.link.get(part))) for part in ("socket", "broker", "farm", "flowing", "up")}
        yield _gauge("link", "1 where that part of the link stands", parts, ("part",))
    rows = {
        (row["rule"],): float(row["distance_usd"])
        for row in status.rules.get("rows", ())
        if row["distance_usd"] is not None
    }
    if rows:
        yield _gauge("rule_distance_usd", "What is left before a rule of the account breaks", rows, ("rule",))


def _tripped(status: BotStatus) -> dict[tuple[str, ...], float]:
    rules = {row["rule"]: float(row["tripped"]) for row in status.rules.get("rows", ())}
    losses = {row["limit"]: float(row["tripped"]) for row in status.limits}
    others = dict.fromkeys(status.breakers, 1.0)
    return {(name,): value for name, value in (losses | others | rules).items()}


def _of_times(story: Story) -> Iterator["Metric"]:
    sample, summary = story.latency, story.summary
    if sample is not None and not sample.modelled:
        yield _gauge("decision_seconds_p99", "Tick to decision, newest second", {(): sample.decision_us_p99 * _US})
        yield _gauge("loop_lag_seconds_max", "Loop busy elsewhere, newest second", {(): sample.loop_lag_us_max * _US})
    if summary is not None:
        times = {
            (stage.stage, quantile): getattr(stage, name) * _NS
            for stage in summary.stages
            for quantile, name in _QUANTILES
        }
        yield _gauge("stage_seconds", "Stages of the newest span (docs/latency.md)", times, ("stage", "quantile"))


def _split(counts: dict[str, int]) -> dict[tuple[str, ...], float]:
    return {(name.partition("/")[0], name.partition("/")[2]): float(count) for name, count in counts.items()}


def _gauge(name: str, text: str, values: Mapping[Any, float], labels: tuple[str, ...] = ()) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(f"trading_bot_{name}", text, labels=labels)
    for label, value in values.items():
        family.add_metric(list(label), value)
    return family


def _counter(name: str, text: str, values: Mapping[Any, float], labels: tuple[str, ...] = ()) -> "Metric":
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(f"trading_bot_{name}", text, labels=labels)
    for label, value in values.items():
        family.add_metric(list(label), value)
    return family

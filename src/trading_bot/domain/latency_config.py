"""The latency budget and how latency is told (docs/latency.md), as configuration. Everything here is wall time.

Check 21 of the safety gate holds these limits beside `safety.decision_p99_ms_max` and `safety.loop_lag_ms_max`: what is
slower enters nothing. Exits ask nobody.
"""

from typing import Annotated, Final

from trading_bot.domain.config_section import Section, unit, within


class LatencyConfig(Section, frozen=True):
    """Limits are 99th percentiles (nearest rank) over the newest orders; 0: no limit."""

    tick_to_write_p99_ms_max: Annotated[
        float, within(0, 60_000), unit("ms", "from a tick at the socket to its order written; above: no entries")
    ] = 100.0
    ack_p99_ms_max: Annotated[
        float, within(0, 60_000), unit("ms", "from an order written to the broker's first answer; above: no entries")
    ] = 2_000.0
    decode_p99_ms_max: Annotated[
        float, within(0, 60_000), unit("ms", "from the socket to tick records; 0: no limit of its own")
    ] = 0.0
    decide_p99_ms_max: Annotated[
        float, within(0, 60_000), unit("ms", "from tick records to the kernel's outcome; 0: no limit of its own")
    ] = 0.0
    gate_p99_ms_max: Annotated[
        float, within(0, 60_000), unit("ms", "from the outcome to an order approved and in the log; 0: none of its own")
    ] = 0.0
    write_p99_ms_max: Annotated[
        float, within(0, 60_000), unit("ms", "from there to its bytes written; 0: no limit of its own")
    ] = 0.0
    clock_offset_ms_max: Annotated[
        float, within(0, 600_000), unit("ms", "between the gateway's clock and ours; certainly above: no entries")
    ] = 5_000.0
    orders_window_s: Annotated[int, within(10, 86_400), unit("s", "orders older than this count no more")] = 600
    orders_min: Annotated[int, within(1, 100), unit("orders", "before the limits above are judged")] = 5
    order_wait_s: Annotated[
        float, within(1, 120), unit("s", "for answer and fill; then an order's times are told as they are")
    ] = 12.0
    summary_s: Annotated[int, within(5, 3_600), unit("s", "between two LATENCY_SUMMARY in the log")] = 60


# For `config show`: what the specification does not give.
ASSUMED: Final[dict[str, str]] = {
    "tick_to_write_p99_ms_max": "twice what a decision may take; a thousand times what this way takes when all is well",
    "ack_p99_ms_max": "two fifths of the time after which an unanswered entry is unknown",
    "clock_offset_ms_max": "sessions and lockouts go by our clock: five seconds are more than any of them has to spare",
    "orders_window_s": "long enough for a few orders, short enough that one bad minute does not end the day",
    "orders_min": "of fewer orders the 99th percentile is one order's bad luck",
    "order_wait_s": "an entry lives ten seconds; two more for what is said about its end",
    "summary_s": "a minute is what the other reports count in",
}

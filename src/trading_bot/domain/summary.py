"""The run summary: what `--json` prints at the end of a run (specification, section 13)."""

import msgspec


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Counts, extremes and digests of one run. Scores 0..1, money in dollars (display), times in ns UTC (0: none).

    `refusals_by_reason` counts the safety gate's refusals by the check's number (`CHECK_11`), `blocked_by_check` the
    same by its name. `live_would_block`: entries of this run that LIVE would have refused, by its reason.
    """

    run_id: str
    mode: str
    adapter: str
    instrument: str
    config_hash: str
    events: int
    quotes: int
    trades: int
    rejected_inputs: dict[str, int]
    decisions: int
    skips_by_reason: dict[str, int]
    skips_by_template: dict[str, dict[str, int]]
    approvals: int
    approvals_by_template: dict[str, int]
    refusals_by_reason: dict[str, int]
    orders: int
    fills: int
    trades_closed: int
    exits_by_cause: dict[str, int]
    position_qty: int
    pnl_net_usd: float
    pnl_hypothetical: float
    naked_ms_max: float
    throttled: dict[str, str]
    breakers: dict[str, int]
    ts_flatten_ns: int
    dvs_min: float
    dvs_last: float
    eqs_min: float
    eqs_last: float
    ts_first_ns: int
    ts_last_ns: int
    effects_digest: str
    state_digest: str
    log_path: str
    wall_s: float
    events_per_s: float
    exit_reason: str
    exit_code: int
    message: str
    blocked_by_check: dict[str, int] = {}
    live_would_block: dict[str, int] = {}


class ReplayReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `replay` found: digests of the replayed run and the first difference, if any."""

    ok: bool
    logs: int
    records: int
    ticks: int
    effects: int
    first_difference_seq: int | None
    reason: str
    last_seq: int
    torn_bytes: int
    effects_digest: str
    state_digest: str
    wall_s: float
    ticks_per_s: float

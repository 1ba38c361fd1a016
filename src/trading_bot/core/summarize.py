"""The summary of a finished run, from its counters and its last state."""

from pathlib import Path

from trading_bot.core.machine import Machine
from trading_bot.core.runner import BotRunner
from trading_bot.domain.summary import RunSummary
from trading_bot.domain.units import NS_PER_MS, usd_from_uusd

_WHOLE_C = 100.0


def summarize(runner: BotRunner, *, log_path: Path | None, wall_s: float) -> RunSummary:
    """Counts, scores 0..1 and digests. `wall_s` is the run's wall time in seconds."""
    machine = runner.machine
    assert machine is not None
    state, counters = machine.state, machine.counters
    kernel = state.kernel
    market = kernel.counters()
    events = runner.records + counters.messages
    return RunSummary(
        run_id=runner.identity.run_id,
        mode=runner.identity.mode,
        adapter=runner.identity.adapter,
        instrument=runner.documents.instrument.symbol,
        config_hash=runner.documents.config_hash,
        events=events,
        quotes=counters.before_quotes + market["quotes"],
        trades=counters.before_trades + market["trades"],
        rejected_inputs=dict(sorted(runner.feed.rejected_by_reason.items())),
        decisions=counters.decisions,
        skips_by_reason=dict(counters.skips_by_reason.most_common()),
        skips_by_template={
            name: dict(reasons.most_common()) for name, reasons in sorted(counters.skips_by_template.items())
        },
        approvals=counters.approvals,
        approvals_by_template=_approvals(machine),
        refusals_by_reason=dict(counters.refusals_by_reason.most_common()),
        orders=counters.orders_placed if runner.identity.orders_count else 0,
        fills=counters.fills,
        trades_closed=counters.trades_closed,
        exits_by_cause=dict(counters.exits_by_cause.most_common()),
        position_qty=state.position_qty or 0,
        pnl_net_usd=usd_from_uusd(counters.net_uusd),
        pnl_hypothetical=usd_from_uusd(counters.net_hypothetical_uusd),
        naked_ms_max=counters.naked_ns_max / NS_PER_MS,
        throttled=machine.throttled(),
        breakers=dict(counters.breakers_tripped.most_common()),
        ts_flatten_ns=counters.ts_flatten_ns,
        dvs_min=kernel.dvs_min_c / _WHOLE_C,
        dvs_last=kernel.dvs_c / _WHOLE_C,
        eqs_min=state.eqs_min_c / _WHOLE_C,
        eqs_last=state.eqs_c / _WHOLE_C,
        ts_first_ns=runner.ts_first_ns,
        ts_last_ns=max(state.ts_ns, kernel.now_ns),
        effects_digest=machine.run_digest.hexdigest(),
        state_digest=state.digest(),
        log_path=str(log_path) if log_path else "",
        wall_s=wall_s,
        events_per_s=events / wall_s if wall_s > 0 else 0.0,
        exit_reason=runner.exit_reason,
        exit_code=runner.exit_code,
        message=runner.message,
        blocked_by_check=dict(counters.blocked_by_check.most_common()),
        live_would_block=dict(counters.live_would_block.most_common()),
    )


def _approvals(machine: Machine) -> dict[str, int]:
    """Every template that is on has a row, so that a zero shows."""
    names = [name for name, template in machine.state.documents.templates.items() if template.on]
    return {name: machine.counters.approvals_by_template[name] for name in names}

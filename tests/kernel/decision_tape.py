"""Three hours of a faulty market behind six sessions of bars, templates that use everything, a digest of the whole."""

import hashlib

from tests.kernel.kit import BAR, GRID, TICK, template, trigger
from tests.property.tapes import Call, as_record
from tests.reference.ref_kernel import RefHotPath, pack
from tests.signals.market import DAY0, HOUR, MINUTE, S, history, kernel_config, live
from trading_bot._fast import HotPath
from trading_bot.domain.kernel import Candidate, KernelConfig, MapKnot, TargetRule
from trading_bot.domain.signal_registry import SIGNALS

FROM = DAY0 + 12 * HOUR + 15 * MINUTE
MINUTES = 180
NEVER_NS = 2**62
KNOTS = (MapKnot(0.3, 0.30, 0.60, -1.0), MapKnot(0.6, 0.55, 0.35, 0.5), MapKnot(0.9, 0.80, 0.15, 2.0))


def config() -> KernelConfig:
    """Every cadence, both target rules, maps in two buckets, scaling, triggers on categories, fed and new signals."""
    weighted = [spec.name for spec in SIGNALS if spec.cadence == "bar" and not spec.category]
    return kernel_config(
        cost_share_max_e6=250_000,
        stability_max_e6=50_000,
        templates=(
            template("bars", BAR, dict.fromkeys(weighted[:24], 0.5), z_enter=0.0, z_hold=0.0),
            template("k2", BAR, {"failed_break": 2.0, "noise": -0.2}, trigger("failed_break", 0.01), z_enter=0.0),
            template("k3", GRID, {"sweep_reversal": 2.0, "ofi_5s": 0.3}, trigger("sweep_reversal", 0.01), z_enter=0.0),
            template(
                "phase", GRID, {"mom_5s": 1.0, "level_bias": 0.3, "context_1": 0.2},
                trigger("session_phase", 2.0, 4.0), trigger("vol_z", -0.5, delta=True),
                z_enter=0.1, z_hold=0.0, rv_reference=1.4, smoothing_ns=S,
            ),
            template(
                "flow", TICK, {"microprice_dev": 1.0, "ofi_1s": 1.0, "trade_imb_5s": 0.5, "dvs": 0.2},
                z_enter=0.3, z_hold=0.1, smoothing_ns=S, maps=((), KNOTS, KNOTS),
                passive=True, target_ticks=40, stop_ticks=20,
            ),
            template(
                "vwap", TICK, {"queue_imbalance": 1.0}, a=2.0, target_rule=TargetRule.VWAP, target_ticks=30,
                rv_reference=1.2, maps=(KNOTS, (), ()),
            ),
        ),
    )  # fmt: skip


def faulty(calls: list[Call]) -> list[Call]:
    """The market with a pause of four minutes, a minute of late trades, a silence of 12 s and a rejected record."""
    found: list[Call] = []
    for name, args in calls:
        at = (args[0] - FROM) / S
        if 1800 <= at < 2040 or 4000 <= at < 4012:
            continue
        if name == "on_trade" and 6000 <= at < 6060:
            found.append((name, (*args[:4], args[0] - 6 * S, 0)))
        else:
            found.append((name, args))
        if name == "on_quote" and 5000 <= at < 5000.5:
            found.append(("on_rejected", (args[0],)))
    return found


def digest(kernel: HotPath | RefHotPath) -> tuple[str, list[Candidate], int, int]:
    """Digest of all that every stop shows; then the candidates, all codes and the lowest score."""
    for name, args in history(FROM):
        getattr(kernel, name)(*args)
    kernel.set_entry_mask(0b111101)
    kernel.set_costs(0.2, 0.1)
    kernel.set_slippage_factors(0.5, 1.5)
    records = [as_record(call) for call in faulty(live(21, FROM, MINUTES))]
    tape = records if isinstance(kernel, RefHotPath) else b"".join(pack(record) for record in records)
    found, candidates, codes, at, code = hashlib.sha256(), [], 0, 0, 1
    while code:
        at, code = kernel.run(tape, at, NEVER_NS)  # type: ignore[arg-type]
        scores = (kernel.dvs_c, kernel.penalties(), tuple(kernel.beliefs()))
        found.update(repr((at, int(code), kernel.now_ns, kernel.candidates(), scores)).encode())
        candidates += kernel.candidates()
        codes |= code
    found.update(repr(kernel.signals()).encode())
    return found.hexdigest(), candidates, codes, kernel.dvs_min_c

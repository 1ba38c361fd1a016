"""Beliefs, triggers and the terms of a candidate (docs/kernel.md, section 8)."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from tests.reference.arith import clamp, e6, ratio, sigma, squash, weight
from tests.reference.costs import expected_slippage
from trading_bot.domain.kernel import Candidate, MapKnot, TargetRule, TemplateRow, TriggerRow, Verdict
from trading_bot.domain.signal_registry import SIGNAL_BY_ID

LONG, SHORT = 1, -1


@dataclass(frozen=True)
class View:
    """What a template may read at one evaluation."""

    t: int
    value: Callable[[str], float | None]
    previous_bar_value: Callable[[str], float | None]


@dataclass(frozen=True)
class Terms:
    """What the terms of a candidate depend on besides its template and belief."""

    commission: float
    min_euc: float
    throttle: float
    sigma_p: float
    belief_factor: float
    eqs_c: int
    dvs_c: int
    slippage_base: float
    slippage_cap: float
    entry_factor: float
    stop_factor: float
    stability_max_e6: int
    cost_share_max_e6: int
    rv_300s: float | None
    hour_factor: float
    atr_14_n: float | None
    spread: int | None
    vwap: tuple[int, int, int] | None  # C, V, N of the last 60 s bar


class Side:
    """Memory of one side of a template."""

    def __init__(self) -> None:
        self.holds = False
        self.episode = 0
        self.last_look_ns: int | None = None
        self.fired: tuple[int, bool] | None = None  # in this episode, lastly: its verdict, and whether masked then


class Template:
    """One template: smoothed sums and the two sides."""

    def __init__(self, index: int, row: TemplateRow) -> None:
        self.index = index
        self.row = row
        self.w = 0.0
        for item in row.weights:
            self.w += abs(item.weight)
        self.forget()

    def forget(self) -> None:
        """Smoothing and edges start afresh."""
        self.os: float | None = None
        self.es: float | None = None
        self.d = 0.0
        self.last_ns = 0
        self.sides = {LONG: Side(), SHORT: Side()}
        self.missing = False

    def z(self, side: int) -> float | None:
        if self.os is None or self.es is None:
            return None
        signed = self.es + self.os if side == LONG else self.es - self.os
        return self.row.a * signed / self.w + self.row.b

    def belief(self) -> tuple[object, ...]:
        return (
            self.os,
            self.es,
            None if self.os is None else self.d,
            self.z(LONG),
            self.z(SHORT),
            self.sides[LONG].holds,
            self.sides[SHORT].holds,
            self.missing,
        )

    def _sums(self, view: View) -> tuple[float, float] | None:
        """O and e: the bar signals in order, then the others in order; None when one of them is missing."""
        parts = {"bar": {"odd": 0.0, "even": 0.0}, "flow": {"odd": 0.0, "even": 0.0}}
        for item in self.row.weights:
            spec = SIGNAL_BY_ID[item.signal]
            x = view.value(spec.name)
            if x is None:
                return None
            if spec.scale != 0.0:
                x = squash(x / spec.scale)
            parts["bar" if spec.cadence == "bar" else "flow"][spec.parity] += item.weight * x
        return parts["bar"]["odd"] + parts["flow"]["odd"], parts["bar"]["even"] + parts["flow"]["even"]

    def _smooth(self, t: int, o: float, e: float) -> None:
        if self.os is None or self.es is None:
            self.os, self.es, self.d = o, e, 0.0
        else:
            w = 0.0 if self.row.smoothing_ns == 0 else weight(t - self.last_ns, self.row.smoothing_ns)
            new_os = o + w * (self.os - o)
            new_es = e + w * (self.es - e)
            self.d = self.d * w + abs(new_os - self.os) + abs(new_es - self.es)
            self.os, self.es = new_os, new_es
        self.last_ns = t

    @staticmethod
    def _trigger_number(trigger: TriggerRow, view: View) -> float | None:
        name = SIGNAL_BY_ID[trigger.signal].name
        x = view.value(name)
        if not trigger.delta:
            return x
        before = view.previous_bar_value(name)
        return None if x is None or before is None else x - before

    @staticmethod
    def _passes(trigger: TriggerRow, x: float, side: int) -> bool:
        if side == SHORT and SIGNAL_BY_ID[trigger.signal].parity == "odd":
            x = -x
        return (trigger.low is None or trigger.low <= x) and (trigger.high is None or x <= trigger.high)

    def evaluate(self, view: View, terms: Terms, *, masked: bool) -> list[Candidate]:
        """One evaluation; returns the candidates of the sides that fire, long first."""
        sums = self._sums(view)
        if sums is not None:
            self._smooth(view.t, *sums)
        numbers = [(trigger, self._trigger_number(trigger, view)) for trigger in self.row.triggers]
        self.missing = sums is None or any(x is None for _, x in numbers)
        holds = {side: self._side_holds(side, numbers) for side in (LONG, SHORT)}
        if holds[LONG] and holds[SHORT]:
            z_long, z_short = self.z(LONG), self.z(SHORT)
            ranked = not self.missing and z_long is not None and z_short is not None
            holds[LONG] = ranked and z_long > z_short
            holds[SHORT] = ranked and z_short > z_long
        found = [self._look(side, view.t, terms, holds=holds[side], masked=masked) for side in (LONG, SHORT)]
        return [candidate for candidate in found if candidate is not None]

    def _side_holds(self, side: int, numbers: list[tuple[TriggerRow, float | None]]) -> bool:
        available = [(trigger, x) for trigger, x in numbers if x is not None]
        all_pass = all(self._passes(trigger, x, side) for trigger, x in available)
        if self.missing:
            return bool(available) and all_pass
        z = self.z(side)
        assert z is not None
        return all_pass and z >= (self.row.z_hold if self.sides[side].holds else self.row.z_enter)

    def _look(self, side: int, t: int, terms: Terms, *, holds: bool, masked: bool) -> Candidate | None:
        memory = self.sides[side]
        if not holds:
            memory.holds, memory.fired = False, None
            return None
        if not memory.holds:
            memory.holds = True
            memory.episode += 1
        if memory.last_look_ns is not None and t - memory.last_look_ns < self.row.rearm_ns:
            return None
        if memory.fired is not None and masked:
            return None
        memory.last_look_ns = t
        found = self._held_candidate(side, terms, memory.episode)
        if memory.fired is not None:
            verdict, was_masked = memory.fired
            if not (found.verdict == 0 or found.verdict != verdict or was_masked):
                return None
        memory.fired = (found.verdict, masked)
        return found

    def _held_candidate(self, side: int, x: Terms, episode: int) -> Candidate:
        if self.missing:
            return _missing(self.index, side, episode)
        z = self.z(side)
        assert z is not None
        return self.candidate(side, x, belief=sigma(z), z=z, stability=self.d / self.w, episode=episode)

    def candidate(self, side: int, x: Terms, *, belief: float, z: float, stability: float, episode: int) -> Candidate:
        """The candidate of a side at the terms of this moment."""
        row = self.row
        k = 1.0
        if row.rv_reference != 0.0:
            if x.rv_300s is None:
                return _missing(self.index, side, episode)
            k = clamp(x.rv_300s / row.rv_reference, 0.5, 2.0)
        target, stop = self._target(k, x.vwap), _scaled(row.stop_ticks, k)
        t, s_ticks = float(target), float(stop)
        c = x.commission
        q = expected_slippage(x.slippage_base, x.hour_factor, x.atr_14_n, x.spread)
        e = 0.0 if row.passive else min(q * x.entry_factor, x.slippage_cap)
        s = min(q * x.stop_factor, x.slippage_cap)
        p_be = (s_ticks + c + e + s) / (float(target + stop) + s)
        bucket = _volatility(x.atr_14_n)
        knots = row.maps[bucket]
        if knots:
            p_target, p_stop, mark = _from_map(knots, belief)
            p_time = 1.0 - p_target - p_stop
        else:
            p_target = p_be + 0.5 * (belief - p_be) * row.applicability
            p_stop, p_time, mark = 1.0 - p_target, 0.0, 0.0
        half_spread = 0.0 if x.spread is None else float(x.spread) / 2.0
        edge = p_target * t - p_stop * s_ticks + p_time * mark
        f = c + e + (p_stop + p_time) * s + p_time * half_spread
        if x.belief_factor < 1.0 and edge > f:
            withheld = min((1.0 - x.belief_factor) * (edge - f) / (float(target + stop) + s), p_target)
            p_target, p_stop = p_target - withheld, p_stop + withheld
            edge = p_target * t - p_stop * s_ticks + p_time * mark
            f = c + e + (p_stop + p_time) * s + p_time * half_spread
        doubt = 1.0 + 0.5 * (1.0 - ratio(x.dvs_c, 100)) + 0.5 * (1.0 - ratio(x.eqs_c, 100))
        u = float(target + stop) * x.sigma_p * doubt
        reported = {
            "stability_e6": e6(stability), "edge_e6": e6(edge), "uncertainty_e6": e6(u),
            "required_e6": e6(x.throttle * (f + x.min_euc)), "cost_share_e6": e6(f / t),
        }  # fmt: skip
        return Candidate(
            template=self.index,
            side=side,
            missing=False,
            episode=episode,
            z_e6=e6(z),
            belief_e6=e6(belief),
            p_e6=e6(p_target),
            p_be_e6=e6(p_be),
            cost_e6=e6(f),
            euc_e6=e6(edge - u - f),
            slippage_e6=e6(s),
            target_ticks=target,
            stop_ticks=stop,
            p_stop_e6=e6(p_stop),
            p_time_e6=e6(p_time),
            mark_e6=e6(mark),
            entry_slippage_e6=e6(e),
            scale_e6=e6(k),
            volatility=bucket,
            fitted=bool(knots),
            verdict=_verdict(reported, x),
            **reported,
        )

    def _target(self, k: float, vwap: tuple[int, int, int] | None) -> int:
        scaled = _scaled(self.row.target_ticks, k)
        if self.row.target_rule != TargetRule.VWAP or vwap is None:
            return scaled
        c, v, n = vwap
        if v == 0:
            return scaled
        return min(scaled, max(1, math.floor(ratio(abs(c * v - n), v))))


def _scaled(ticks: int, k: float) -> int:
    return max(1, math.floor(float(ticks) * k + 0.5))


def _volatility(atr_14_n: float | None) -> int:
    if atr_14_n is None:
        return 1
    return 0 if atr_14_n * 3.0 < 0.7 else 2 if atr_14_n * 3.0 > 1.5 else 1


def _from_map(knots: tuple[MapKnot, ...], belief: float) -> tuple[float, float, float]:
    """Chances of target and stop, and the mark, between the two knots around a belief."""
    points = [(knot.p_target, knot.p_stop, knot.mark_ticks) for knot in knots]
    if belief < knots[0].belief:
        return points[0]
    for i in range(len(knots) - 1):
        low, high = knots[i].belief, knots[i + 1].belief
        if low <= belief < high:
            f = (belief - low) / (high - low)
            a, b, c = (x0 + f * (x1 - x0) for x0, x1 in zip(points[i], points[i + 1], strict=True))
            return a, b, c
    return points[-1]


def _verdict(reported: dict[str, int], x: Terms) -> int:
    verdict = 0
    if reported["stability_e6"] > x.stability_max_e6:
        verdict |= Verdict.UNSTABLE
    if reported["cost_share_e6"] > x.cost_share_max_e6:
        verdict |= Verdict.COST_SHARE
    if reported["edge_e6"] - reported["uncertainty_e6"] < reported["required_e6"]:
        verdict |= Verdict.EUC_LOW
    return int(verdict)


def _missing(index: int, side: int, episode: int) -> Candidate:
    zeros = {name: 0 for name in Candidate.__struct_fields__ if name.endswith(("_e6", "_ticks"))}
    return Candidate(template=index, side=side, missing=True, episode=episode, verdict=int(Verdict.MISSING), **zeros)

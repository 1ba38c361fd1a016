"""Beliefs, triggers and the terms of a candidate (docs/kernel.md, section 8)."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from tests.reference.arith import e6, ratio, sigma, squash, weight
from trading_bot.domain.kernel import Candidate, TargetRule, TemplateRow, TriggerRow
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
    eqs_c: int
    dvs_c: int
    slippage_base: float
    slippage_cap: float
    hour_factor: float
    atr_14_n: float | None
    spread: int | None
    vwap: tuple[int, int, int] | None  # C, V, N of the last 60 s bar


class Side:
    """Memory of one side of a template."""

    def __init__(self) -> None:
        self.holds = False
        self.fired_in_episode = False
        self.episode = 0
        self.last_fire_ns: int | None = None


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

    def evaluate(self, view: View, *, masked: bool) -> list[int]:
        """One evaluation; returns the sides that fire, long first."""
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
        return [side for side in (LONG, SHORT) if self._edge(side, view.t, holds=holds[side], masked=masked)]

    def _side_holds(self, side: int, numbers: list[tuple[TriggerRow, float | None]]) -> bool:
        available = [(trigger, x) for trigger, x in numbers if x is not None]
        all_pass = all(self._passes(trigger, x, side) for trigger, x in available)
        if self.missing:
            return bool(available) and all_pass
        z = self.z(side)
        assert z is not None
        return all_pass and z >= (self.row.z_hold if self.sides[side].holds else self.row.z_enter)

    def _edge(self, side: int, t: int, *, holds: bool, masked: bool) -> bool:
        memory = self.sides[side]
        if not holds:
            memory.holds = memory.fired_in_episode = False
            return False
        if not memory.holds:
            memory.holds = True
            memory.episode += 1
        if memory.last_fire_ns is not None and t - memory.last_fire_ns < self.row.rearm_ns:
            return False
        if memory.fired_in_episode and masked:
            return False
        memory.fired_in_episode = True
        memory.last_fire_ns = t
        return True

    def candidate(self, side: int, x: Terms) -> Candidate:
        """The candidate of a side that has just fired, at the terms of this moment."""
        if self.missing:
            return Candidate(
                template=self.index, side=side, missing=True, episode=self.sides[side].episode, z_e6=0, belief_e6=0,
                p_e6=0, p_be_e6=0, stability_e6=0, edge_e6=0, uncertainty_e6=0, cost_e6=0, euc_e6=0, required_e6=0,
                cost_share_e6=0, slippage_e6=0, target_ticks=0, stop_ticks=0,
            )  # fmt: skip
        row = self.row
        z = self.z(side)
        assert z is not None
        target, stop = self._target(x.vwap), row.stop_ticks
        c, q = x.commission, _slippage(x)
        entry = 0.0 if row.passive else q
        s = q
        belief = sigma(z)
        p_be = (float(stop) + c + entry + s) / (float(target + stop) + s)
        p = p_be + 0.5 * (belief - p_be) * row.applicability
        edge = p * float(target) - (1.0 - p) * float(stop)
        f = c + entry + (1.0 - p) * s
        doubt = 1.0 + 0.5 * (1.0 - ratio(x.dvs_c, 100)) + 0.5 * (1.0 - ratio(x.eqs_c, 100))
        u = float(target + stop) * x.sigma_p * doubt
        return Candidate(
            template=self.index,
            side=side,
            missing=False,
            episode=self.sides[side].episode,
            z_e6=e6(z),
            belief_e6=e6(belief),
            p_e6=e6(p),
            p_be_e6=e6(p_be),
            stability_e6=e6(self.d / self.w),
            edge_e6=e6(edge),
            uncertainty_e6=e6(u),
            cost_e6=e6(f),
            euc_e6=e6(edge - u - f),
            required_e6=e6(x.throttle * (f + x.min_euc)),
            cost_share_e6=e6(f / float(target)),
            slippage_e6=e6(q),
            target_ticks=target,
            stop_ticks=stop,
        )

    def _target(self, vwap: tuple[int, int, int] | None) -> int:
        fixed = self.row.target_ticks
        if self.row.target_rule != TargetRule.VWAP or vwap is None:
            return fixed
        c, v, n = vwap
        if v == 0:
            return fixed
        return min(fixed, max(1, math.floor(ratio(abs(c * v - n), v))))


def _slippage(x: Terms) -> float:
    atr = 0.0 if x.atr_14_n is None else x.atr_14_n * 3.0
    a_atr = 2.0 if atr > 2.55 else 1.0 if atr > 2.1 else 0.0
    spread = 0 if x.spread is None else x.spread
    a_spread = 2.0 if spread >= 3 else 1.0 if spread >= 2 else 0.0
    q = x.slippage_base + a_atr + a_spread
    return min(q * x.hour_factor, x.slippage_cap)

"""Which candidate a decision or an order came from, while a log is read: the terms stand in the outcome before it."""

from trading_bot.core.on_outcome import rank
from trading_bot.domain.events import DecisionMade, OutcomeReached
from trading_bot.domain.kernel import Candidate
from trading_bot.domain.orders import ClientOrderId, Side
from trading_bot.domain.reasons import Action


class Candidates:
    """The candidates of the newest outcome, in the order they were judged in, and those that became orders.

    An order is numbered by its cause and its candidate's place, so its id alone names the candidate.
    `numbering` counts the numberings of episodes: after a price gap or a cold start they begin at 1 again.
    """

    def __init__(self, templates: tuple[str, ...]) -> None:
        """`templates` in the order of the run's documents, as candidates number them."""
        self.numbering = 0
        self._templates = templates
        self._seq = 0
        self._found: list[Candidate] = []
        self._entering: dict[tuple[str, int], int] = {}  # template and side -> number of the decision to enter
        self._decided_cause = 0
        self._of_order: dict[str, tuple[Candidate | None, int]] = {}

    def numbered_anew(self) -> None:
        """Episodes begin at 1 again."""
        self.numbering += 1

    def found(self, seq: int, outcome: OutcomeReached) -> None:
        """The kernel stopped."""
        self._seq, self._found = seq, sorted(outcome.candidates, key=rank)

    def proposed(self, cause_seq: int, candidate: Candidate) -> None:
        """A strategy in Python proposed another, at the same moment."""
        if cause_seq == self._seq:
            self._found = sorted([*self._found, candidate], key=rank)

    def decided(self, seq: int, cause_seq: int, decision: DecisionMade) -> None:
        """A decision, told before the order that it leads to."""
        if cause_seq != self._decided_cause:
            self._entering.clear()
            self._decided_cause = cause_seq
        if decision.action != Action.SKIP:
            self._entering[decision.template, decision.side] = seq

    def placed(self, order_id: ClientOrderId, template: str, side: Side) -> int:
        """An order left: remember its candidate. Number of the decision to enter, 0 where the log has none."""
        key = (template, 1 if side is Side.BUY else -1)
        decision_seq = self._entering.get(key, 0) if self._decided_cause == order_id[0] else 0
        self._of_order[f"{order_id[0]}-{order_id[1]}"] = (self.at(order_id), decision_seq)
        return decision_seq

    def of_order(self, order_id: str) -> Candidate | None:
        """The candidate of an order that left."""
        return self._of_order.get(order_id, (None, 0))[0]

    def of_decision(self, cause_seq: int, template: str, side: int) -> Candidate | None:
        """The candidate a decision was about."""
        if cause_seq != self._seq or template not in self._templates:
            return None
        index = self._templates.index(template)
        return next((row for row in self._found if (row.template, row.side) == (index, side)), None)

    def template_of(self, order_id: ClientOrderId) -> str:
        """The template an order number stands for, empty where the log does not tell."""
        candidate = self.at(order_id)
        return (
            ""
            if candidate is None or candidate.template >= len(self._templates)
            else self._templates[candidate.template]
        )

    def at(self, order_id: ClientOrderId) -> Candidate | None:
        """The candidate an order's id stands for, while its outcome is the newest."""
        seq, number = order_id
        return self._found[number] if seq == self._seq and number < len(self._found) else None

"""A position in another expiry of what is traded: no start rolls over it (field notes 2#23)."""

from trading_bot.adapters.ibkr.answers import Unknown
from trading_bot.adapters.ibkr.contracts import BoundContract
from trading_bot.adapters.ibkr.session import IbkrSession
from trading_bot.domain.errors import SourceUnreachable, UsageError


def check_no_other_expiry(session: IbkrSession, bound: BoundContract) -> None:
    """Ask what the account holds; positions of other instruments are somebody else's and are left alone.

    Raises:
        SourceUnreachable: the broker does not say; unknown is not none.
        UsageError: the account holds another expiry of the traded instrument.
    """
    answer = session.ask(session.ib.reqPositionsAsync())
    if isinstance(answer, Unknown):
        raise SourceUnreachable(f"the broker does not say what the account holds ({answer.reason}); try again")
    for row in answer.data:
        contract, qty = row.contract, int(row.position)
        mine = row.account == session.account and contract.symbol == bound.symbol
        if mine and qty and contract.conId != bound.con_id:
            name = contract.localSymbol or contract.conId
            raise UsageError(
                f"the account holds {qty:+d} {name}, and the contract to trade is {bound.local_symbol}: nothing was "
                f"sent. Close that position, or go on with it: the same --data-dir with ibkr.contract = {name}"
            )

"""C> 3 placeOrder: from the fields of versions 157 to 178 to an OrderRequest.

The layout is the one both client libraries write (docs/gateway.md); everything a future's plain order cannot carry is
read over by its length, and named in `unsupported` when it is set.
"""

from typing import Final

import msgspec

from trading_bot.adapters.gateway.contracts import Query
from trading_bot.adapters.gateway.wire import Fields

VERSION_DURATION: Final = 158
VERSION_POST_TO_ATS: Final = 160
VERSION_AUTO_CANCEL_PARENT: Final = 162
VERSION_ADVANCED_OVERRIDE: Final = 166
VERSION_MANUAL_TIME: Final = 169
VERSION_PEGS: Final = 170
VERSION_NO_FA_PROFILE: Final = 177

# Fields of a condition after its type, by the type: operator and its terms, with the conjunction.
_CONDITION_FIELDS: Final = {1: 6, 3: 3, 4: 3, 5: 4, 6: 5, 7: 5}


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One placement or change as it was asked for. Prices are points as floats, None where the field is empty.

    `unsupported` names what was set that this gateway cannot do.
    """

    order_id: int
    contract: Query
    action: str
    qty: float
    order_type: str
    limit_points: float | None
    aux_points: float | None
    tif: str
    oca_group: str = ""
    account: str = ""
    open_close: str = "O"
    origin: int = 0
    order_ref: str = ""
    transmit: bool = True
    parent_id: int = 0
    trigger_method: int = 0
    outside_rth: bool = False
    good_after: str = ""
    good_till: str = ""
    oca_type: int = 0
    all_or_none: bool = False
    min_qty: int = 0
    trail_stop_points: float | None = None
    trailing_percent: float | None = None
    what_if: bool = False
    algo: str = ""
    auto_cancel_parent: bool = False
    unsupported: tuple[str, ...] = ()


def _whole(fields: Fields, name: str) -> int:
    """A whole number that one library may write as a decimal."""
    return int(fields.float(name, 0.0))


def _skip(fields: Fields, *names: str) -> None:
    for name in names:
        fields.text(name)


class _Reader:
    """Reads the fields in order and collects values; each part is a run of the layout."""

    def __init__(self, fields: Fields, version: int) -> None:
        self.fields = fields
        self.version = version
        self.values: dict[str, object] = {}
        self.unsupported: list[str] = []

    def refuse_if(self, name: str, present: object) -> None:
        if present:
            self.unsupported.append(name)

    def head(self) -> None:
        f, v = self.fields, self.values
        v["order_id"] = f.req_id("orderId")
        contract = v["contract"] = Query.read(f)
        _skip(f, "secIdType", "secId")
        v["action"] = f.text("action")
        v["qty"] = f.float("totalQuantity", 0.0)
        v["order_type"] = f.text("orderType")
        v["limit_points"], v["aux_points"] = f.number_or_none("lmtPrice"), f.number_or_none("auxPrice")
        v["tif"], v["oca_group"], v["account"] = f.text("tif"), f.text("ocaGroup"), f.text("account")
        v["open_close"], v["origin"], v["order_ref"] = f.text("openClose"), _whole(f, "origin"), f.text("orderRef")
        v["transmit"], v["parent_id"] = f.flag("transmit"), _whole(f, "parentId")
        _skip(f, "blockOrder", "sweepToFill", "displaySize")
        v["trigger_method"], v["outside_rth"] = _whole(f, "triggerMethod"), f.flag("outsideRth")
        self.refuse_if("hidden", f.flag("hidden"))
        if contract.security_type == "BAG":
            self.refuse_if("BAG", True)
            self._combination()

    def _combination(self) -> None:
        f = self.fields
        for _ in range(_whole(f, "legs")):
            _skip(f, *(["leg"] * 8))
        for _ in range(_whole(f, "order legs")):
            _skip(f, "leg price")
        for _ in range(_whole(f, "routing parameters")):
            _skip(f, "tag", "value")

    def terms(self) -> None:
        f, v = self.fields, self.values
        _skip(f, "sharesAllocation")
        self.refuse_if("discretionaryAmt", f.float("discretionaryAmt", 0.0))
        v["good_after"], v["good_till"] = f.text("goodAfterTime"), f.text("goodTillDate")
        self.refuse_if("goodAfterTime", v["good_after"])
        self.refuse_if("faGroup", f.text("faGroup"))
        _skip(f, "faMethod", "faPercentage")
        if self.version < VERSION_NO_FA_PROFILE:
            self.refuse_if("faProfile", f.text("faProfile"))
        self.refuse_if("modelCode", f.text("modelCode"))
        _skip(f, "shortSaleSlot", "designatedLocation", "exemptCode")
        v["oca_type"] = _whole(f, "ocaType")
        _skip(f, "rule80A", "settlingFirm")
        v["all_or_none"], v["min_qty"] = f.flag("allOrNone"), _whole(f, "minQty")
        self.refuse_if("allOrNone", v["all_or_none"])
        self.refuse_if("minQty", v["min_qty"])
        _skip(f, "percentOffset", "eTradeOnly", "firmQuoteOnly", "nbboPriceCap", "auctionStrategy", "startingPrice")
        _skip(f, "stockRefPrice", "delta", "rangeLower", "rangeUpper", "overridePercentageConstraints")
        _skip(f, "volatility", "volatilityType")
        if f.text("deltaNeutralOrderType"):
            _skip(f, "deltaNeutralAuxPrice", *(["deltaNeutral"] * 8))
            self.refuse_if("deltaNeutralOrderType", True)
        else:
            _skip(f, "deltaNeutralAuxPrice")

    def rest_of_terms(self) -> None:
        f, v = self.fields, self.values
        _skip(f, "continuousUpdate", "referencePriceType")
        v["trail_stop_points"], v["trailing_percent"] = (
            f.number_or_none("trailStopPrice"),
            f.number_or_none("trailingPercent"),
        )
        _skip(f, "scaleInitLevelSize", "scaleSubsLevelSize")
        if f.float("scalePriceIncrement", 0.0) > 0:
            _skip(f, *(["scale"] * 7))
            self.refuse_if("scalePriceIncrement", True)
        _skip(f, "scaleTable")
        self.refuse_if("activeStartTime", f.text("activeStartTime"))
        self.refuse_if("activeStopTime", f.text("activeStopTime"))
        if f.text("hedgeType"):
            _skip(f, "hedgeParam")
            self.refuse_if("hedgeType", True)
        _skip(f, "optOutSmartRouting", "clearingAccount", "clearingIntent", "notHeld")
        if f.flag("deltaNeutralContract"):
            _skip(f, "conId", "delta", "price")
        v["algo"] = f.text("algoStrategy")
        if v["algo"]:
            self.refuse_if("algoStrategy", True)
            for _ in range(_whole(f, "algo parameters")):
                _skip(f, "tag", "value")
        _skip(f, "algoId")
        v["what_if"] = f.flag("whatIf")

    def tail(self) -> None:
        f = self.fields
        _skip(f, "orderMiscOptions", "solicited", "randomizeSize", "randomizePrice")
        order_type = self.values["order_type"]
        if order_type == "PEG BENCH":
            _skip(f, *(["peg"] * 5))
        conditions = _whole(f, "conditions")
        for _ in range(conditions):
            for _ in range(_CONDITION_FIELDS.get(_whole(f, "condition type"), 0)):
                _skip(f, "condition")
        if conditions:
            _skip(f, "conditionsIgnoreRth", "conditionsCancelOrder")
            self.refuse_if("conditions", True)
        self.refuse_if("adjustedOrderType", f.text("adjustedOrderType"))
        _skip(f, "triggerPrice", "lmtPriceOffset", "adjustedStopPrice", "adjustedStopLimitPrice")
        _skip(f, "adjustedTrailingAmount", "adjustableTrailingUnit", "extOperator", "softDollarName", "softDollarValue")
        self.refuse_if("cashQty", f.float("cashQty", 0.0))
        _skip(f, "mifid1", "mifid2", "mifid3", "mifid4", "dontUseAutoPriceForHedge", "isOmsContainer")
        _skip(f, "discretionaryUpToLimitPrice", "usePriceMgmtAlgo")
        if self.version >= VERSION_DURATION:
            _skip(f, "duration")
        if self.version >= VERSION_POST_TO_ATS:
            _skip(f, "postToAts")
        if self.version >= VERSION_AUTO_CANCEL_PARENT:
            self.values["auto_cancel_parent"] = f.flag("autoCancelParent")
        if self.version >= VERSION_ADVANCED_OVERRIDE:
            _skip(f, "advancedErrorOverride")
        if self.version >= VERSION_MANUAL_TIME:
            _skip(f, "manualOrderTime")
        if self.version >= VERSION_PEGS:
            f.rest()  # pegged orders only, which are refused by their type


def read_order(fields: Fields, version: int) -> OrderRequest:
    """The request after its message id, as a client of `version` writes it.

    Raises:
        BadRequest: a field is missing or means nothing.
    """
    reader = _Reader(fields, version)
    reader.head()
    reader.terms()
    reader.rest_of_terms()
    reader.tail()
    return msgspec.convert({**reader.values, "unsupported": tuple(reader.unsupported)}, OrderRequest, strict=False)

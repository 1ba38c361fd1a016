"""What a run depends on, as one value that the log embeds: a replay reads nothing but the log."""

import hashlib
import zlib
from typing import Any

import msgspec

from trading_bot.domain.calibration import CalibrationMap
from trading_bot.domain.config import BotConfig, canonical, config_hash
from trading_bot.domain.errors import LogCorrupt
from trading_bot.domain.inflated import inflated
from trading_bot.domain.instruments import Instrument, instrument_by_symbol
from trading_bot.domain.latency_model import LatencyModel
from trading_bot.domain.learned import LearnedSet
from trading_bot.domain.rule_pack import RulePack
from trading_bot.domain.scheduled import EventCalendar
from trading_bot.domain.strategy import find_strategy
from trading_bot.domain.templates import TemplateConfig, VetoConfig


class RunDocuments(msgspec.Struct, frozen=True, kw_only=True):
    """Configuration, templates, calibration maps, instrument and the rows of the calendar around the run.

    `calendar` is the text of a session table, empty when there is none (then every date is unknown and nothing is
    entered).
    `vetoes` stop templates; `events` are the scheduled ones, None when no file was read.
    `resolution_ns` is the resolution of the feed's event stamps; `feed` describes the source for people. `con_id` and
    `expiry` (YYYYMMDD) are the contract's at the broker, 0 for a file or a simulator. `wall_speed_e3` is market time in
    thousandths of wall time: above 1000 only for a gateway simulator that runs fast, where broker deadlines and naked
    time count in wall time. `gates_real`: link, account, position and latency come from an adapter, not modelled.
    `signal_instrument` is the one whose market is seen where it is not the traded one: both have the same prices.
    `latency` is what the exchange simulator drew its latencies from, `rules` the rule pack of the account.
    `learned` are the adopted parameters, which `templates` have already.
    """

    config: BotConfig
    templates: dict[str, TemplateConfig]
    instrument: Instrument
    vetoes: dict[str, VetoConfig] = {}
    events: EventCalendar | None = None
    calendar: str = ""
    resolution_ns: int = 1
    feed: dict[str, Any] = {}
    maps: dict[str, CalibrationMap] = {}  # by template
    plugins: dict[str, str] = {}  # strategies in Python, with the digest of their code
    con_id: int = 0
    expiry: int = 0
    wall_speed_e3: int = 1_000
    gates_real: bool = False
    signal_instrument: Instrument | None = None
    latency: LatencyModel | None = None
    rules: RulePack | None = None
    learned: LearnedSet | None = None

    @classmethod
    def default(cls) -> "RunDocuments":
        """The default configuration with no template and no calendar: observes and decides nothing."""
        config = BotConfig()
        return cls(config=config, templates={}, instrument=instrument_by_symbol(config.run.instrument))

    @property
    def market_instrument(self) -> Instrument:
        """The instrument of the market data: the traded one, unless signals come from another."""
        return self.signal_instrument or self.instrument

    @property
    def config_hash(self) -> str:
        """SHA-256 of all a decision depends on, the code of strategies in Python included."""
        whole = config_hash(
            self.config,
            self.templates,
            self.maps,
            vetoes=self.vetoes,
            events=self.events,
            latency=self.latency,
            rules=self.rules,
        )
        return hashlib.sha256(whole.encode() + canonical(self.plugins)).hexdigest() if self.plugins else whole

    def plugins_as_installed(self) -> bool:
        """Whether the code of every strategy in Python is the one this run was made with.

        Raises:
            ConfigError: one is not installed.
        """
        return all(find_strategy(name).digest == digest for name, digest in self.plugins.items())

    def digests(self) -> dict[str, str]:
        """SHA-256 (hex) of each part, so that two logs can be compared without unpacking them."""
        parts = msgspec.to_builtins(self)
        return {name: hashlib.sha256(canonical(part)).hexdigest() for name, part in parts.items()}

    def pack(self) -> bytes:
        """Compressed msgpack, tables in their own order: the order of templates breaks ties."""
        return zlib.compress(msgspec.msgpack.encode(self), 6)

    @classmethod
    def unpack(cls, packed: bytes, *, where: str) -> "RunDocuments":
        """The documents of a log record.

        Raises:
            LogCorrupt: the bytes do not decode.
        """
        try:
            return msgspec.msgpack.decode(inflated(packed), type=cls)
        except (ValueError, RecursionError, msgspec.DecodeError) as error:
            raise LogCorrupt(
                f"{where}: the embedded run documents do not decode ({error}); was the log written by a newer version?",
                segment=where,
                offset=0,
                seq=1,
            ) from error

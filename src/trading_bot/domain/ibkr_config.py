"""The connection to Interactive Brokers (docs/ibkr.md), as configuration; host, port and account are options."""

from typing import Annotated, Final

from trading_bot.domain.config_section import Section, unit, within


class IbkrConfig(Section, frozen=True):
    """Contract, deadlines and pacing. Everything in seconds here is wall time."""

    contract: Annotated[
        str, unit("name", "local symbol (MESZ6) or expiry month (202612); empty: the volume leader, by the roll rule")
    ] = ""
    signal_instrument: Annotated[
        str, unit("symbol", "its market is seen, the traded one's is recorded beside it (ES for MES); empty: none")
    ] = ""
    tick_lines: Annotated[
        int, within(3, 100), unit("streams", "tick by tick a login may have; 4: also trades of the traded one beside")
    ] = 3
    connect_timeout_s: Annotated[float, within(1, 120), unit("s", "for the handshake, whole")] = 10.0
    request_timeout_s: Annotated[float, within(0.5, 120), unit("s", "an answer later than this is Unknown")] = 4.0
    history_timeout_s: Annotated[float, within(1, 600), unit("s", "for one request of historical bars")] = 60.0
    history_sessions: Annotated[int, within(0, 20), unit("sessions", "of one-minute bars, for the warm-up")] = 20
    reconnect_waits_s: Annotated[
        tuple[float, ...], unit("s", "between attempts to connect again; the last one repeats")
    ] = (2.0, 4.0, 8.0, 16.0, 32.0)
    resubscribe_wait_s: Annotated[
        float, within(15, 600), unit("s", "before a stream is asked for again: the broker's 15 s and the way there")
    ] = 16.0
    witness: Annotated[
        bool, unit("bool", "record bars of 5 s and the session's volume, to judge the ticks by (docs/parity.md)")
    ] = True
    stale_s: Annotated[float, within(1, 600), unit("s", "without a tick in an open session: data do not flow")] = 10.0
    probe_every_s: Annotated[float, within(1, 600), unit("s", "the gateway is asked for its time this often")] = 10.0
    messages_per_s_max: Annotated[int, within(5, 50), unit("1/s", "sent to the gateway, all kinds together")] = 45
    messages_reserved: Annotated[int, within(1, 40), unit("1/s", "of them for cancels, stops and exits alone")] = 15

    def __post_init__(self) -> None:
        if self.messages_reserved >= self.messages_per_s_max:
            raise ValueError(
                f"ibkr.messages_reserved ({self.messages_reserved}) must be below "
                f"ibkr.messages_per_s_max ({self.messages_per_s_max}): entries need some too"
            )
        if not self.reconnect_waits_s or any(not 0 < wait_s <= 3_600 for wait_s in self.reconnect_waits_s):
            raise ValueError(f"ibkr.reconnect_waits_s is {self.reconnect_waits_s}; expected 0 to 3600 s, one at least")


# For `config show`: what the specification does not give.
ASSUMED: Final[dict[str, str]] = {
    "tick_lines": "what a login has without buying more",
    "connect_timeout_s": "a gateway on this machine answers in milliseconds; one that starts needs seconds",
    "request_timeout_s": "as the libraries wait; a broker that needs longer is in trouble",
    "history_timeout_s": "the broker slows requests for history down before it refuses them",
    "resubscribe_wait_s": "the broker allows 15 s; the request has a way to go that is not always as long",
    "stale_s": "the age at which the data score is zero in regular hours",
    "probe_every_s": "often enough to notice a gateway that hangs, rare enough to cost nothing",
    "messages_reserved": "a bracket withdrawn and left needs five messages; three of them at once",
}

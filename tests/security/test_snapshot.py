"""A snapshot in a log may be somebody else's: its indices stay inside the kernel's tables, or it is refused."""

import struct

from tests.fuzz.log_targets import taken
from tests.fuzz.wire_targets import kernel_config
from trading_bot._fast import HotPath

HEAD = 64  # the digests of layout and configuration
FIELDS = 6_000  # of the state: all before the history of sessions
# Rows of the session, places of seconds and minutes, delays, bars of three periods, three of the flow, the time.
INDICES = 12


def test_a_sound_snapshot_is_taken_and_one_that_points_outside_is_refused():
    sound, kernel = taken(), HotPath(kernel_config())
    kernel.restore(sound)
    assert kernel.snapshot() == sound
    refused = 0
    for at in range(HEAD, HEAD + 8 * FIELDS, 8):
        forged = sound[:at] + struct.pack("<q", -(1 << 62)) + sound[at + 8 :]
        try:
            kernel.restore(forged)
        except ValueError as error:
            refused += "outside its own tables" in str(error)
    assert INDICES <= refused < 300  # and the delays kept in order

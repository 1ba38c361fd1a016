"""Compiled kernels behind one face. There is no pure-Python fallback: a slow bot would be a different bot."""

try:
    from trading_bot._fast.exchange import ExchangeSim
    from trading_bot._fast.hotpath import HotPath
    from trading_bot._fast.logsegment import Segment
    from trading_bot._fast.logwriter import LogFull, LogWriter
except ModuleNotFoundError as missing:
    # Only our own extension: a missing dependency keeps its own message.
    if missing.name is None or not missing.name.startswith("trading_bot._fast."):
        raise
    raise ImportError(
        f"the compiled kernel {missing.name} is missing: build it with `make build` in the repository",
        name=missing.name,
    ) from None

# A library built with -ffast-math makes the processor flush subnormals to zero for the whole process; results would
# then differ from the log's.
if 5e-324 * 1.0 == 0.0:
    raise ImportError("subnormal numbers are switched off in this process: remove the library built with -ffast-math")

__all__ = ["ExchangeSim", "HotPath", "LogFull", "LogWriter", "Segment"]

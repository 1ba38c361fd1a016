"""gateway-sim: a loopback server that speaks the TWS socket protocol, to prove the adapter against (docs/gateway.md).

It imports no client library and nothing of adapters/ibkr: what both sides agree on is the protocol alone.
"""

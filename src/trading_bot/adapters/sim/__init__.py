"""A seeded world: a market that looks like MES, and the faults a feed can have (docs/market-generator.md)."""

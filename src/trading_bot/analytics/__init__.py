"""The numbers of trades: metrics, breakdowns, costs and calibration, from `reports.trade_facts` (docs/analytics.md)."""

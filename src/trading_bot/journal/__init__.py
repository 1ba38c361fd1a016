"""The journal: what the logs say, as tables of a database that can be asked (docs/journal.md).

A projection: every row comes from a log and can be made again from it. Nothing on the way of an order reads it.
"""

"""Watching a bot from another process: its log and its files, nothing of its memory (docs/watching.md).

Nothing here is called by the bot, and nothing here writes where it reads: a watcher that hangs or dies changes nothing.
"""

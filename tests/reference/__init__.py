"""The oracle: the kernel in plain Python, from docs/kernel.md and the signal registry. Never shipped."""

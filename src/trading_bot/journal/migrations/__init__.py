"""Alembic's folder: one module per change of the tables."""

"""What people look at: one view of a page (`page.py`), shown as HTML, Markdown and text (docs/reports.md)."""

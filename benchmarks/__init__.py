"""Measures the real code beside what one would otherwise write, both sides in turn in one run. See docs/performance.md."""

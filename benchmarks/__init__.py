"""The real code beside what one would otherwise write, both sides in turn in one run: see docs/performance.md."""

"""The pages: each finds, checks, asks and renders. Nothing is decided here."""

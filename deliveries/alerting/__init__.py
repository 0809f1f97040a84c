"""Alerts: what is looked for, one row for each cause, and who gets a notice."""

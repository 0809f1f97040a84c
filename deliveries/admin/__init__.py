"""The record of deliveries in the admin, to look at. What can be done about it is done on the product's pages.

Lists stay fast at millions of rows: searches go to an index, nothing is counted past a cap or sorted anew.
"""

from deliveries.admin import accounts, playbooks, records, routes, tallies, work

__all__ = ["accounts", "playbooks", "records", "routes", "tallies", "work"]

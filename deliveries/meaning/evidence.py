"""What "delivered" proves on the route that a message took: some carriers and countries have no handset receipts."""

from __future__ import annotations

from collections.abc import Callable, Collection

from deliveries.models import Account, Message, RouteEvidence
from deliveries.statuses import Evidence, Meaning, Status

STRONGER = frozenset({Evidence.CARRIER.value})  # what a route can weaken; a handset's own word stays


def of_routes(message_ids: Collection[int]) -> Callable[[int, Meaning], Meaning]:
    """A function that weakens the meaning of a report about one of these messages as its route asks for.

    No query at all about the messages while no route is listed.
    """
    rules = list(RouteEvidence.objects.all())
    if not rules or not message_ids:
        return lambda _, meaning: meaning
    providers = Account.objects.providers()
    routes = {
        pk: (channel, providers.get(account, ""), region[:2], carrier)
        for pk, channel, account, region, carrier in Message.objects.filter(pk__in=message_ids).values_list(
            "pk", "channel", "account_id", "region", "carrier"
        )
    }

    def weaken(message_id: int, meaning: Meaning) -> Meaning:
        if meaning.status != Status.DELIVERED or meaning.evidence not in STRONGER:
            return meaning
        rule = _most_particular(rules, routes[message_id])
        return meaning._replace(evidence=rule.evidence) if rule else meaning

    return weaken


def _most_particular(
    rules: Collection[RouteEvidence], route: tuple[str, str, str, str]
) -> RouteEvidence | None:
    fitting = [rule for rule in rules if _fits(rule, route)]
    return max(
        fitting, key=lambda rule: sum(map(bool, (rule.carrier, rule.country, rule.provider))), default=None
    )


def _fits(rule: RouteEvidence, route: tuple[str, str, str, str]) -> bool:
    asked = (rule.channel, rule.provider, rule.country, rule.carrier)
    return all(not want or want.casefold() == is_.casefold() for want, is_ in zip(asked, route, strict=True))

"""The forms of bulk actions, as tests fill them in."""

import re


def form_of(page: str) -> dict[str, str]:
    """The hidden fields of the list's form."""
    body = page[page.index('id="results"') :]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', body))


def chosen(client, campaign, **more):
    page = client.get(f"/campaigns/{campaign.slug}/?queue=retry").content.decode()
    return form_of(page) | more


def ticked(page: str) -> list[str]:
    return re.findall(r'name="messages" value="(\d+)"[^>]* checked', page)

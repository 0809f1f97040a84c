"""What a cell of a file says when it plainly says no, whatever its column is called. Pure.

Two measures: in any column a whole entry has to be such words ("unsubscribed", "vip; Do not call"); in notes and tags
they may stand among others. It is better to leave out a consent too many, which is listed, than to write to somebody
who said no.
"""

from __future__ import annotations

import re
from functools import lru_cache

from contacts.channels import Channel
from contacts.folding import clauses
from contacts.keywords import classify

LONGEST_ENTRY = 80  # characters: what is longer is a text, not an entry
_BY = r"sms|mms|texts?|text messages?|messages?|calls?|phone|phone calls?|voicemails?|e ?mails?|mails?"
_DO = rf"contact|contacted|disturb|solicit|market|promote|message|ring|phone|write|{_BY}"
_LIST = (
    rf"(?:{_BY}|or|and|by|via|with|to|contact|disturb|again|ever|anymore|any more|please|me|him|her|them|"
    r"list|registry|registered|requested)"
)
_PLAIN_NO = "|".join(
    (
        r"(?:globally |global )?un ?sub(?:s|bed|scribe|scribes|scribed|scriber|scription)?(?: (?:from|by|via) .*)?",
        rf"(?:please )?(?:do ?not|dont|never|not to) ?(?:{_DO})(?: {_LIST})*",
        rf"(?:please )?no (?:more )?(?:{_BY}|contact|marketing|newsletters?|ads|advertising|promos?|"
        rf"promotions?)(?: {_LIST})*",
        r"dnc|dnd|dnc list|on dnc|dnt",
        r"(?:has |have |is |was )?opt(?:ed|s|ing)? ?out(?: (?:of|from|by|via) .*)?",
        r"stop|stops|stopped|stop ?all|replied stop|sent stop|said stop|texted stop|stop (?:sms|texts?|"
        r"texting|calls?|calling|e?mails?|e?mailing|messages|"
        r"messaging|contact|contacting|marketing|sending)(?: me)?",
        r"complained|complaints?|complainers?|spam complaints?|abuse|abuse complaints?|(?:reported|marked|"
        r"flagged)(?: us)?(?: as)? spam",
        r"blocked|black ?list(?:ed)?|block ?list(?:ed)?|blocked by user|suppress(?:ed|ion)?|suppression list|"
        r"globally suppressed",
        r"removed|remove me|remove from list|removed from list|asked (?:to be removed|for removal|us to stop)|"
        r"wants? (?:to be removed|removal|no contact)",
        r"(?:not|non|never) ?(?:subscribed|opted in|consented)|(?:no|without) (?:consent|permission|opt ?in)",
        r"(?:consent|permission) (?:withdrawn|revoked|denied|refused|declined)|(?:withdrew|revoked|denied|"
        r"refused|declined|withdrawn) (?:consent|permission)",
        # German, French, Spanish, Portuguese, Italian, Dutch, Polish, Scandinavian, Russian, Chinese, Japanese, Korean
        r"abgemeldet|abmeldung|ausgetragen|gesperrt|widerspruch|widersprochen|widerrufen|werbesperre|"
        r"(?:bitte )?(?:nicht|nicht mehr) (?:kontaktieren|anrufen|anschreiben|schreiben|mailen)|"
        r"keine? (?:werbung|sms|anrufe|e ?mails?|kontakt|newsletter)",
        r"desabonnee?s?|desinscrite?s?|desinscription|(?:ne pas|ne plus) (?:contacter|appeler|solliciter|"
        r"ecrire|deranger)|pas de (?:sms|e?mails?|appels?|pub|publicite)",
        r"baja|(?:dado|dada|dar|en|de) (?:de )?baja|desuscrit[oa]|no (?:contactar|llamar|molestar|escribir|"
        r"enviar|desea)(?: .*)?",
        r"descadastrad[oa]|desinscrit[oa]|(?:nao) (?:contatar|contactar|ligar|perturbe|perturbar|enviar)(?: .*)?",
        r"disiscritt[oa]|disiscrizione|cancellat[oa] dalla lista|non (?:contattare|chiamare|disturbare|"
        r"scrivere|inviare)(?: .*)?",
        r"uitgeschreven|afgemeld|niet (?:bellen|mailen|benaderen|contacteren|storen)|geen (?:sms|e?mails?|"
        r"reclame|contact)",
        r"wypisan[ya]|wypisal[a]? sie|nie (?:dzwonic|kontaktowac|pisac|wysylac)(?: .*)?",
        r"avregistrerad|avanmald|avmeldt|afmeldt|(?:ej|inte|ikke) (?:kontakt|kontakta|kontakte|ring|ringe)",
        r"отписан[ао]?|отписал(?:ся|ась)|не (?:звонить|писать|беспокоить|контактировать)",
        r"(?:已)?退订|(?:已)?退訂|取消订阅|配信停止|配信拒否|受信拒否|수신 ?거부",
    )
)
# About the address, not a word of the person: it costs the consent for that channel alone.
_BOUNCED = r"(?:hard )?bounced?|hard bounces?|cleaned"
_WHOLE = re.compile(rf"(?:(?:user|contact|recipient|customer|subscriber) )?(?:{_PLAIN_NO})")
_DEAD_ADDRESS = re.compile(_BOUNCED)
# Among other words: what nobody writes about anything else. Turned round ("has not opted out") it says yes.
_WITHIN = re.compile(
    r"(?<!\w)(?<!not )(?<!never )(?:unsub(?:scribed?)?|opt(?:ed)? out|(?:do ?not|dont|never|"
    r"not to be) (?:contact|contacted|call|text|sms|e ?mail|disturb|message|solicit)|"
    rf"no (?:more )?(?:{_BY}|contact|marketing)|dnc|blacklisted|asked (?:to be removed|for removal|"
    r"us to stop)|wants? to be removed|abgemeldet|"
    r"nicht (?:mehr )?(?:kontaktieren|anrufen|anschreiben)|desabonnee?|ne (?:pas|plus) (?:contacter|"
    r"appeler)|no (?:contactar|llamar)|dad[oa] de baja|"
    r"nao (?:contatar|contactar|ligar)|disiscritt[oa]|non (?:contattare|chiamare)|uitgeschreven|"
    r"niet (?:bellen|mailen|benaderen))(?!\w)"
)
# How somebody opted out is not what they opted out of.
_MANNER = re.compile(r"((?:unsub\w*|out)) (?:by|via) .*")
_ENTRY_ENDS = re.compile(r"[,;|/#\n]+")
_CHANNEL_WORDS = {
    Channel.SMS: r"sms|texts?|texted|texting|messages?|messaging",
    Channel.MMS: r"sms|mms|texts?|texted|texting|messages?|messaging",
    Channel.EMAIL: r"e?_?mails?|e_mails?|e?mailed|e?mailing|e?mailings?|mailen|newsletters?",
    Channel.VOICE: (
        r"voice|calls?|called|phone|calling|anrufen?|anrufe|appeler|appels?|llamar|ligar|chiamare|bellen|"
        r"dzwonic|звонить"
    ),
    Channel.RVM: (
        r"voice|voicemails?|rvm|calls?|called|phone|calling|anrufen?|anrufe|appeler|appels?|llamar|ligar|"
        r"chiamare|bellen|dzwonic|звонить"
    ),
}


@lru_cache(maxsize=16_384)
def denied_in(cell: str, *, free_text: bool = False) -> tuple[str, ...] | None:
    """The channels that words in `cell` refuse: () where they name none, None where nothing is refused.

    `free_text`: the cell belongs to notes or tags, where the words may stand among others.
    """
    named: set[str] = set()
    for entry in (each for part in _ENTRY_ENDS.split(cell) for each in clauses(part)):
        if _DEAD_ADDRESS.fullmatch(entry):
            named.add(Channel.EMAIL.value)
            continue
        words = _refusing_words(entry, free_text)
        if words is None:
            continue
        channels = channels_named(_MANNER.sub(r"\1", words).replace(" ", "_"))
        if not channels:
            return ()
        named.update(channels)
    return tuple(each for each in Channel.values if each in named) or None


def _refusing_words(entry: str, free_text: bool) -> str | None:
    """Those words of `entry` that refuse, '' where it does as a whole that says nothing of channels."""
    if len(entry) <= LONGEST_ENTRY and _WHOLE.fullmatch(entry):
        return entry
    within = _WITHIN.search(entry) if free_text else None
    if within:
        return within[0]
    return "" if free_text and classify(entry).kind == "stop" else None


def channels_named(plain: str) -> tuple[str, ...]:
    """The channels that words joined by _ name; () where they name none."""
    return tuple(
        channel.value
        for channel, words in _CHANNEL_WORDS.items()
        if re.search(rf"(?:^|_)(?:{words})(?:_|$)", plain)
    )

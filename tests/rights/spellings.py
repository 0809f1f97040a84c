"""One number and one email, as people and programs write them."""

from __future__ import annotations

from contacts.models import Contact
from tests.rights.person import EMAIL, NUMBER, Robin, Way, import_file

NUMBERS = {
    "blanks": " +1 512 555 0142 ",
    "brackets": "(512) 555-0142",
    "dots": "512.555.0142",
    "00": "0015125550142",
    "011": "011 1 512 555 0142",
    "without-plus": "15125550142",
    "full-width": "＋１５１２５５５０１４２",
    "arabic-digits": "٥١٢٥٥٥٠١٤٢",
    "zero-width": "+1\u200b512\u200b5550142",
    "tel": "tel:+15125550142",
}
EMAILS = {
    "case": "ROBIN@Example.COM",
    "blanks": "  robin@example.com ",
    "full-width-domain": "robin@ｅｘａｍｐｌｅ.com",
    "full-width": "ｒｏｂｉｎ@example.com",
}


def spelt(number: str = NUMBER, email: str = EMAIL) -> Way:
    def way(robin: Robin) -> None:
        text = f'name,phone,email,external_id\nR. Lee,"{number}","{email}",CRM-79\n'
        import_file(robin, text)
        made = Contact.objects.get(external_id="CRM-79")
        robin.keys |= {*made.addresses.values_list("match_key", flat=True)}

    return way

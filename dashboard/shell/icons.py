"""Every icon of the interface: paths on a 16 x 16 grid, drawn with a stroke of 1.6."""

from __future__ import annotations

_CHECK = '<path d="m3.5 8.6 3 3 6-7"/>'
_LOOP = '<path d="M12.9 9.3A5.2 5.2 0 1 1 11.6 4.2L13.2 5.7M13.3 2.6v3.2h-3.2"/>'
_CROSS = '<path d="m4 4 8 8M12 4l-8 8"/>'
_BARRED = '<circle cx="8" cy="8" r="5.6"/><path d="m4.1 4.1 7.8 7.8"/>'
_PERSON = '<circle cx="8" cy="5.3" r="2.6"/><path d="M3 13.6c.3-2.9 2.3-4.2 5-4.2s4.7 1.3 5 4.2"/>'

ICONS = {
    # The seven buckets.
    "success": _CHECK,
    "pending": '<circle cx="8" cy="8" r="5.7"/><path d="M8 4.7V8l2.2 1.6"/>',
    "retryable": _LOOP,
    "permanent": _CROSS,
    "compliance": '<path d="M8 1.9 3 3.6v4c0 3.1 2 5.3 5 6.5 3-1.2 5-3.4 5-6.5v-4z"/><path d="M8 5.4v3.2M8 10.7v.1"/>',
    "optout": _BARRED,
    "unknown": '<path d="M5.9 5.8a2.15 2.15 0 1 1 3.4 1.8C8.4 8.2 8 8.6 8 9.5M8 12.1v.1"/>',
    # The five channels.
    "sms": '<path d="M2.3 3h11.4v8H7.2l-3 2.6V11H2.3z"/>',
    "mms": '<rect x="2.3" y="2.8" width="11.4" height="10.4" rx="1"/>'
    '<path d="m2.6 11.3 3.2-3.1 2.3 2.2 2.6-2.9 2.7 2.8M5.6 5.6v.1"/>',
    "voice": '<path d="M3 3.2 5.3 2l2 3.2-1.5 1.4c.8 1.6 2 2.8 3.6 3.6l1.4-1.5 3.2 2-1.2 2.3'
    'c-.6.6-1.4.9-2.3.7C6.6 12.8 3.2 9.4 2.3 5.5c-.2-.9.1-1.7.7-2.3z"/>',
    "rvm": '<circle cx="4.6" cy="8" r="2.4"/><circle cx="11.4" cy="8" r="2.4"/><path d="M4.6 10.4h6.8"/>',
    "email": '<rect x="2" y="3.3" width="12" height="9.4" rx="1"/><path d="m2.3 4.6 5.7 4.3 5.7-4.3"/>',
    # The navigation.
    "overview": '<rect x="2.3" y="2.3" width="4.6" height="4.6" rx="1"/><rect x="9.1" y="2.3" width="4.6" '
    'height="4.6" rx="1"/><rect x="2.3" y="9.1" width="4.6" height="4.6" rx="1"/>'
    '<rect x="9.1" y="9.1" width="4.6" height="4.6" rx="1"/>',
    "deliverability": '<path d="M3.3 13.2V8.4M8 13.2V2.8M12.7 13.2V5.9"/>',
    "campaigns": '<path d="M2.2 6v3.6l2.4.4L13 12.8V2.8L4.6 5.6zM4.8 10.2l.7 3.2h2.2l-.5-2.5"/>',
    "queues": '<path d="M2.3 3.8h11.4M2.3 8h11.4M2.3 12.2h7.4"/>',
    "contacts": _PERSON,
    "suppression": _BARRED,
    "consent": _CHECK,
    "mappings": '<path d="M2 4.3h6.5M2 8h5M2 11.7h6.5M12 3.3v9.2m0 0-2.3-2.3m2.3 2.3 2.3-2.3"/>',
    "receivers": '<path d="M2.3 9.3h3l1.3 2h2.8l1.3-2h3M2.3 9.3v3.9h11.4V9.3M8 1.9v5.7m0 0L5.7 5.4M8 7.6l2.3-2.2"/>',
    "rules": '<path d="M4.5 2.3v7.3m0 0a1.9 1.9 0 1 0 0 3.8 1.9 1.9 0 0 0 0-3.8zM11.5 6.3a1.9 1.9 0 1 0 0-3.8'
    ' 1.9 1.9 0 0 0 0 3.8zm0 0c0 2.6-2 3.4-5.3 4.2"/>',
    "admin": '<ellipse cx="8" cy="3.9" rx="5" ry="1.9"/><path d="M3 3.9v8.2c0 1 2.2 1.9 5 1.9s5-.9 5-1.9V3.9'
    'M3 8c0 1 2.2 1.9 5 1.9S13 9 13 8"/>',
    "exports": '<path d="M8 2v8m0 0L5 7.2M8 10l3-2.8M2.5 13.5h11"/>',
    # What can be done, and marks.
    "retry": _LOOP,
    "switch": '<path d="M2.3 5.3h10.4M10 2.6l2.7 2.7L10 8M13.7 10.7H3.3M6 8l-2.7 2.7L6 13.4"/>',
    "correct": '<path d="m2.6 13.4.6-2.9 7.6-7.6 2.3 2.3-7.6 7.6zM9.3 4.4l2.3 2.3"/>',
    "review": '<path d="M1.6 8S4 3.8 8 3.8 14.4 8 14.4 8 12 12.2 8 12.2 1.6 8 1.6 8z"/><circle cx="8" cy="8" r="1.8"/>',
    "suppress": _BARRED,
    "watch": '<circle cx="8" cy="8" r="5.7"/><path d="M8 4.7V8l2.2 1.6"/>',
    "verify": '<circle cx="7" cy="7" r="4.5"/><path d="m10.4 10.4 3.3 3.3M5.2 7.1l1.3 1.3 2.3-2.6"/>',
    "undo": '<path d="M5.6 2.9 2.7 5.8l2.9 2.9M3 5.8h6.1a3.6 3.6 0 0 1 0 7.2H5.5"/>',
    "warning": '<path d="M8 2.4 1.9 13.2h12.2zM8 6.4v3M8 11.3v.1"/>',
    "info": '<circle cx="8" cy="8" r="5.8"/><path d="M8 7.4v3.6M8 5v.1"/>',
    "search": '<circle cx="7" cy="7" r="4.5"/><path d="m10.4 10.4 3.3 3.3"/>',
    "close": _CROSS,
    "menu": '<path d="M2.3 4.5h11.4M2.3 8h11.4M2.3 11.5h11.4"/>',
    "down": '<path d="M8 2.8v10.1m0 0-3.6-3.5M8 12.9l3.6-3.5"/>',
    "up": '<path d="M8 13.2V3.1m0 0L4.4 6.6M8 3.1l3.6 3.5"/>',
    "chevron": '<path d="m6 3.5 4.5 4.5L6 12.5"/>',
    "reply": '<path d="M6.5 3.3 2.5 7.3l4 4M2.8 7.3h6.4a4.2 4.2 0 0 1 4.2 4.2v1.3"/>',
    "click": '<path d="m6.5 6.5 2.4 7 1.4-3.2 3.2-1.4zM4 2.3l.6 1.5M2 4.3l1.5.6M8 2.2l-.5 1.5"/>',
    "note": '<path d="M3.3 2.3h9.4v8l-3.4 3.4h-6zM9.3 13.5v-3.2h3.2M5.7 5.4h4.6M5.7 8h2.6"/>',
    "list": '<path d="M5.8 4h7.9M5.8 8h7.9M5.8 12h7.9M2.5 4h.1M2.5 8h.1M2.5 12h.1"/>',
    "person": _PERSON,
    "help": '<circle cx="8" cy="8" r="5.8"/><path d="M6.3 6.5a1.75 1.75 0 1 1 2.7 1.4c-.7.4-1 .7-1 1.3M8 11.2v.1"/>',
    "theme": '<circle cx="8" cy="8" r="5.6"/><path d="M8 2.4v11.2A5.6 5.6 0 0 0 8 2.4z" fill="currentColor"/>',
}

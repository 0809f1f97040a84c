"""Where a delivery rate stops being good. Verdicts, tints, charts, gauges and their words all go by these.

Shares, 0..1. What is usual on a list that is kept clean is 95 % and more; below 90 % something is wrong throughout,
with the list, the content or the sender, and not with single contacts.
"""

from __future__ import annotations

from contacts.channels import Channel

POOR_BELOW = 0.90
WATCH_BELOW = 0.95
MOST_PENDING = 0.10  # of what was sent; with more on its way, a rate says little
FEWEST_TO_JUDGE = 20  # messages; one failure of fewer would be more than the 5 % that a good rate allows
FAR_BELOW = WATCH_BELOW - POOR_BELOW  # a share lower by this is far below: a whole step of the marks
FAR_ABOVE = 2  # times: a share of trouble so many times as large is far above
GAUGE_FROM = 0.80  # where the drawn scale begins: rates below are all far too low
# Of the people reached, who do anything. A sender of texts calls fewer than 6 % who click too few; the others are our
# own choice: mail is often read for its subject alone, and calls ask for an answer seldom.
LOW_ENGAGEMENT = {
    Channel.SMS: 0.06,
    Channel.MMS: 0.06,
    Channel.EMAIL: 0.02,
    Channel.VOICE: 0.02,
    Channel.RVM: 0.01,
}
FEWEST_ENGAGED = 100  # people reached; of fewer, a few per cent are a handful

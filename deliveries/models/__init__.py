"""What happened to each message, and what is to be done next.

Four kinds of tables: the record (`Message`, `Receipt`, `StatusEvent`, `Decision`, `Engagement`, `Batch`), the
work that is waiting (`Outbox`, `PendingReceipt`, `Moved`, `QueueEntry`, `Quarantined`: small, one row per thing to
do, gone when it is done), and the tallies that the report pages read. `mappings` holds what providers' words mean.

Constraints stay off the links of `Message` and `StatusEvent` (`db_constraint=False`): they are written by the
million in set-based statements whose inputs come from the linked tables themselves, and checking each link costs
more than the insert. No column that a receipt changes is indexed, so that PostgreSQL updates rows in place.
"""

from deliveries.models.accounts import Account, new_token
from deliveries.models.batches import Batch, BatchItem
from deliveries.models.mappings import (
    CodeAlarm,
    CodeDay,
    CodeMapping,
    CodeSighting,
    MappingVersion,
    RouteEvidence,
    SeenCode,
    StrayReport,
)
from deliveries.models.messages import Cause, Decision, Engagement, Message, StatusEvent
from deliveries.models.receipts import PendingReceipt, Receipt
from deliveries.models.tallies import (
    MESSAGE_TALLIES,
    CarrierTally,
    CodeTally,
    DayTally,
    QueueTally,
    RecipientTally,
    SourceTally,
    Tally,
    TallyDelta,
)
from deliveries.models.work import Heartbeat, Moved, Outbox, Quarantined, QueueEntry, Setback

__all__ = [
    "MESSAGE_TALLIES",
    "Account",
    "Batch",
    "BatchItem",
    "CarrierTally",
    "Cause",
    "CodeAlarm",
    "CodeDay",
    "CodeMapping",
    "CodeSighting",
    "CodeTally",
    "DayTally",
    "Decision",
    "Engagement",
    "Heartbeat",
    "MappingVersion",
    "Message",
    "Moved",
    "Outbox",
    "PendingReceipt",
    "Quarantined",
    "QueueEntry",
    "QueueTally",
    "Receipt",
    "RecipientTally",
    "RouteEvidence",
    "SeenCode",
    "Setback",
    "SourceTally",
    "StatusEvent",
    "StrayReport",
    "Tally",
    "TallyDelta",
    "new_token",
]

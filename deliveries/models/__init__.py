"""What happened to each message, and what is to be done next.

Four kinds of tables: the record (`Message`, `Receipt`, `StatusEvent`, `Decision`, `Engagement`, `Batch`), the
work that is waiting (`Outbox`, `PendingReceipt`, `StatusChange`, `QueueEntry`, `Quarantined`: small, one row per
thing to do, gone when it is done), and the tallies that the report pages read. `mappings` holds what providers'
words mean.

Constraints stay off the links of `Message` and `StatusEvent` (`db_constraint=False`): they are written by the
million in set-based statements whose inputs come from the linked tables themselves, and checking each link costs
more than the insert. No column that a receipt changes is indexed, so that PostgreSQL updates rows in place.

On PostgreSQL `Receipt` is partitioned by its id, `StatusEvent` by its message (`deliveries/ledger/partitions.py`). So
a unique constraint of theirs has to hold that column, and what reads them names ids or a range of them: a join to
them opens every partition.
"""

from deliveries.models.accounts import Account, new_token
from deliveries.models.alerts import Alert, AlertSetting
from deliveries.models.batches import Batch, BatchItem
from deliveries.models.causes import CauseReport
from deliveries.models.engagement import (
    REACHED,
    Deed,
    EngagedPerson,
    EngagementNote,
    LinkVisit,
    ReachDelta,
)
from deliveries.models.guards import CampaignStop, Canary
from deliveries.models.limits import Certainty, FailureLimit, SuppressionEvidence
from deliveries.models.lookups import LookupRun
from deliveries.models.mappings import (
    Backscatter,
    CodeAlarm,
    CodeDay,
    CodeMapping,
    CodeOccurrence,
    LineNote,
    MappingVersion,
    RouteEvidence,
    SeenCode,
)
from deliveries.models.messages import Cause, Decision, Engagement, MachineWhy, Message, StatusEvent
from deliveries.models.notices import AlertChannel, AlertNotice, AlertPreference
from deliveries.models.proofs import CallbackTest, DomainCheck
from deliveries.models.receipts import PendingReceipt, Receipt, RetentionRun
from deliveries.models.receivers import ReceiptGap, ReceiptRetry, ReceiverCount
from deliveries.models.routes import LatencyCount, Route, RouteAlarm, RouteMove, RouteShare
from deliveries.models.saved_views import SavedView
from deliveries.models.sources import ImportFigures, PeopleFigures, SourceFigures
from deliveries.models.tallies import (
    MESSAGE_TALLIES,
    CarrierTally,
    CodeTally,
    DayTally,
    EngagementTally,
    QueueTally,
    RecipientTally,
    SourceTally,
    Tally,
    TallyDelta,
)
from deliveries.models.work import (
    Bookmark,
    FailureIndex,
    Heartbeat,
    Outbox,
    Quarantined,
    QueueEntry,
    StatusChange,
)

__all__ = [
    "MESSAGE_TALLIES",
    "REACHED",
    "Account",
    "Alert",
    "AlertChannel",
    "AlertNotice",
    "AlertPreference",
    "AlertSetting",
    "Backscatter",
    "Batch",
    "BatchItem",
    "Bookmark",
    "CallbackTest",
    "CampaignStop",
    "Canary",
    "CarrierTally",
    "Cause",
    "CauseReport",
    "Certainty",
    "CodeAlarm",
    "CodeDay",
    "CodeMapping",
    "CodeOccurrence",
    "CodeTally",
    "DayTally",
    "Decision",
    "Deed",
    "DomainCheck",
    "EngagedPerson",
    "Engagement",
    "EngagementNote",
    "EngagementTally",
    "FailureIndex",
    "FailureLimit",
    "Heartbeat",
    "ImportFigures",
    "LatencyCount",
    "LineNote",
    "LinkVisit",
    "LookupRun",
    "MachineWhy",
    "MappingVersion",
    "Message",
    "Outbox",
    "PendingReceipt",
    "PeopleFigures",
    "Quarantined",
    "QueueEntry",
    "QueueTally",
    "ReachDelta",
    "Receipt",
    "ReceiptGap",
    "ReceiptRetry",
    "ReceiverCount",
    "RecipientTally",
    "RetentionRun",
    "Route",
    "RouteAlarm",
    "RouteEvidence",
    "RouteMove",
    "RouteShare",
    "SavedView",
    "SeenCode",
    "SourceFigures",
    "SourceTally",
    "StatusChange",
    "StatusEvent",
    "SuppressionEvidence",
    "Tally",
    "TallyDelta",
    "new_token",
]

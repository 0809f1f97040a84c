"""What we mean to send: campaigns, what they say, by which senders and rules, and to whom."""

from campaigns.models.audiences import Segment
from campaigns.models.brands import Brand
from campaigns.models.campaigns import Campaign, CampaignQuerySet, Goal, Priority
from campaigns.models.contents import Content, ContentVersion, OnMachine
from campaigns.models.left_out import SliceLeftOut
from campaigns.models.links import TrackedLink
from campaigns.models.overrides import BreakerSwitch, CheckOverride
from campaigns.models.pace import Pace
from campaigns.models.playbooks import ChannelOrder, Playbook, PlaybookChange, channels_only
from campaigns.models.prices import Price
from campaigns.models.recipients import Recipient
from campaigns.models.registrations import Registration, RegistrationChange
from campaigns.models.senders import Sender

__all__ = [
    "Brand",
    "BreakerSwitch",
    "Campaign",
    "CampaignQuerySet",
    "ChannelOrder",
    "CheckOverride",
    "Content",
    "ContentVersion",
    "Goal",
    "OnMachine",
    "Pace",
    "Playbook",
    "PlaybookChange",
    "Price",
    "Priority",
    "Recipient",
    "Registration",
    "RegistrationChange",
    "Segment",
    "Sender",
    "SliceLeftOut",
    "TrackedLink",
    "channels_only",
]

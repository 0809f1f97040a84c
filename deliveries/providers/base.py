"""What every provider adapter offers: `verify`, `parse`, `send`, and `find` where the provider allows it.

An adapter is mostly data. It turns the provider's words into the values of `facts.py` and knows nothing of the
database, of our statuses (the code tables in `codes/` map those) or of other providers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from deliveries.providers.facts import Busy, Call, Fact, LostAnswer, OutboundMessage, SendResult, Unreadable
from deliveries.providers.kit.client import HttpAnswer, HttpClient
from deliveries.providers.kit.http import accepted, answer_fields, post, refused, retry_after
from deliveries.providers.kit.parsing import FieldReader, bare
from deliveries.providers.kit.signatures import URL_SECRET, allowed_peer, url_secret, with_query

# Settings of an account that give nobody any power: forms show what is stored. Everything else is secret.
NOT_SECRET = frozenset(
    {
        "account_id", "account_sid", "allowed_addresses", "api_url", "application_id", "application_sid", "base_url",
        "bounce_address", "channel_id", "configuration_set", "host", "imap_folder", "imap_host", "imap_port",
        "message_stream", "phone_line_id", "port", "region", "sender_domain", "service_plan_id", "tls", "topic_arn",
        "voice_application_id", "voice_id", "workspace_id",
    }
)  # fmt: skip


class Provider:
    """Base of the adapters. Subclasses set the class attributes and override what differs."""

    slug: ClassVar[str]
    name: ClassVar[str]
    channels: ClassVar[frozenset[str]]  # of sms, mms, voice, rvm, email
    # Whether a call of theirs ends by itself when a machine answers, if it is asked to. Of others the machine hears it.
    hangs_up_on_machines: ClassVar[bool] = False
    credential_fields: ClassVar[Mapping[str, str]] = {}  # name -> label; needed to send
    # name -> label of further settings, which may stay empty: keys that only check callbacks, lists of addresses.
    optional_fields: ClassVar[Mapping[str, str]] = {}
    # The credential that proves callbacks: what `secret` means in `manage.py translate`.
    proof_field: ClassVar[str] = ""
    # True where a signed time or a nonce that expires is part of the proof.
    refuses_replays: ClassVar[bool] = False
    # False where the proof leaves the body open to change: an address with a secret, a signed address.
    signs_body: ClassVar[bool] = True
    # Kinds of callback understood by `parse`: the last word of the addresses the provider is given.
    kinds: ClassVar[frozenset[str]] = frozenset({"status", "inbound"})
    # Code tables asked in turn: files of `codes/`. The slug's own when empty.
    tables: ClassVar[tuple[str, ...]] = ()
    # Beginnings of words in the code table that only answers to our own requests bring, never a callback.
    answers_only: ClassVar[tuple[str, ...]] = ("rejected",)
    headers_kept: ClassVar[frozenset[str]] = frozenset({"content-type", "user-agent"})
    # Codes of answers that refuse nothing: a limit is reached for the moment, and the message waits.
    come_back: ClassVar[frozenset[str]] = frozenset()
    # Those of them that concern one sender, and leave the account's others alone.
    sender_busy: ClassVar[frozenset[str]] = frozenset()
    # Native statuses that only the handset or a person can have caused: stronger evidence than a carrier's word.
    handset_words: ClassVar[frozenset[str]] = frozenset()
    # Calls that one sending process makes to an account at the same time, where the account says nothing else. Ours:
    # at 100 ms an answer it is 1,000 messages a second, and few providers allow more connections.
    at_a_time: ClassVar[int] = 100
    # True when it answers STOP and HELP itself, unless somebody turned that off there.
    answers_keywords: ClassVar[bool] = False
    # What the provider wants to read in our answer, beyond its being 2xx.
    answer: ClassVar[bytes] = b""
    # True when one id of theirs stands for several recipients: messages are then known by id and address.
    shares_ids: ClassVar[bool] = False
    # True when results exist only in a file or on a screen of theirs: silence then says nothing.
    silent: ClassVar[bool] = False

    def verify(self, call: Call, credentials: Mapping[str, str]) -> bool:
        """True when the signature proves that the provider sent exactly this.

        Raises nothing but Uncheckable: the provider is then asked to come again.
        """
        raise NotImplementedError

    def sign(self, call: Call, credentials: Mapping[str, str]) -> Call | None:
        """`call`, a POST without proof, as the provider would send it: `verify` then says yes.

        None where only the provider can sign, by a key that we do not hold, or where the account lacks the secret.
        """
        return None

    def parse(self, kind: str, call: Call) -> Iterable[Fact]:
        """The facts in a verified callback; `kind` is the last word of its address.

        Raises Unreadable. A callback with nothing to tell gives nothing.
        """
        raise NotImplementedError

    def reply(self, kind: str, call: Call) -> tuple[str, bytes]:
        """Content type and body of our answer to a verified callback; without a body it is a bare 204.

        Where the provider asks what a call shall say next, the body is that script. Never raises.
        """
        return "text/plain", self.answer

    def confirmation(self, call: Call) -> str:
        """The address to fetch so that the provider begins to call us; '' for an ordinary callback. Never raises."""
        return ""

    async def send(
        self, message: OutboundMessage, credentials: Mapping[str, str], client: HttpClient
    ) -> SendResult:
        """Hand one message over: by default in one POST, which `request` makes. Raises LostAnswer."""
        asked = self.request(message, credentials)
        if isinstance(asked, SendResult):
            return asked
        answer = await post(client, **asked)
        return answer if isinstance(answer, SendResult) else self.understood(answer)

    def request(
        self, message: OutboundMessage, credentials: Mapping[str, str]
    ) -> dict[str, Any] | SendResult:
        """What the client's `post` is given; or, when there is no use in asking, the refusal."""
        raise NotImplementedError

    def understood(self, answer: HttpAnswer) -> SendResult:
        """What an answer means that decides something. Raises LostAnswer when the message may have been taken."""
        fields = answer_fields(answer)
        try:
            if answer.is_success:
                return self.taken(fields)
            code, text = self.refusal(fields)
        except Unreadable as problem:
            if answer.is_success:
                raise LostAnswer(str(problem)) from problem
            code, text = "", ""
        if str(code) in self.come_back:
            busy = Busy.SENDER if str(code) in self.sender_busy else Busy.ACCOUNT
            return SendResult(
                False,
                native_code=str(code),
                native_text=str(text),
                retry_after=retry_after(answer),
                busy=busy,
            )
        return refused(code or f"http:{answer.status_code}", text or f"HTTP {answer.status_code}")

    def taken(self, answer: FieldReader) -> SendResult:
        """The provider took the message: `accepted` with its id. Raises LostAnswer."""
        return accepted(answer.get("id"))

    def refusal(self, answer: FieldReader) -> tuple[Any, Any]:
        """Their code and sentence for a refusal; nothing where the HTTP status says it all."""
        return answer.get("code"), answer.get("message")

    async def find(
        self, message: OutboundMessage, credentials: Mapping[str, str], client: HttpClient
    ) -> SendResult | None:
        """What the provider knows of a message whose answer was lost.

        A SendResult: it has it (accepted) or says for certain that it never came (not accepted, `native_status`
        "never_received": safe to send). None: it cannot tell.
        """
        return None

    def message_key(self, provider_message_id: str, address: str) -> str:
        """What a message is stored and found by: their id, and where that is shared the address's digits too."""
        if not self.shares_ids or not address:
            return provider_message_id
        return f"{provider_message_id}/{bare(address)}"


class Unsigned(Provider):
    """A provider that signs nothing: a secret of ours in the address proves its callbacks."""

    optional_fields: ClassVar[Mapping[str, str]] = {
        "url_secret": "Secret in the callback address",
        "allowed_addresses": "Addresses or networks that callbacks may come from",
    }
    proof_field = "url_secret"
    signs_body = False

    def verify(self, call: Call, credentials: Mapping[str, str]) -> bool:

        return url_secret(call, credentials) and allowed_peer(call, credentials)

    def sign(self, call: Call, credentials: Mapping[str, str]) -> Call | None:
        """With our secret in the address. Where only listed callers are let in, nobody else can stand in for them."""
        secret = str(credentials.get("url_secret") or "")
        if not secret or credentials.get("allowed_addresses"):
            return None
        return with_query(call, {URL_SECRET: secret})

"""Mailboxes of support desks, lists and systems: who is in one conversation, as a person would see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from service.sources import mail
from service.sources.facts import Hasher
from service.sources.message import Message
from service.sources.threads import FORWARD_WORDS, is_forwarded
from service.text import REPLY_WORDS
from tests.import_model import ORGANIZATION, Index
from tests.mail_imports import message
from tests.random_messages import pieces

DESK, ANNA, BORIS, CLARA = "desk@shop.example", "anna@a.example", "boris@b.example", "clara@c.example"
SALES, JANE = "sales@shop.example", "jane@shop.example"
CUSTOMERS = (ANNA, BORIS, CLARA)
START = datetime(2024, 1, 1, tzinfo=UTC)
SPECIFIC = "Your order at Example 24"
UNKNOWN = "In-Reply-To: <never-seen-{number}@elsewhere.example>"
KNOWN = mail.Own(domains=frozenset({"shop.example"}))


@dataclass
class Mailbox:
    """Messages in the order of their dates, an hour apart, each with the name of its expected group."""

    messages: list[Message] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)

    def add(self, group: str, sender: str, to: str, subject: str, *headers: str) -> None:
        number = len(self.messages)
        lines = [
            f"Message-ID: <{number}@mail.example>",
            f"Date: {START + timedelta(hours=number):%a, %d %b %Y %H:%M:%S +0000}",
            f"From: {sender}", f"Subject: {subject}", *([f"To: {to}"] if to else []),
            *(header.format(number=number) for header in headers),
        ]  # fmt: skip
        self.messages.append(message("\n".join(lines) + "\n\nText\n"))
        self.groups.append(group)

    def found(self, own: mail.Own) -> set[frozenset[int]]:
        """The groups. They must be the same for one import of all messages and for single imports in either order."""
        kind = mail.Mail(Hasher(ORGANIZATION), own, mail.Rules())
        ids = {kind.fact(one).id: number for number, one in enumerate(self.messages)}
        results = []
        for parts in ([self.messages], [[one] for one in self.messages], [[one] for one in reversed(self.messages)]):
            index = Index(kind)
            for part in parts:
                index.imports(pieces(part, kind))
            results.append({frozenset(ids[fact.id] for fact in facts) for facts in index.facts()})
        assert all(one == other for one, other in pairwise(results))
        return results[0]

    def expected(self) -> set[frozenset[int]]:
        numbered = list(enumerate(self.groups))
        return {frozenset(at for at, name in numbered if name == group) for group in self.groups}

    def check(self, *owns: mail.Own) -> None:
        for own in owns or (mail.Own(), KNOWN):
            assert self.found(own) == self.expected()


@pytest.mark.parametrize("subject", ["Welcome", SPECIFIC])
@pytest.mark.parametrize("answer", [[], [UNKNOWN]])
def test_customers_who_answer_one_template_stay_apart(subject: str, answer: list[str]) -> None:
    box = Mailbox()
    for customer in CUSTOMERS:
        box.add(customer, DESK, customer, subject)
    for customer in reversed(CUSTOMERS):
        box.add(f"{customer} alone" if answer else customer, customer, DESK, f"Re: {subject}", *answer)
    if not answer:
        box.add(BORIS, DESK, BORIS, f"AW: {subject}")
    box.check()


@pytest.mark.parametrize("subject", ["Welcome", SPECIFIC])
def test_an_address_that_gets_a_copy_of_every_mail_joins_no_conversations(subject: str) -> None:
    box = Mailbox()
    for customer in CUSTOMERS:
        box.add(customer, DESK, customer, subject, f"Cc: {SALES}")
    for customer in CUSTOMERS:
        box.add(customer, customer, DESK, f"Re: {subject}", f"Cc: {SALES}")
        box.add(customer, DESK, customer, f"Re: {subject}", f"Cc: {SALES}")
    box.check()


@pytest.mark.parametrize("to", ["", "undisclosed-recipients:;", DESK, "customers@shop.example"])
@pytest.mark.parametrize("subject", ["Welcome", SPECIFIC])
def test_customers_who_got_a_blind_copy_stay_apart(subject: str, to: str) -> None:
    box = Mailbox()
    for number in range(3):
        box.add(f"template {number}", DESK, to, subject, "Received: from shop.example")
    for customer in CUSTOMERS:
        box.add(customer, customer, DESK, f"Re: {subject}")
        box.add(customer, DESK, customer, f"Re: {subject}")
    box.check()


def test_one_mail_to_several_customers_is_one_conversation_with_those_who_answer() -> None:
    box = Mailbox()
    box.add("all", DESK, f"{ANNA}, {BORIS}", SPECIFIC)
    box.add("other", DESK, CLARA, SPECIFIC)
    box.add("all", BORIS, DESK, f"Re: {SPECIFIC}", f"Cc: {ANNA}")
    box.add("all", ANNA, DESK, f"Re: {SPECIFIC}")
    box.check()


@pytest.mark.parametrize("subject", ["Help", SPECIFIC])
def test_a_desk_that_answers_from_another_address_is_followed_if_its_addresses_are_known(subject: str) -> None:
    box = Mailbox()
    for customer in CUSTOMERS:
        box.add(customer, "noreply@shop.example", customer, subject)
        box.add(customer, customer, DESK, f"Re: {subject}")
        box.add(customer, SALES, customer, f"Re: {subject}", f"Cc: {DESK}")
    box.check(KNOWN)
    assert all(len({box.groups[at] for at in group}) == 1 for group in box.found(mail.Own()))


def test_an_import_that_names_the_organizations_addresses_repairs_one_that_did_not() -> None:
    box = Mailbox()
    box.add(ANNA, ANNA, DESK, "Help")
    box.add(ANNA, JANE, ANNA, "Re: Help")
    unknown, known = (mail.Mail(Hasher(ORGANIZATION), own, mail.Rules()) for own in (mail.Own(), KNOWN))
    index = Index(unknown)
    index.imports(pieces(box.messages, unknown))
    assert len(index.items()) == 2
    index.kind = known
    for one in box.messages:
        index.imports(pieces([one], known))
    assert [item.message_count for item in index.items()] == [2]


@pytest.mark.parametrize("headers", [[], ["List-Id: <desk.shop.example>", f"List-Post: <mailto:{DESK}>"]])
def test_answers_to_identical_contact_forms_stay_apart(headers: list[str]) -> None:
    """Also if the desk receives the forms through a group that adds the headers of a mailing list."""
    box, subject = Mailbox(), "New message from your contact form"
    for customer in CUSTOMERS:
        box.add(customer, customer, DESK, subject, *headers)
    for customer in CUSTOMERS:
        box.add(customer, DESK, customer, f"Re: {subject}")
        box.add(customer, customer, DESK, f"Re: {subject}", *headers)
    box.check(*([KNOWN] if headers else []))


def test_customers_whose_answers_a_desk_receives_as_a_list_stay_apart() -> None:
    box, headers = Mailbox(), ["List-Id: <desk.shop.example>", f"List-Post: <mailto:{DESK}>"]
    for customer in CUSTOMERS:
        box.add(customer, DESK, customer, SPECIFIC)
    for customer in CUSTOMERS:
        box.add(customer, customer, DESK, f"Re: {SPECIFIC}", *headers)
    box.check()


def test_newsletters_join_nobody_who_answers() -> None:
    box = Mailbox()
    for customer in CUSTOMERS:
        box.add(customer, DESK, customer, SPECIFIC, "List-Id: News <news.shop.example>")
    for customer in CUSTOMERS:
        box.add(customer, customer, DESK, f"Re: {SPECIFIC}")
        box.add(customer, DESK, customer, f"Re: {SPECIFIC}", "List-Id: News <news.shop.example>")
    box.check()


@pytest.mark.parametrize("mark", ["Re: ", ""])
def test_a_thread_on_a_mailing_list_is_joined_by_the_address_of_the_list(mark: str) -> None:
    """Also if the list removes the reply mark, and the reply refers to an unknown message."""
    box, subject = Mailbox(), "Which projection for maps of Chile?"
    to, headers = "geo@lists.example", ["List-Id: Maps <geo.lists.example>"]
    refers = [] if mark else [UNKNOWN]
    box.add("thread", ANNA, to, f"[geo] {subject}", *headers)
    box.add("thread", BORIS, to, f"{mark}[geo] {subject}", *headers, *refers)
    box.add("thread", CLARA, ANNA, f"{mark}{subject}", f"Cc: {to}", *headers, *refers)
    box.add("elsewhere", CLARA, "other@lists.example", f"{mark}{subject}", "List-Id: <other.lists.example>", *refers)
    box.check()


def test_systems_that_refer_to_ids_of_their_own_do_not_join_strangers() -> None:
    box = Mailbox()
    for number, customer in enumerate(CUSTOMERS):
        box.add(customer, "system@shop.example", DESK, "New order", f"References: <order-{number}@shop.example>")
        box.add(customer, "system@shop.example", DESK, "New order", f"References: <order-{number}@shop.example>")
    for number in range(3):
        box.add(f"bounce {number}", "mailer-daemon@mx.example", DESK, "Undelivered mail", UNKNOWN)
    box.check()


def test_messages_without_a_sender_stay_apart() -> None:
    box = Mailbox()
    for number in range(2):
        box.add(f"unknown {number}", "", DESK, "Re: Help")
    box.check()


@pytest.mark.parametrize("robot", ["mailer-daemon@mx.example", "no-reply@tickets.example"])
def test_automatic_senders_join_no_conversations(robot: str) -> None:
    box = Mailbox()
    for customer in CUSTOMERS:
        box.add(customer, robot, DESK, "Re: Help")
    box.check()


def test_tickets_are_told_apart_by_their_numbers() -> None:
    box = Mailbox()
    for number in ("4711", "4712"):
        box.add(number, DESK, ANNA, f"[Ticket#{number}] Your request")
    for number in ("4711", "4712"):
        box.add(number, ANNA, DESK, f"Re: [Ticket#{number}] Your request")
        box.add(number, DESK, ANNA, f"Re: Re: [Ticket#{number}] Your request")
    box.check()


def test_what_is_forwarded_to_one_expert_stays_apart_until_the_expert_answers() -> None:
    box = Mailbox()
    for customer in (ANNA, BORIS):
        box.add(customer, customer, DESK, "Help")
    for customer in (ANNA, BORIS):
        box.add(f"forwarded {customer}", DESK, "expert@e.example", "Fwd: Help")
    box.check()
    for own in (mail.Own(), KNOWN):
        box.add("forwarded", "expert@e.example", DESK, "Re: Fwd: Help")
        assert {0} in box.found(own)
        assert {1} in box.found(own)


@pytest.mark.parametrize(
    ("subject", "forwarded"),
    [
        ("Fwd: Help", True), ("[list] WG: Help", True), ("Fwd: Re: Help", True), ("Re: Fwd: Help", False),
        ("[Fwd: Help]", True), ("Help (fwd)", True), ("Re: Help (fwd)", False), ("转发：帮助", True), ("TR : Aide", True),
        ("Chuyển tiếp: x", True), ("Továbbítás: x", True), ("AW: Help", False), ("RE[2]: Help", False), ("FW[2]: x", True),
    ],
)  # fmt: skip
def test_forwarded_mail_is_told_from_replies_by_the_outermost_mark(subject: str, forwarded: bool) -> None:
    assert is_forwarded(subject) is forwarded


def test_words_of_forwarded_mail_are_reply_marks() -> None:
    assert REPLY_WORDS | {"fw", "fwd"} >= FORWARD_WORDS

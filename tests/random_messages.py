"""Random messages that often join one thread, because they have few ids, people and subjects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from service.sources import mail
from service.sources.message import ARCHIVE, Address, Message
from service.sources.spool import Piece
from tests.import_model import KIND

START = datetime(2024, 1, 1, tzinfo=UTC)
NAMES = [f"{letter}@x" for letter in "abcdefghijkl"]
PEOPLE = ["anna@x", "boris@x", "own@x"]
SUBJECTS = ["Plan", "Re: plan", "Fwd: plan", "Plan 9", "Re: plan 9", "(no subject)", None]


def message(
    name: str, references: tuple[str, ...] = (), subject: str | None = "Plan", day: float = 0, *,
    sender: str = "anna@x", to: tuple[str, ...] = (), labels: tuple[str, ...] = (), snippet: str = "text",
    lists: tuple[str, ...] = (), seen: bool | None = None, is_left_out: bool = False,
) -> Message:  # fmt: skip
    return Message(
        id=name, references=references, subject=subject, sender=Address(None, sender), to=to, cc=(),
        date=START + timedelta(days=day), snippet=f"{snippet} {name}", attachments=len(name) % 2, seen=seen,
        labels=labels, lists=lists, is_left_out=is_left_out,
    )  # fmt: skip


left_out = st.builds(  # messages that are only in the trash, and would join others
    message, st.just("trashed@x"), st.sampled_from([("a@x", "b@x"), ()]), st.just("Re: plan"), is_left_out=st.just(True)
)
messages = st.lists(
    st.builds(
        message,
        st.sampled_from(NAMES[:9]),
        st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(tuple),
        st.sampled_from(SUBJECTS),
        st.sampled_from([0, 1, 2, 29, 30, 31, 60, 61]),
        sender=st.sampled_from(PEOPLE),
        to=st.lists(st.sampled_from([*PEOPLE, "support@x"]), max_size=2, unique=True).map(tuple),
        labels=st.just(()),
        lists=st.sampled_from([(), ("list.x",), (ARCHIVE,)]),
    ),
    min_size=1,
    max_size=9,
)


def pieces(some: list[Message], kind: mail.Mail = KIND) -> list[Piece[Message]]:
    return [Piece(kind.fact(one), one) for one in some]

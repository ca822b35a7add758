"""Finds the mail in a folder as programs lay it out: Maildir (also Maildir++ and Dovecot's), MH, Thunderbird, Apple.

The path of a message shows its flags and the labels of its folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from service.sources.folder_names import Role
from service.sources.folders import decoded_name, role

_OTHER = re.compile(  # files of mail programs and systems that hold no messages
    r"\.(?:lock|msf|index|cache|uidvalidity|log)$|^(?:dovecot|cyrus\.|courier|maildir(?:size|folder)$|subscriptions$"
    r"|(?:msgfilterrules|popstate|virtualfolders|panacea|folders)\.dat$|foldertree\.json$|filterlog\.html$|lock$"
    r"|table_of_contents$|.*\.plist$|envelope index(?:-\w+)?$|.*\.emlxpart$|global-messages-db\.sqlite"
    r"|thumbs\.db$|desktop\.ini$|\.ds_store$|\._)",
    re.IGNORECASE,
)
_HIDDEN = re.compile(r"(?:^|/)(?:__MACOSX/|(?:cur|new)/\.)|(?:^|/)Data/(?:\d+/)*Attachments/\d", re.IGNORECASE)
_APPLE = re.compile(r"\.(?:imap)?mbox$", re.IGNORECASE)  # a mail folder of Apple Mail; other folders lie between these
_APPLE_ACCOUNT = re.compile(r"V\d+$|[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}$", re.IGNORECASE)
_DBOX = re.compile(r"^(?:u|m)\.\d+$")
_FLAGS = re.compile(r"[:;!-]2,([A-Za-z]*)$")
_NUMBERED = re.compile(r"^[,#]?\d+\.?$")
_ONE_MESSAGE = re.compile(r"\.(?:eml|mail|msg|rfc822|nws|mht)$", re.IGNORECASE)
_EMLX = re.compile(r"\.emlx$", re.IGNORECASE)
_SUFFIX = re.compile(r"\.(?:sbd|mbox|mbx|mbs|mbox\.gz|imapmbox|gz|zst)$", re.IGNORECASE)
_MAILDIR = ("cur", "new")
_OWN_FOLDERS = frozenset({"cur", "new", "messages", "data", "attachments"})  # parts of a mail folder, not mail folders
_UNNAMED = frozenset({"maildir", ".maildir", "mail", "mbox"})
MOST_NESTED = 100  # levels of nested folders


@dataclass(frozen=True, slots=True)
class Place:
    """A file with mail. `inside` is its path in the folder that is read, with the names of archives.

    `flags` are those of Maildir. `is_single` says that it is one message, whatever its text looks like; `is_eml` that
    it is one unless it begins like an mbox. `problem` says why it cannot be read.
    """

    path: Path
    inside: str = ""
    labels: tuple[str, ...] = ()
    flags: str | None = None
    is_single: bool = False
    is_eml: bool = False
    is_emlx: bool = False
    is_deleted: bool = False
    is_ignored: bool = False
    problem: str | None = None


def is_other_file(name: str) -> bool:
    """Whether a file in an archive was added by a mail program or a system, and holds no messages."""
    return _OTHER.search(name.rpartition("/")[2]) is not None or _HIDDEN.search(name) is not None


def walk(path: Path) -> Iterator[Place]:
    """Yields every file in a folder, in the order of their names, or the file itself.

    A folder that is reached twice, by a link, is read once.
    """
    if not path.is_dir():
        yield place_of(f"{path.absolute().parent.name}/{path.name}", Place(path), is_named=True)
        return
    seen: set[tuple[int, int]] = set()
    waiting = [(path, "", 0)]
    while waiting:
        folder, inside, depth = waiting.pop()
        try:
            status = folder.stat()
            names = sorted(os.listdir(folder))
        except OSError as error:
            yield Place(folder, inside, problem=f"cannot be read ({error.strerror or error})")
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        if depth > MOST_NESTED:
            yield Place(folder, inside, problem=f"lies more than {MOST_NESTED} folders deep")
            continue
        below, files = _sorted_out(folder, inside, names)
        yield from files
        waiting += [(child, name, depth + 1) for child, name in reversed(below)]


def _sorted_out(folder: Path, inside: str, names: list[str]) -> tuple[list[tuple[Path, str]], list[Place]]:
    """The folders to read in a folder, and its files."""
    below: list[tuple[Path, str]] = []
    files: list[Place] = []
    is_maildir = any((folder / name).is_dir() for name in _MAILDIR)
    unseen = _mh_flags(folder) if ".mh_sequences" in names else None
    for name in names:
        child, inner = folder / name, f"{inside}/{name}".lstrip("/")
        if child.is_dir():
            if not (is_maildir and name == "tmp") and (not name.startswith(".") or _is_maildir(child)):
                below.append((child, inner))
        else:
            files.append(_file(child, inner, folder))
            if unseen is not None and files[-1].is_eml:
                files[-1] = replace(files[-1], flags=unseen.get(name, "S"))
    return below, files


def _file(path: Path, inside: str, folder: Path) -> Place:
    if path.is_symlink() and not path.exists():
        return Place(path, inside, problem="cannot be read (a broken link)", is_ignored=path.name == "lock")
    if not path.is_file():
        return Place(path, inside, problem="cannot be read (a device, a pipe or a socket)")
    in_maildir = folder.name in _MAILDIR
    if not in_maildir and _DBOX.match(path.name) and _is_dbox(path):
        return Place(path, inside, problem="is a file of Dovecot's dbox: export its messages with doveadm")
    place = place_of(inside, Place(path), root=path.parents[inside.count("/")])
    return replace(place, is_ignored=path.name.startswith(".") or (not in_maildir and is_other_file(inside)))


def _is_dbox(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return re.match(rb"2 [MC][0-9a-f]", file.read(20)) is not None
    except OSError:
        return False


def _is_maildir(folder: Path) -> bool:
    return any((folder / name).is_dir() for name in _MAILDIR)


def _mh_flags(folder: Path) -> dict[str, str]:
    """The flags of messages in an MH folder by their names. Messages that were only seen are left out."""
    flags: dict[str, str] = {}
    unseen: set[str] = set()
    try:
        lines = (folder / ".mh_sequences").read_text("utf-8", "replace")[:1_000_000].splitlines()
    except OSError:
        return {}
    marks = {"replied": "R", "answered": "R", "flagged": "F"}
    for line in lines:
        sequence, _colon, numbers = line.partition(":")
        for name in _numbers(numbers):
            if sequence == "unseen":
                unseen.add(name)
            elif sequence in marks:
                flags[name] = flags.get(name, "") + marks[sequence]
    return {name: ("" if name in unseen else "S") + flags.get(name, "") for name in unseen | flags.keys()}


def _numbers(text: str) -> Iterator[str]:
    for word in text.split():
        first, _dash, last = word.partition("-")
        if first.isdigit() and (last or first).isdigit():
            yield from map(str, range(int(first), min(int(last or first), int(first) + 100_000) + 1))


def place_of(inside: str, outer: Place, *, root: Path | None = None, is_named: bool = False) -> Place:
    """The place of a file with this path in a folder or an archive. `is_named` says that a user named the file."""
    *folders, name = [part for part in inside.split("/") if part]
    in_maildir = bool(folders) and folders[-1] in _MAILDIR
    flags = _FLAGS.search(name)
    labels = _labels(folders, name, outer.path, root)
    if is_named:  # whoever names a folder of trash wants its messages
        labels = tuple(label for label in labels if role(label) == "sent")
    return replace(
        outer,
        inside=inside,
        labels=labels,
        flags=(flags[1] if flags else "") if in_maildir else None,
        is_single=in_maildir,
        is_eml=_ONE_MESSAGE.search(name) is not None or _NUMBERED.match(name) is not None,
        is_emlx=_EMLX.search(name) is not None,
        is_deleted=name[0] in ",#" and _NUMBERED.match(name) is not None,
    )


def _labels(folders: list[str], name: str, path: Path, root: Path | None) -> tuple[str, ...]:
    """The label of a file's folder: its path from where the mailbox begins."""
    if folders and folders[-1] in _MAILDIR:
        parts = _maildir_parts(folders[:-1], root)
    elif any(part.endswith(".sbd") for part in folders) or path.with_name(f"{path.name}.msf").exists():
        begun = next((at for at, part in enumerate(folders) if part.endswith(".sbd")), len(folders))
        parts = [_stem(part) for part in [*folders[begun:], name]]
    elif apple := [_stem(part) for part in folders if _APPLE.search(part)]:
        parts = apple
    elif _NUMBERED.match(name) or _EMLX.search(name):
        parts = [_stem(part) for part in folders if not _is_inner(part)]
        if parts and parts[0].lower() in _UNNAMED:
            parts = parts[1:]
    else:
        known = [_stem(part) for part in [*folders, name] if _role(part) is not None]
        parts = known[-1:]
    if not parts and root is not None and _role(root.name.lstrip(".")) == "sent":
        parts = [root.name.lstrip(".")]
    label = "/".join(decoded_name(part) for part in parts)
    return (label,) if label and role(label) != "inbox" else ()


def _is_inner(name: str) -> bool:
    """Whether the folder is only a part of a mail folder or of an account."""
    return name.lower() in _OWN_FOLDERS or name.isdigit() or _APPLE_ACCOUNT.match(name) is not None


def _maildir_parts(folders: list[str], root: Path | None) -> list[str]:
    """The names of the folders that lead to a Maildir, from where its mailbox begins.

    A mailbox begins at a Maildir++ folder, or below the outermost Maildir, or beside an inbox, as mbsync lays them out.
    A folder for sent mail, trash and the like is always included: Trash/2023 is trash.
    """
    for at, name in enumerate(folders):
        if name.startswith(".") and name.lower() != ".maildir":
            return [*(part for part in name.split(".") if part), *folders[at + 1 :]]
    for at, name in enumerate(folders):
        has_role = _role(name) is not None
        if has_role or (
            root is not None and (_is_maildir(root.joinpath(*folders[:at])) or _has_inbox(folders[:at], root))
        ):
            return folders[at + 1 :] if _role(name) == "inbox" else folders[at:]
    return []


def _has_inbox(folders: list[str], root: Path | None) -> bool:
    """Whether a folder holds the folders of one mailbox: its inbox and others, as mbsync lays them out."""
    if root is None:
        return False
    folder = root.joinpath(*folders)
    return any(_is_maildir(folder / name) for name in ("INBOX", "Inbox", "inbox"))


def _role(name: str) -> Role | None:
    return role(decoded_name(_stem(name)))


def _stem(name: str) -> str:
    while (stem := _SUFFIX.sub("", name)) != name and stem:
        name = stem
    return name

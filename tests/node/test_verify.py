"""verify finds differences between an index and files or another index, and repairs only what the caller allows."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest

from service.client import Client
from service.errors import SearchUnavailable
from service.index import aliases, mapping, writer
from service.index import writer as index_writer
from service.index.write_targets import Only
from service.reindex import comparison, drift
from service.reindex.comparison import Differences
from service.stored_documents import document_id
from tests.corpus import corpus
from tests.node.clusters import Cluster
from tests.node.reindexing import (
    FIRST,
    SECOND,
    command,
    current,
    exported,
    job,
    of,
    stored,
)

pytestmark = pytest.mark.usefixtures("dead_owners_are_known_sooner")


def test_a_filtered_export_deletes_nothing(fresh: Cluster, tmp_path: Path) -> None:
    mine = [one.model_copy(update={"status": ("closed", "active")[n % 2]}) for n, one in enumerate(of(FIRST, 40))]
    fresh.load(mine)
    file = exported(fresh, tmp_path / "closed.ndjson", FIRST, "--where", "sort=subject&status=closed")
    before = stored(fresh, current(fresh))
    well = command(fresh, "verify", str(file))
    assert well.returncode == 0, well.stderr
    assert "filtered by 'status=closed'" in well.stderr
    assert json.loads(well.stdout) == {"missing": 0, "stale": 0, "newer": 0, "extra": 0}
    for options in ((), ("--whole",)):
        refused = command(fresh, "verify", str(file), "--repair", "--delete-extra", *options)
        assert refused.returncode == 2
        assert "filtered by 'status=closed'" in refused.stderr
    assert command(fresh, "verify", str(file), "--repair").returncode == 0
    assert stored(fresh, current(fresh)) == before


def test_whole_exports_of_two_organizations_delete_what_each_lacks_and_no_newer(fresh: Cluster, tmp_path: Path) -> None:
    """The second organization has newer conversations: they must not make the first one's new ones look old."""
    mine, theirs = of(FIRST, 12), of(SECOND, 12)
    newest = max(one.updated_on for one in mine)
    theirs = [
        one.model_copy(update={"updated_on": newest + timedelta(days=9, seconds=n)}) for n, one in enumerate(theirs)
    ]
    fresh.load([*mine[:10], *theirs[:10]])
    file = tmp_path / "both.ndjson"
    whole = [
        exported(fresh, tmp_path / f"{n}.ndjson", one, "--where", "sort=subject")
        for n, one in enumerate((FIRST, SECOND))
    ]
    file.write_bytes(b"".join(path.read_bytes() for path in whole))
    extra = mine[10].model_copy(update={"updated_on": newest - timedelta(days=1)})
    later = mine[11].model_copy(update={"updated_on": newest + timedelta(days=1)})
    fresh.load([extra, later])
    mended = command(fresh, "verify", str(file), "--repair", "--delete-extra")
    assert mended.returncode == 0, mended.stderr
    said = mended.stderr.index(f"deleting 1 document of 1 organization from {fresh.settings.alias}")
    assert document_id(FIRST, extra.uid) in mended.stderr[said:]
    left = stored(fresh, current(fresh))
    assert document_id(FIRST, extra.uid) not in left
    assert document_id(FIRST, later.uid) in left
    assert len(left) == 21


def test_a_whole_export_without_conversations_is_compared_with_its_organization(fresh: Cluster, tmp_path: Path) -> None:
    fresh.load(of(SECOND, 5))
    file = exported(fresh, tmp_path / "empty.ndjson", FIRST)
    assert len(file.read_text().splitlines()) == 1
    fresh.load(of(FIRST, 3))
    found = command(fresh, "verify", str(file), "--repair", "--delete-extra")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["newer"] == 3
    assert len(stored(fresh, current(fresh))) == 8


@pytest.mark.parametrize("form", ["cut", "by hand", "old", "followed by others"])
def test_files_that_do_not_say_that_they_are_whole_delete_only_with_the_option_whole(
    form: str, fresh: Cluster, tmp_path: Path
) -> None:
    mine = of(FIRST, 10)
    fresh.load(mine)
    file = tmp_path / "file.ndjson"
    *held, end = exported(fresh, file, FIRST).read_text().splitlines(keepends=True)
    old = json.dumps({"export": {"complete": True, "conversations": 7}}) + "\n"
    theirs = of(SECOND, 1)[0].model_dump_json() + "\n"
    file.write_text("".join({
        "cut": held[:7], "by hand": held[:7], "old": [*held[:7], old], "followed by others": [*held, end, theirs],
    }[form]))  # fmt: skip
    before = stored(fresh, current(fresh))
    refused = command(fresh, "verify", str(file), "--repair", "--delete-extra")
    assert refused.returncode == 2
    assert "--whole" in refused.stderr
    assert stored(fresh, current(fresh)) == before
    assert command(fresh, "verify", str(file), "--repair", "--delete-extra", "--whole").returncode == 0


def test_what_was_written_in_the_meantime_is_not_removed(fresh: Cluster) -> None:
    """After the comparison, one extra document changes, and another one is written to the first index too."""
    mine = of(FIRST, 4)
    fresh.load(mine[:1])

    async def act(client: Client) -> list[str]:
        right = await aliases.current_index(client, fresh.settings.alias)
        assert right is not None
        other = await aliases.create(client, fresh.settings.alias, mapping.load())
        await writer.Writer(client, fresh.settings.alias, targets=Only(other)).write(
            [writer.write_of(one) for one in mine]
        )
        seen = {document_id(FIRST, one.uid): one.version for one in mine[1:]}
        newer = mine[1].model_copy(update={"updated_on": mine[1].updated_on + timedelta(days=1)})
        await writer.Writer(client, fresh.settings.alias, targets=Only(other)).write([writer.write_of(newer)])
        await writer.Writer(client, fresh.settings.alias, targets=Only(right)).write([writer.write_of(mine[2])])
        await drift._remove(job(fresh, client), right, other, seen)
        return [one async for one, found in comparison.stored(client, other, list(seen)) if found is not None]

    assert fresh.act(act) == [document_id(FIRST, one.uid) for one in mine[1:3]]


def test_a_document_that_cannot_be_read_is_not_taken_for_missing(fresh: Cluster) -> None:
    """With an alias of two indices, reading each document fails, but the answer has the status 200."""
    fresh.load(of(FIRST, 3))

    async def act(client: Client) -> None:
        other = await aliases.create(client, fresh.settings.alias, mapping.load())
        for name in (other, current_name):
            await client.indices.put_alias(index=name, name=f"{fresh.settings.alias}_two")
        await comparison.versions_now(client, f"{fresh.settings.alias}_two", ["x:y"])

    current_name = current(fresh)
    with pytest.raises(SearchUnavailable):
        fresh.act(act)


def test_a_difference_that_a_write_removes_meanwhile_does_not_count(
    fresh: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two comparisons, one document reaches the other index, and one does not."""
    mine = of(FIRST, 3)
    fresh.load(mine[:1])

    async def act(client: Client) -> Differences:
        right = await aliases.current_index(client, fresh.settings.alias)
        assert right is not None
        other = await aliases.create(client, fresh.settings.alias, mapping.load())
        write = writer.Writer(client, fresh.settings.alias, targets=Only(other)).write
        await writer.Writer(client, fresh.settings.alias, targets=Only(right)).write([writer.write_of(mine[1])])
        await client.indices.refresh(index=f"{right},{other}")
        found = await comparison.indices(client, right, other)

        async def written_meanwhile(seconds: float) -> None:
            await write([writer.write_of(mine[0])])

        # Only in this module, because services of other tests also sleep, in threads of this process.
        monkeypatch.setattr(comparison, "asyncio", SimpleNamespace(**vars(asyncio) | {"sleep": written_meanwhile}))
        return await comparison.confirmed(client, right, other, found)

    found = fresh.act(act)
    assert found.missing == [document_id(FIRST, mine[1].uid)]


def test_equal_counts_prove_nothing(fresh: Cluster) -> None:
    """One conversation is missing in the other index, and another one is extra, so the counts are equal."""
    everything = corpus()[:50]
    fresh.load(everything)
    right = current(fresh)

    async def other_index(client: Client) -> str:
        name = await aliases.create(client, fresh.settings.alias, mapping.load())
        writer = index_writer.Writer(client, fresh.settings.alias, targets=Only(name))
        stranger = everything[0].model_copy(update={"uid": UUID(int=7)})
        await writer.write([index_writer.write_of(one) for one in [*everything[1:], stranger]])
        await client.indices.refresh(index=name)
        return name

    other = fresh.act(other_index)
    assert len(stored(fresh, right)) == len(stored(fresh, other))
    told = command(fresh, "verify", "--against", other)
    assert told.returncode == 1
    assert "--repair writes what is missing or stale" in told.stderr
    assert json.loads(told.stdout) == {"missing": 1, "stale": 0, "newer": 0, "extra": 1}
    mended = command(fresh, "verify", "--against", other, "--repair")
    assert mended.returncode == 1
    assert json.loads(mended.stdout)["after_repair"] == {"missing": 0, "stale": 0, "newer": 0, "extra": 1}
    told = command(fresh, "verify", "--against", other)
    assert "there are extra documents (1): --repair --delete-extra deletes them" in told.stderr
    mended = command(fresh, "verify", "--against", other, "--repair", "--delete-extra")
    assert mended.returncode == 0, mended.stderr
    assert "deleting 1 document of 1 organization from" in mended.stderr
    assert stored(fresh, right) == stored(fresh, other)


def test_verify_against_files_reports_and_repairs(fresh: Cluster, tmp_path: Path) -> None:
    everything = [one for one in corpus() if one.organization_uid == FIRST][:60]
    stranger, later = everything[58], everything[59]
    newest = max(one.updated_on for one in everything[:58])
    later = later.model_copy(update={"updated_on": newest + timedelta(days=1)})
    stranger = stranger.model_copy(update={"updated_on": newest})
    elsewhere = [one for one in corpus() if one.organization_uid != FIRST][:5]
    fresh.load([*everything[2:58], stranger, later, *elsewhere])
    stale = everything[3].model_copy(update={"updated_on": everything[3].updated_on + timedelta(seconds=1)})
    file = tmp_path / "file.ndjson"
    file.write_text("".join(f"{one.model_dump_json()}\n" for one in [*everything[:3], stale, *everything[4:58]]))
    told = command(fresh, "verify", str(file))
    assert told.returncode == 1, told.stderr
    assert json.loads(told.stdout) == {"missing": 2, "stale": 1, "newer": 1, "extra": 1}
    mended = command(fresh, "verify", str(file), "--repair")
    assert mended.returncode == 1
    assert json.loads(mended.stdout)["after_repair"] == {"missing": 0, "stale": 0, "newer": 1, "extra": 1}
    refused = command(fresh, "verify", str(file), "--repair", "--delete-extra")
    assert refused.returncode == 2
    assert "--whole" in refused.stderr
    assert document_id(FIRST, stranger.uid) in stored(fresh, current(fresh))
    mended = command(fresh, "verify", str(file), "--repair", "--delete-extra", "--whole")
    assert mended.returncode == 0, mended.stderr
    assert json.loads(mended.stdout)["after_repair"] == {"missing": 0, "stale": 0, "newer": 1, "extra": 0}
    expected = [*everything[:3], stale, *everything[4:58], later, *elsewhere]
    assert stored(fresh, current(fresh)) == {
        document_id(one.organization_uid, one.uid): one.version for one in expected
    }
    again = command(fresh, "verify", str(file))
    assert again.returncode == 0
    assert command(fresh, "verify").returncode == 2

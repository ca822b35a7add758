"""The data folder of the local node is its owner's alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.errors import Misconfigured
from service.node.folder import FOLDERS, for_owner, make_folders
from service.run import with_token_secret
from service.settings import Settings


def rights(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


def test_a_new_folder_is_made_for_its_owner(tmp_path: Path) -> None:
    data = tmp_path / "a" / "data"
    make_folders(data)
    assert {rights(path) for path in (data, *data.iterdir())} == {"0o700"}
    assert {path.name for path in data.iterdir()} == set(FOLDERS)
    open(data / "lock", "a+", opener=for_owner).close()
    assert rights(data / "lock") == "0o600"


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path, bare_settings: Settings) -> None:
    (tmp_path / "file").touch()
    for data in (tmp_path / "file", tmp_path / "file" / "data"):
        with pytest.raises(Misconfigured, match=f"^{data} is not a folder: choose another with --data$"):
            with_token_secret(bare_settings.model_copy(update={"token_secret": None, "data": data}))


def test_access_of_other_users_is_removed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    for folder in (data, data / "index", data / "logs"):
        folder.mkdir()
        folder.chmod(0o755)
    (data / "lock").touch(0o666)
    (data / "token-secret").touch()
    (data / "token-secret").chmod(0o444)
    make_folders(data)
    assert {rights(path) for path in (data, data / "index", data / "logs")} == {"0o700"}
    assert (rights(data / "lock"), rights(data / "token-secret")) == ("0o600", "0o400")
    assert capsys.readouterr().err == f"Other users had access to {data}: now only its owner has\n"
    make_folders(data)
    assert capsys.readouterr().err == ""


def test_a_folder_that_holds_other_files_keeps_its_rights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It may be /tmp or a home folder. The node's own folders in it are private all the same."""
    tmp_path.chmod(0o755)
    (tmp_path / "thesis.txt").touch(0o644)
    (tmp_path / "index").mkdir(mode=0o755)
    make_folders(tmp_path)
    assert rights(tmp_path) == "0o755"
    assert {rights(tmp_path / name) for name in FOLDERS} == {"0o700"}
    assert "holds other files too" in capsys.readouterr().err


def test_the_token_secret_comes_into_a_private_folder(tmp_path: Path, bare_settings: Settings) -> None:
    data = tmp_path / "data"
    with_token_secret(bare_settings.model_copy(update={"token_secret": None, "data": data}))
    assert (rights(data), rights(data / "token-secret")) == ("0o700", "0o600")

"""Settings: the environment is read once, wrong values are named, and docs/settings.md lists each."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from service.errors import Misconfigured
from service.operations import doctor
from service.run import with_token_secret
from service.secret_files import FILES
from service.settings import PUBLISHED_SECRETS, SECRETS, Settings, is_published, variable_of
from service.urls import without_password

ROOT = Path(__file__).parents[1]
PUBLISHED = next(iter(PUBLISHED_SECRETS))


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("CONVERSATIONS_", "OPENSEARCH_"))
    }
    return subprocess.run(
        [sys.executable, "-c", code], env=clean | environment, cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_each_wrong_variable_is_named_and_its_value_kept_secret() -> None:
    done = run_python(
        "from service.settings import Settings; Settings.load()",
        CONVERSATIONS_TOKEN_SECRET="too-short",
        CONVERSATIONS_REQUEST_TIMEOUT="soon",
        OPENSEARCH_URL="localhost:9200",
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    for name in ("CONVERSATIONS_TOKEN_SECRET", "CONVERSATIONS_REQUEST_TIMEOUT", "OPENSEARCH_URL"):
        assert name in last
    assert "too-short" not in done.stderr


def test_the_secret_is_not_printed() -> None:
    done = run_python(
        "from service.settings import Settings; print(Settings.load())", CONVERSATIONS_TOKEN_SECRET="x" * 40
    )
    assert done.returncode == 0
    assert "x" * 40 not in done.stdout


def test_nothing_else_reads_the_environment() -> None:
    for path in (ROOT / "service").rglob("*.py"):
        if path.name != "settings.py":
            assert not re.search(r"os\.environ|getenv", path.read_text("utf-8")), path


def test_the_table_of_settings_and_defaults_matches_the_code(tmp_path: Path) -> None:
    from service.settings import environment_names

    page = (ROOT / "docs" / "settings.md").read_text("utf-8")
    rows = re.findall(r"^\| `([A-Z_]+)` \| (\S+(?: \S+)*?) \| (.+?) \|$", page, re.MULTILINE)
    assert {name: meaning for name, _default, meaning in rows} == environment_names()
    assert {name: default for name, default, _meaning in rows} == defaults(tmp_path)


def defaults(home: Path) -> dict[str, str]:
    """The default of each variable, as the page writes it: as it is typed, and – where it is not set."""
    code = (
        "import json; from service.settings import Settings, variable_of; "
        "print(json.dumps({variable_of(name): field.get_default(call_default_factory=True) "
        "for name, field in Settings.model_fields.items()}, default=str))"
    )
    folders = {"HOME": str(home), "XDG_DATA_HOME": "", "XDG_CACHE_HOME": ""}
    found: dict[str, object] = json.loads(run_python(code, **folders).stdout)
    return {name: as_typed(value).replace(str(home), "~") for name, value in found.items()}


def as_typed(value: object) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "–" if value in (None, "") else f"`{value}`"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"token_secret": "short"}, "CONVERSATIONS_TOKEN_SECRET must have at least 32 bytes"),
        ({"token_secret": SecretStr("")}, "CONVERSATIONS_TOKEN_SECRET must have at least 32 bytes"),
        ({"request_timeout": "soon"}, "CONVERSATIONS_REQUEST_TIMEOUT"),
        ({"request_timeout": -1}, "CONVERSATIONS_REQUEST_TIMEOUT"),
        ({"alias": "Not An Alias"}, "CONVERSATIONS_ALIAS"),
        ({"opensearch_connections": 0}, "OPENSEARCH_CONNECTIONS"),
        ({"node_heap": "much"}, "CONVERSATIONS_NODE_HEAP"),
        ({"environment": "test"}, "CONVERSATIONS_ENVIRONMENT"),
        ({"opensearch_url": "search:9200"}, 'OPENSEARCH_URL is "search:9200": it must begin with http:// or https://'),
        ({"opensearch_url": ""}, "OPENSEARCH_URL"),
        ({"opensearch_password": "secret"}, "OPENSEARCH_USER must be set"),
        ({"opensearch_user": "a:b"}, "OPENSEARCH_USER must not contain a colon"),
    ],
)
def test_a_changed_value_is_checked_as_one_of_the_environment(
    bare_settings: Settings, change: dict[str, object], named: str
) -> None:
    with pytest.raises(Misconfigured) as raised:
        bare_settings.but(**change)
    assert named in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_change_of_an_unknown_setting_is_an_error(bare_settings: Settings) -> None:
    with pytest.raises(TypeError, match="no such settings: tokensecret"):
        bare_settings.but(tokensecret="x" * 40)


def test_a_change_reads_no_environment_again(bare_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVERSATIONS_TOKEN_AUDIENCE", "somebody else")
    monkeypatch.setenv("OPENSEARCH_URL", "http://elsewhere:9200")
    changed = bare_settings.but(alias="other", opensearch_connections=3)
    assert (changed.alias, changed.opensearch_connections) == ("other", 3)
    assert changed.model_copy(update={"alias": bare_settings.alias, "opensearch_connections": 32}) == bare_settings


def test_an_empty_variable_counts_as_not_set(bare_settings: Settings) -> None:
    empty = dict.fromkeys(
        ("OPENSEARCH_URL", "CONVERSATIONS_TOKEN_SECRET", "CONVERSATIONS_DATA", "CONVERSATIONS_TOKEN_AUDIENCE"), ""
    )
    done = run_python(
        "from service.settings import Settings as s; n = s.load(); print(n.opensearch_url, n.token_audience, n.data)",
        **empty,
    )
    assert done.returncode == 0, done.stderr
    url, audience, data = done.stdout.split(maxsplit=2)
    assert (url, audience) == ("None", "conversations")
    assert Path(data.strip()).is_absolute()


@pytest.mark.parametrize(
    ("url", "kept", "credentials"),
    [
        ("https://search:9200", "https://search:9200", None),
        ("HTTPS://search", "https://search", None),
        ("http://[::1]:9200/", "http://[::1]:9200", None),
        ("https://host/opensearch/", "https://host/opensearch", None),
        ("https://ada:secret@host:9200/x", "https://host:9200/x", ("ada", "secret")),
        ("https://a%40b:p%3A%2F%40%23%C3%A9@host", "https://host", ("a@b", "p:/@#é")),
        ("https://ada:a:b@host", "https://host", ("ada", "a:b")),
        ("https://ada@host", "https://host", ("ada", "")),
        ("http://one:9200,http://two:9200", "http://one:9200,http://two:9200", None),
        ("http://one:9200, http://two:9200", "http://one:9200,http://two:9200", None),
        ("http://one:9200 \t http://two/a/", "http://one:9200,http://two/a", None),
        ("http://one\nhttp://two\nHTTP://three", "http://one,http://two,http://three", None),
        ("http://one,http://two,http://one", "http://one,http://two", None),
        ("http://one,http://two,http://ONE:9200,http://one/a", "http://one,http://two,http://one/a", None),
        ("https://one:443,https://One,https://one:9200", "https://one:443,https://one:9200", None),
        ("https://ada:hu%2Csh@one,https://two", "https://one,https://two", ("ada", "hu,sh")),
        ("https://one,https://ada:hush@two", "https://one,https://two", ("ada", "hush")),
        ("https://ada:hush@one,https://ada:hush@two", "https://one,https://two", ("ada", "hush")),
    ],
)
def test_one_or_several_urls_may_hold_a_user_which_is_kept_apart(
    bare_settings: Settings, url: str, kept: str, credentials: tuple[str, str] | None
) -> None:
    settings = bare_settings.but(opensearch_url=url)
    assert (settings.opensearch_url, settings.credentials) == (kept, credentials)
    again = settings.but(alias="other")
    assert (again.opensearch_url, again.credentials) == (kept, credentials)
    assert settings.but(opensearch_url="https://elsewhere").credentials is None
    child = settings.child_environment()
    told = child["OPENSEARCH_URL"], child["OPENSEARCH_USER"], child["OPENSEARCH_PASSWORD"]
    assert told == (kept, *(credentials or ("", "")))


def test_several_urls_have_one_user(bare_settings: Settings) -> None:
    with pytest.raises(Misconfigured) as raised:
        bare_settings.but(opensearch_url="https://ada:hush@one,https://eve:hush@two")
    assert str(raised.value) == "OPENSEARCH_URL must have the same user and password in all of its URLs"


@pytest.mark.parametrize(
    "url",
    [
        "https://", "https:///path", "https://ada:hush@", "https://host:99999", "https://host:0", "https://host:port",
        "https://ada:hush@host:99999", "https://ada:hu/sh@host", "https://ada:hu#sh@host", "https://ada:hush @host",
        "https://ada:hush@host?x", "https://ada:hush%ff@host", "https://[::1", "https:// host", " https://host",
        "https://host\n", "ftp://ada:hush@host", "ada:hush@host", "localhost:9200",
        "https://one:9200,http://two:9200", "https://one,two:9200", "https://one:9200,two", "https://one;https://two",
        "https://ada:hush@one:99999,https://two", "https://one:9200 https://ada:hush@two/x?y", "https://one,ftp://two",
        "https://one,,", ", https://one",
    ],
)  # fmt: skip
def test_an_invalid_url_is_refused_and_its_password_is_not_shown(bare_settings: Settings, url: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        bare_settings.but(opensearch_url=url)
    told = str(raised.value)
    assert told.startswith('OPENSEARCH_URL is "')
    assert ": it must " in told
    assert not any(part in told for part in ("ada", "hush", "hu/sh"))


def test_the_user_may_be_given_in_one_place_only(bare_settings: Settings) -> None:
    with pytest.raises(Misconfigured, match="must not contain a user if OPENSEARCH_USER is set"):
        bare_settings.but(opensearch_url="https://ada:hush@host", opensearch_user="eve")


def test_no_part_of_a_password_is_shown() -> None:
    assert "hush" not in repr(Settings.load().but(opensearch_url="https://ada:hush@host"))
    for url in ("https://ada:hush@host:9200/x", "https://ada:hu@sh@host:9200/x", "ada:hush@host:9200/x"):
        assert without_password(url).endswith("host:9200/x")
        assert "hu" not in without_password(url)


def test_the_published_secret_is_refused_outside_dev(bare_settings: Settings) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    dev = compose["x-dev-environment"]
    default = re.fullmatch(r"\$\{\w+:-(.+)\}", dev["CONVERSATIONS_TOKEN_SECRET"])
    assert default is not None
    assert is_published(SecretStr(default[1]))
    assert dev["CONVERSATIONS_ENVIRONMENT"] == "dev"
    assert "CONVERSATIONS_ENVIRONMENT" not in compose["x-production-environment"]
    for name in ("token_secret", "token_secret_previous", "cursor_secret"):
        for secret in (PUBLISHED, f" {PUBLISHED}\n"):
            with pytest.raises(Misconfigured, match=rf"CONVERSATIONS_{name.upper()} must not be .*openssl rand"):
                bare_settings.but(**{name: secret})
            accepted = bare_settings.but(**{name: secret, "environment": "dev"})
            told = asyncio.run(doctor._tokens(accepted.but(token_secret=PUBLISHED)))
            assert (told.verdict, "publishes" in told.found) == ("warning", True)


def test_the_example_holds_no_secret() -> None:
    given = re.findall(r"^(\w*(?:SECRET|PASSWORD)\w*)=(.*)$", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE)
    assert len(given) == 1  # the others are files, which deploy/secrets makes
    assert {value for _name, value in given} == {""}


def bare(data: Path) -> Settings:
    return Settings.load().model_copy(update={"token_secret": None, "data": data})


def test_the_data_folders_own_secret_is_made_once_and_private(tmp_path: Path) -> None:
    first = with_token_secret(bare(tmp_path / "new" / "folder"))
    again = with_token_secret(bare(tmp_path / "new" / "folder"))
    assert first.token_secret == again.token_secret
    assert [file.name for file in (tmp_path / "new" / "folder").iterdir()] == ["token-secret"]
    assert (tmp_path / "new" / "folder" / "token-secret").stat().st_mode & 0o777 == 0o600


def test_a_secret_in_a_file_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token-secret"
    for content, told in ((b"", "0 bytes"), (b" \n", "0 bytes"), (b"x" * 31, "31 bytes"), (b"\xff" * 40, "UTF-8")):
        file.write_bytes(content)
        refused(tmp_path, told)
        assert file.read_bytes() == content
    file.unlink()
    file.mkdir()
    refused(tmp_path, "Is a directory")
    file.rmdir()
    file.symlink_to(file)
    refused(tmp_path, "symbolic links")


def refused(data: Path, told: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        with_token_secret(bare(data))
    assert told in str(raised.value)
    assert f"{data}/token-secret" in str(raised.value)
    assert "remove it to have a new one made" in str(raised.value)


@pytest.mark.slow
def test_processes_that_make_the_secret_at_once_get_the_same_one(tmp_path: Path) -> None:
    for number in range(20):
        settings, together = bare(tmp_path / str(number)), threading.Barrier(8)

        def make(settings: Settings = settings, together: threading.Barrier = together) -> str:
            together.wait(30)
            secret = with_token_secret(settings).token_secret
            assert secret is not None
            return secret.get_secret_value()

        with ThreadPoolExecutor(8) as pool:
            made = {one.result(30) for one in [pool.submit(make) for _ in range(8)]}
        assert made == {(settings.data / "token-secret").read_text()}
        assert [file.name for file in settings.data.iterdir()] == ["token-secret"]


@pytest.mark.slow
def test_a_kill_while_the_secret_is_made_leaves_no_empty_file(tmp_path: Path) -> None:
    """The process dies by a signal at the moment when the secret is written, before it is named."""
    code = (
        "import os, signal; from service.run import with_token_secret; from service.settings import Settings; "
        "os.fsync = lambda _file: os.kill(os.getpid(), signal.SIGKILL); with_token_secret(Settings.load())"
    )
    done = run_python(code, CONVERSATIONS_DATA=str(tmp_path))
    assert done.returncode == -9
    assert not (tmp_path / "token-secret").exists()
    assert with_token_secret(bare(tmp_path)).token_secret is not None


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("OPENSEARCH_PASSWORD", "opensearch_password"),
        ("CONVERSATIONS_TOKEN_SECRET", "token_secret"),
        ("CONVERSATIONS_TOKEN_SECRET_PREVIOUS", "token_secret_previous"),
        ("CONVERSATIONS_CURSOR_SECRET", "cursor_secret"),
    ],
)
def test_a_secret_may_stand_in_a_file(name: str, field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    monkeypatch.setenv("OPENSEARCH_USER", "ada")
    monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(f"{name}_FILE", str(file))
    with pytest.raises(Misconfigured, match=rf"{name}_FILE names .*secret, which cannot be read"):
        Settings.load()
    for content in ("", "\n", "two\nlines", "\ufeff" + "f" * 40, "f" * 40 + "\0"):
        file.write_text(content)
        with pytest.raises(Misconfigured, match=r"must contain one line"):
            Settings.load()
    file.write_text("f" * 40 + "\r\n")
    settings = Settings.load()
    assert getattr(settings, field).get_secret_value() == "f" * 40
    assert getattr(settings.but(alias="other"), field).get_secret_value() == "f" * 40
    assert "f" * 40 not in repr(settings)
    assert settings.child_environment()["OPENSEARCH_PASSWORD_FILE"] == ""
    monkeypatch.setenv(name, "v" * 40)
    assert getattr(Settings.load(), field).get_secret_value() == "v" * 40, "the variable itself takes precedence"


def test_every_secret_can_stand_in_a_file() -> None:
    for name in SECRETS:
        assert f"{name}_file" in Settings.model_fields, name
        assert variable_of(f"{name}_file") == f"{variable_of(name)}_FILE"
    assert {variable_of(name) for name in SECRETS} - set(FILES.values()) == {"CONVERSATIONS_TOKEN"}  # commands read it

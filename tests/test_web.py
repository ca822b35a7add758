"""The page's files and routes, as far as they need neither a browser nor a node."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from service.api import web
from service.api.auth import Tokens
from service.api.sign_in import LIFETIME, SignInCodes
from service.api.web_bundle import NotBundled, bundle
from service.conversation import Conversation, Metadata
from service.errors import Unauthorized
from service.query.fields import FACET_FIELDS, FIELDS, SORT_FIELDS
from service.query.search_fields import SEARCH_FIELDS
from service.settings import Settings
from tests.without_cluster import ask

WEB = Path(__file__).parents[1] / "service" / "web"
LANGUAGES = ("en", "de", "es", "fr")
ONE, OTHER = UUID(int=1), UUID(int=2)
HTML = {"Accept": "text/html"}


def keys(language: str) -> list[str]:
    return re.findall(r"^  '([^']+)': ", (WEB / "words" / f"{language}.js").read_text(), re.MULTILINE)


needs_node = pytest.mark.skipif(
    shutil.which("node") is None and "CI" not in os.environ, reason="needs node; CI installs one"
)


def run_node(script: str) -> str:
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def modules() -> list[Path]:
    return [path for path in WEB.rglob("*.js") if "vendor" not in path.parts]


@needs_node
def test_the_functions_that_need_no_browser() -> None:
    done = subprocess.run(
        ["node", "--test", str(Path(__file__).parent / "web" / "pure.test.mjs")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_every_language_has_the_same_texts_with_the_same_placeholders() -> None:
    texts = {language: (WEB / "words" / f"{language}.js").read_text().splitlines() for language in LANGUAGES}
    assert len(set(keys("en"))) == len(keys("en"))
    for language in LANGUAGES:
        assert keys(language) == keys("en")
    for lines in zip(*(text[2:] for text in texts.values()), strict=True):
        assert len({tuple(sorted(re.findall(r"\{\w+\}", line))) for line in lines}) == 1, lines


def test_every_word_that_a_view_names_exists_and_is_used() -> None:
    known = set(keys("en"))
    source = "\n".join(path.read_text() for path in modules() if path.parent.name != "words")
    plain = set(re.findall(r"\bt\('([^']+)'", source))
    assert plain <= known
    begun = set(re.findall(r"`([\w.]+\.)\$\{", source)) | {f"{name}." for name in (*FACET_FIELDS, "has_reply")}
    assert {key for key in known - plain if not key.startswith(tuple(begun)) and f"'{key}'" not in source} == set()


def test_the_words_cover_every_field_order_and_choice() -> None:
    known = set(keys("en"))
    fields = set(Conversation.model_fields) | set(Metadata.model_fields)
    elsewhere = {"subject", "metadata", "from_email", "from_name", "snippet"}
    assert {f"field.{name}" for name in fields - elsewhere} <= known
    orders = re.findall(r"'order\.([^']+)'", (WEB / "words" / "en.js").read_text())
    assert {key.lstrip("-") for order in orders for key in order.split(",")} <= set(SORT_FIELDS)


def test_the_page_has_a_filter_for_each_facet() -> None:
    def listed(name: str, file: str) -> set[str]:
        (found,) = re.findall(rf"{name} = (.+);", (WEB / file).read_text())
        return set(re.findall(r"\w+", found))

    facets = f"export const FACETS = '{','.join(FACET_FIELDS)}';"
    assert facets in (WEB / "parameters.js").read_text().splitlines(), "FACETS in service/web/parameters.js"
    assert listed("CHOICES", "views/filters.js") == set(FACET_FIELDS), "CHOICES in service/web/views/filters.js"
    texts = {f"filter.{name}" for name in FACET_FIELDS} | {f"{name}.none" for name in FACET_FIELDS}
    texts |= {f"{row.name}.{value}" for row in FIELDS if row.facet for value in row.choices}
    texts |= {
        f"{row.name}.{value}" for row in FIELDS if row.facet and row.kind == "boolean" for value in ("true", "false")
    }
    assert texts - set(keys("en")) == set(), "service/web/words/*.js"
    known = listed("LISTS", "address.js") | listed("SINGLES", "address.js")
    assert set(FACET_FIELDS) <= known, "LISTS or SINGLES in service/web/address.js"


def test_only_fields_of_the_search_box_have_texts() -> None:
    described = {key.removeprefix("box_field.") for key in keys("en") if key.startswith("box_field.")}
    assert described <= {one.name for one in SEARCH_FIELDS}


def test_modules_are_short_and_name_no_other_host() -> None:
    for path in [*modules(), *WEB.rglob("*.css"), WEB / "index.html"]:
        text = path.read_text()
        assert text.count("\n") < 400, path
        assert not re.search(r"https?://(?!www\.w3\.org)", text), path
        assert "style=" not in text, path  # the policy forbids it
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=", (WEB / "index.html").read_text())


def test_the_vendored_files_are_those_that_are_named() -> None:
    folder = WEB / "vendor" / "lit-html"
    named = dict(re.findall(r"^    ([0-9a-f]{64})  (\S+)$", (folder / "README.md").read_text(), re.MULTILINE))
    assert {
        hashlib.sha256(path.read_bytes()).hexdigest(): str(path.relative_to(folder)) for path in folder.rglob("*.js")
    } == named
    assert (folder / "LICENSE").read_text().startswith("BSD 3-Clause")


def test_the_page_and_its_files_are_cached_by_what_they_hold(bare_settings: Settings) -> None:
    name = f"/web/{web.version()}/app.js"
    page, file, old, missing, outside = ask(
        bare_settings, {"headers": HTML}, {"url": name}, {"url": "/web/0123/app.js"}, {"url": "/web/0/x.js"},
        {"url": f"/web/{web.version()}/%2e%2e/__init__.py"},
    )  # fmt: skip
    assert page.headers["content-security-policy"] == web.policy([])
    assert "connect-src 'self';" in web.policy([])
    assert page.headers["cache-control"] == "no-cache"
    assert (file.headers["cache-control"], old.headers["cache-control"]) == (web.FOR_GOOD, "no-cache")
    assert file.headers["content-type"] == "text/javascript; charset=utf-8"
    assert file.content == old.content == web.files()["app.js"].content
    assert (missing.status_code, outside.status_code) == (404, 404)
    again = ask(
        bare_settings,
        {"headers": {**HTML, "If-None-Match": page.headers["etag"]}},
        {"url": name, "headers": {"If-None-Match": file.headers["etag"]}},
    )
    assert [answer.status_code for answer in again] == [304, 304]


def test_every_address_of_the_page_is_relative_and_leads_to_a_file(bare_settings: Settings) -> None:
    (page,) = ask(bare_settings, {"headers": HTML})
    addresses = re.findall(r'(?:href|src)="([^"]+)"', page.text)
    assert len(addresses) == 4  # with the link for those without scripts
    assert not [address for address in addresses if address.startswith(("/", "http"))]
    answers = ask(bare_settings, *({"url": f"/{address}"} for address in addresses))
    assert {answer.status_code for answer in answers} == {200}
    assert sum(len(gzip.compress(file.content, 1)) for file in web.files().values()) < 80_000


def test_the_script_holds_every_module_once_and_no_import() -> None:
    script = web.files()["app.js"].content.decode()
    late = {"words/" + f"{language}.js" for language in LANGUAGES}
    for path in WEB.rglob("*.js"):
        name = str(path.relative_to(WEB))
        assert script.count(f"\n// {name}\n") + script.startswith(f"// {name}\n") == (name not in late), name
    assert not re.search(r"^(import|export)\b(?!\()", script, re.MULTILINE)


@pytest.mark.parametrize(
    ("modules", "says"),
    [
        ({"a.js": "import { b } from './b.js';", "b.js": "import { a } from './a.js';"}, "a circle"),
        ({"a.js": "import { b } from './b.js';", "b.js": "export const c = 1;"}, "exports no b"),
        ({"a.js": "import b from './b.js';", "b.js": ""}, "import b"),
        ({"a.js": "export let a = 1;"}, "export let"),
        ({"a.js": "export default 1;"}, "export default"),
        ({"a.js": "f();export * from './b.js';", "b.js": ""}, "export [*]"),
    ],
)
def test_what_cannot_be_bundled_is_an_error(modules: dict[str, str], says: str) -> None:
    with pytest.raises(NotBundled, match=says):
        bundle(modules, "a.js")


@needs_node
def test_a_bundle_runs_each_module_once_before_those_that_import_it() -> None:
    modules = {
        "a.js": "import { two as b } from './x/b.js';\nimport { one } from './c.js';\nconsole.log(b(), one);",
        "x/b.js": "import{o as e}from'../c.js';const t=()=>e+1;export{t as two};",
        "c.js": "console.log('c');\nexport const one = 1;\nconst own = 5;\nexport { own as o };",
    }
    assert run_node(bundle(modules, "a.js")) == "c\n6 1\n"


def test_a_code_is_good_once_and_for_a_while() -> None:
    now = [0.0]
    codes = SignInCodes(lambda: now[0])
    code, late = codes.make("token"), codes.make("other")
    assert len(code) >= 32
    assert codes.use(code) == "token"
    now[0] = LIFETIME.total_seconds()
    for wrong in (code, late, "", "x", "\ud800"):
        with pytest.raises(Unauthorized):
            codes.use(wrong)


def test_wrong_sign_in_codes_are_refused(bare_settings: Settings) -> None:
    bodies: list[Any] = [b"", b"{}", b'{"code": 1}', b'{"code": "x"}', b"[", b'{"code": "\xff"}', b'{"x":' + b"[" * 980]
    posts = [{"url": "/sign-in", "method": "POST", "content": body} for body in (*bodies, b"x" * 2_000)]
    *answers, large, get = ask(bare_settings, *posts, {"url": "/sign-in"}, codes=SignInCodes())
    assert {answer.status_code for answer in answers} == {401}
    assert (large.status_code, get.status_code) == (413, 405)


def test_bodies_with_codes_are_not_read_if_no_codes_are_made(bare_settings: Settings) -> None:
    """Otherwise anybody could hold connections with bodies that never end."""
    (answer,) = ask(bare_settings, {"url": "/sign-in", "method": "POST", "content": b'{"code": "x"}'})
    assert answer.status_code == 404


def test_a_caller_learns_what_its_token_allows(bare_settings: Settings) -> None:
    tokens = Tokens(bare_settings)
    plain = tokens.mint("ada", [OTHER, ONE], scopes=("conversations:write",))
    bound = tokens.mint("bob", [ONE], default=ONE, agents=(OTHER,))
    known = [{"url": "/api/caller", "headers": {"Authorization": f"Bearer {token}"}} for token in (plain, bound)]
    ada, bob, unknown, odd = ask(bare_settings, *known, {"url": "/api/caller"}, {**known[0], "url": "/api/caller?x=1"})
    assert ada.json()["data"] == {
        "user": "ada", "organizations": [str(ONE), str(OTHER)], "default_organization": None,
        "scopes": ["conversations:write"], "is_restricted": False,
    }  # fmt: skip
    assert (bob.json()["data"]["default_organization"], bob.json()["data"]["is_restricted"]) == (str(ONE), True)
    assert (unknown.status_code, odd.status_code) == (401, 400)
    assert "no-cache" in ada.headers["cache-control"]

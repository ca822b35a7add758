"""Checks a deployment. Each check reports what it found, and what to do about a problem.

Checks never change anything. A check that cannot run because an earlier one failed is reported as skipped.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

from aiohttp import ClientError
from opensearchpy.exceptions import TransportError

from service.audit import Audit, operator
from service.client import translated
from service.client.responses import Json
from service.errors import ConversationsError, Misconfigured, WriteFailed
from service.identity.api_keys import keys_index
from service.index import aliases, disk_space, silent_nodes
from service.index.state_documents import state_index
from service.index.write_check import check_writable
from service.index.write_targets import holders, writes_alias
from service.message_texts import counted
from service.operations import doctor_nodes
from service.operations.doctor_check import Check, Deployment
from service.reindex import lock
from service.settings import SECRET_MIN_BYTES, Settings, is_published
from service.urls import without_password

OLDEST_VERSION = (3, 3)  # the first version that can sort by _shard_doc in a point in time
EACH_NODE = {
    "filter_path": "nodes.*.name,nodes.*.plugins.name,nodes.*.version", **silent_nodes.within(doctor_nodes.SECONDS)
}  # fmt: skip
PLUGIN = "analysis-icu"
WRITABLE_SECONDS = 10.0  # timeout of each call of the check `writes`
FULL_DISK_AFTER_SECONDS = 5.0
HASTY_SECONDS = 3.0  # for each check while a node is silent: calls that wait for it may take half a minute


Look = Callable[[Deployment], Awaitable[Check]]


async def examine(deployment: Deployment, *, unreachable: str | None = None) -> AsyncIterator[Check]:
    """Runs every check, in order. If the cluster cannot be reached, all checks that need it are skipped.

    `unreachable` is the reason why the cluster cannot be reached, if the caller knows it already. While a node is
    silent, the checks run at the same time, and those that wait for it end with a warning.
    """
    yield await _tokens(deployment.settings)
    if deployment.settings.audit_file is not None:
        yield _audit_file(deployment.settings)
    if unreachable is None:
        members = await silent_nodes.members(deployment.client, seconds=doctor_nodes.SECONDS)
        deployment = replace(deployment, members=members)
    if deployment.silent:
        for check in await asyncio.gather(*(_hastily(look, deployment) for look in CHECKS)):
            yield check
        return
    first, *rest = CHECKS
    if unreachable is None:
        reachable = await _first(first, deployment)
    else:
        reachable = Check(_name(first), "failed", unreachable, _UNREACHABLE)
    yield reachable
    full = None
    if reachable.verdict == "failed" and unreachable is None:
        full = await disk_space.full_disks(deployment.client)
    for look in rest:
        if look is doctor_nodes.disk and full is not None:
            found, _, way_out = full.partition(": ")
            yield Check(_name(look), "failed", found, way_out)
        elif reachable.verdict == "failed":
            yield Check(_name(look), "skipped", "the cluster does not respond")
        else:
            yield await _looked(look, deployment)


async def _hastily(look: Look, deployment: Deployment) -> Check:
    """Runs a check while a node is silent. A check that does not end in time is a warning, not a failure."""
    try:
        async with asyncio.timeout(HASTY_SECONDS):
            return await _looked(look, deployment)
    except TimeoutError:
        names = ", ".join(deployment.silent)
        return Check(_name(look), "warning", f"unknown, because {names} does not answer", "check again when it does")


async def _first(look: Look, deployment: Deployment) -> Check:
    """Runs the check of the cluster. If a full disk delays it, fails without waiting for the timeout."""
    try:
        return await disk_space.unless_full(
            _looked(look, deployment), deployment.client, seconds=FULL_DISK_AFTER_SECONDS
        )
    except WriteFailed as error:
        return Check(_name(look), "failed", "the cluster does not report its state", str(error))


async def _looked(look: Look, deployment: Deployment) -> Check:
    """Runs a check. If it raises an error, returns a failed check with the reason."""
    try:
        with translated(alias=deployment.settings.alias):
            return await look(deployment)
    except ConversationsError as error:
        return Check(_name(look), "failed", str(error), _UNREACHABLE if look is _cluster else "see what was found")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        found = f"a field of OpenSearch's response is missing or has the wrong type ({type(error).__name__})"
        return Check(_name(look), "failed", found, "check any proxy between this machine and the cluster")
    except TransportError as error:
        found = f"OpenSearch responds with {error.status_code} ({error.error})"
        return Check(_name(look), "failed", found, "check its log, and the permissions of OPENSEARCH_USER")


_UNREACHABLE = "check OPENSEARCH_URL, OPENSEARCH_USER, OPENSEARCH_CA_FILE, and that the cluster runs"


def _name(look: Look) -> str:
    return str(getattr(look, "__name__", "")).strip("_").replace("_", " ")


async def _tokens(settings: Settings) -> Check:
    """The issuers and whether their keys can be fetched, or the shared secret."""
    from service.identity import public_keys  # late, because other commands need no cryptography
    from service.identity.issuers import issuers, trusted

    try:
        with_keys = [issuer for issuer in issuers(settings) if issuer.has_keys]
        certificates = trusted(settings.token_ca_file)
    except Misconfigured as error:
        return Check(_SETTINGS, "failed", str(error), "correct these settings: docs/settings.md describes them")
    if not with_keys:
        return _token_secret(settings)
    found = []
    for issuer in with_keys:
        try:
            keys = public_keys.read(await issuer.source(certificates)())
        except (ValueError, OSError, TimeoutError, ClientError) as error:
            reason = str(error) if type(error) is ValueError else type(error).__name__
            return Check(
                _SETTINGS, "failed", f"the keys of {issuer.issuer} cannot be fetched: {reason}",
                "check its URL, that this machine reaches it, and CONVERSATIONS_TOKEN_CA_FILE",
            )  # fmt: skip
        found.append(f"{issuer.issuer} with {counted(len(keys), 'key')}, audience {issuer.audience}")
    if settings.cursor_secret is None and settings.token_secret is None:
        return Check(
            _SETTINGS, "failed", "CONVERSATIONS_CURSOR_SECRET is not set",
            "set it to 32 random bytes, the same for every process: openssl rand -base64 48",
        )  # fmt: skip
    for issuer in with_keys:
        if issuer.client_id == issuer.audience:
            return Check(
                _SETTINGS, "warning",
                f"{issuer.client_id} is both the audience and the client id of the page, so ID tokens of "
                f"{issuer.issuer}, which are made for signing in, are accepted as access tokens",
                "give the API an audience of its own: docs/access.md, Signing in on the page",
            )  # fmt: skip
    return Check(_SETTINGS, "ok", "; ".join(found))


_SETTINGS = "token settings"


def _token_secret(settings: Settings) -> Check:
    name = _SETTINGS
    if settings.token_secret is None:
        return Check(
            name, "failed", "CONVERSATIONS_TOKEN_SECRET is not set",
            f"set it to {SECRET_MIN_BYTES} random bytes or more, the same for every process: openssl rand -base64 48",
        )  # fmt: skip
    secret = settings.token_secret.get_secret_value()
    if len(set(secret)) < SECRET_MIN_BYTES // 4:
        return Check(
            name,
            "failed",
            "the secret repeats few characters: it can be guessed",
            "make a random one: openssl rand -base64 48",
        )
    if is_published(settings.token_secret) or is_published(settings.token_secret_previous):
        return Check(
            name, "warning", "the secret is the one that docker-compose.yml publishes: anybody can sign tokens",
            "except in development, make a random one: openssl rand -base64 48, and unset CONVERSATIONS_ENVIRONMENT",
        )  # fmt: skip
    issuer = settings.token_issuer or "any"
    found = f"a secret of {len(secret.encode())} bytes, audience {settings.token_audience}, issuer {issuer}"
    return Check(name, "ok", found)


def _audit_file(settings: Settings) -> Check:
    """Whether this process could append to the file: the service may run as another user, or on another machine."""
    name = "audit file"
    if (problem := Audit(settings.audit_file).why_unwritable()) is None:
        return Check(name, "ok", f"{settings.audit_file} can be written by {operator()}")
    return Check(
        name, "failed", problem,
        f"let {operator()} write it, or name another file: 'serve' and 'run' do not start without it",
    )  # fmt: skip


async def _cluster(deployment: Deployment) -> Check:
    """The health of this alias's indices. That of other indices on the cluster is mentioned, but is no problem here."""
    health = await deployment.client.cluster.health(params={"level": "indices"})
    whole = health["status"]
    status = whole if whole == "green" else await _status_of_own(deployment, health)
    name = f"{health['cluster_name']} at {without_password(deployment.url)}"
    found = f"{name}: {status}, {counted(health['number_of_nodes'], 'node')}"
    if status != whole:
        found += f"; other indices are {whole}"
    if status == "red":
        return Check(
            "cluster", "failed", found,
            "a shard is missing: GET _cluster/allocation/explain says why; if all nodes are back, ask for another "
            "attempt with POST _cluster/reroute?retry_failed=true",
        )  # fmt: skip
    if status == "yellow":
        return Check("cluster", "warning", found, "a copy of a shard is missing: add a node, or set fewer replicas")
    return Check("cluster", "ok", found)


async def _status_of_own(deployment: Deployment, health: Json) -> str:
    """The worst status of the alias's indices; that of the cluster if the whole cluster is blocked."""
    severity = ("green", "yellow", "red").index
    listed = {name: index["status"] for name, index in health["indices"].items()}
    if health["status"] not in listed.values():  # so no index is the cause
        return str(health["status"])
    client, alias = deployment.client, deployment.settings.alias
    own = {*await aliases.all_indices(client, alias), *await holders(client, alias, writes_alias(alias))}
    own |= {state_index(alias), keys_index(alias)}
    return str(max((listed[name] for name in own & listed.keys()), key=severity, default="green"))


async def _version(deployment: Deployment) -> Check:
    nodes = await deployment.client.nodes.info(params=EACH_NODE)
    versions = sorted({node["version"] for node in nodes["nodes"].values()})
    found = ", ".join(versions)
    if any(_numbers(version) < OLDEST_VERSION for version in versions):
        oldest = ".".join(map(str, OLDEST_VERSION))
        return Check("version", "failed", found, f"OpenSearch {oldest} or newer is needed: upgrade the cluster")
    if len(versions) > 1:
        return Check("version", "warning", found, "the nodes have different versions: finish the upgrade")
    return Check("version", "ok", found)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("-", maxsplit=1)[0].split(".")[:2])


async def _icu_plugin(deployment: Deployment) -> Check:
    """Whether the ICU plugin works. The check tries it out, because it may be installed under another name."""
    body = {"tokenizer": "icu_tokenizer", "filter": ["icu_folding"], "text": "Ａé"}
    nodes = await deployment.client.nodes.info(params=EACH_NODE)
    lacking = sorted(
        node["name"]
        for node in nodes["nodes"].values()
        if not any(PLUGIN in plugin["name"] for plugin in node.get("plugins", []))
    )
    index = await aliases.current_index(deployment.client, deployment.settings.alias)
    try:
        answer = await deployment.client.indices.analyze(index=index, body=body)
        works = [token["token"] for token in answer["tokens"]] == ["ae"]
    except TransportError as error:
        if index is None and error.status_code == 403:
            return _untried_plugin(lacking)
        if error.status_code != 400:
            raise
        works = False
    if not works:
        return Check(
            "icu plugin", "failed", f"missing on {', '.join(lacking) or 'some node'}",
            f"run 'opensearch-plugin install {PLUGIN}' on every node and restart it",
        )  # fmt: skip
    return Check("icu plugin", "ok", "words are split and folded as expected")


def _untried_plugin(lacking: list[str]) -> Check:
    """Before there is an index, only administrators may analyze text, so only the plugin's name is checked."""
    if not lacking:
        return Check("icu plugin", "ok", "installed on every node; it is tried when there is an index")
    return Check(
        "icu plugin", "warning", f"not found by its name on {', '.join(lacking)}, and not tried: there is no index yet",
        f"run 'opensearch-plugin install {PLUGIN}' where it is missing; after 'conversations create', check again",
    )  # fmt: skip


async def _alias(deployment: Deployment) -> Check:
    alias = deployment.settings.alias
    name = await aliases.current_index(deployment.client, alias)
    if name is None:
        return Check(
            "alias",
            "failed",
            f"{alias} does not exist",
            "run 'conversations create', or if you restore a snapshot, wait for its end",
        )
    written = sorted(await holders(deployment.client, writes_alias(alias)))
    found = f"{alias} reads {name}; written: {', '.join(written) or 'none'}"
    if name not in written:
        return Check("alias", "failed", found, f"put the alias {writes_alias(alias)} on {name}: nothing can be written")
    under_way = await lock.read(deployment.client, alias)
    if under_way is not None:
        return Check(
            "alias", "warning", f"{found}; a {under_way.action} is running or was interrupted ({under_way.step})",
            "if none is running: 'conversations reindex --resume', or --abandon",
        )  # fmt: skip
    return Check("alias", "ok", found)


async def _writes(deployment: Deployment) -> Check:
    """Whether every index that the service writes to accepts writes. The check itself does not write."""
    names = sorted(await holders(deployment.client, writes_alias(deployment.settings.alias)))
    if not names:
        return Check("writes", "skipped", "no index is written")
    try:
        await check_writable(deployment.client, names, seconds=WRITABLE_SECONDS)
    except ConversationsError as error:
        return Check("writes", "failed", str(error), "all writes fail until this is fixed")
    return Check("writes", "ok", f"{', '.join(names)} {'takes' if len(names) == 1 else 'take'} writes")


async def _mapping(deployment: Deployment) -> Check:
    alias = deployment.settings.alias
    name = await aliases.current_index(deployment.client, alias)
    if name is None:
        return Check("mapping", "skipped", f"{alias} does not exist")
    problem = await aliases.drift(deployment.client, name, deployment.mapping)
    if problem is not None:
        return Check("mapping", "failed", problem, "run 'conversations reindex' with this version of the service")
    needed = (
        f"the mapping {deployment.mapping.checksum} and derived fields of version {deployment.mapping.derived_version}"
    )
    return Check("mapping", "ok", f"{name} has {needed}, which this version needs")


async def _replicas(deployment: Deployment) -> Check:
    alias = deployment.settings.alias
    name = await aliases.current_index(deployment.client, alias)
    if name is None:
        return Check("replicas", "skipped", f"{alias} does not exist")
    health = await deployment.client.cluster.health()
    settings = (await deployment.client.indices.get_settings(index=name))[name]["settings"]["index"]
    counts = (("shard", settings["number_of_shards"]), ("replica", settings["number_of_replicas"]))
    found = ", ".join(counted(int(count), noun) for noun, count in (*counts, ("node", health["number_of_nodes"])))
    if health["number_of_nodes"] > 1 and settings["number_of_replicas"] == "0":
        return Check(
            "replicas", "warning", found,
            f"losing a node loses its shards: PUT {name}/_settings with index.number_of_replicas: 1",
        )  # fmt: skip
    return Check("replicas", "ok", found)


CHECKS: tuple[Look, ...] = (
    _cluster, doctor_nodes.nodes, _version, _icu_plugin, _alias, _writes, _mapping, _replicas, doctor_nodes.disk,
    doctor_nodes.clock,
)  # fmt: skip

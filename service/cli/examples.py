"""Examples for the end of each command's help. Those of search, get and count find something in the sample."""

from __future__ import annotations

_ORGANIZATION = "6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f"
_UID = "4ba3c62a-dc75-53ad-b993-a67e7a9bf02b"

EXAMPLES: dict[str, tuple[str, ...]] = {
    "conversations": (
        "conversations run", "conversations search 'release status:active'", "conversations --context prod status",
    ),
    "conversations run": ("conversations run", "conversations run --port 8080 --data ./data --empty"),
    "conversations serve": (
        "conversations serve --host 0.0.0.0 --tls-certificate cert.pem --tls-key key.pem",
        "conversations serve --opensearch-url https://search:9200",
    ),
    "conversations node": ("conversations node --data ./data", "conversations node --nodes 3 --data ./cluster"),
    "conversations healthy": ("conversations healthy --url https://127.0.0.1:8000 --timeout 2",),
    "conversations token": (
        f"conversations token --organization {_ORGANIZATION} --scope conversations:write --expires 30m",
    ),
    "conversations key": ("conversations key list",),
    "conversations key create": (
        f"conversations key create --name 'CRM import' --organization {_ORGANIZATION} --scope conversations:write",
        f"conversations key create --name dashboard --organization {_ORGANIZATION} --scope conversations:read "
        f"--expires 365d",
    ),
    "conversations key list": ("conversations key list", "conversations key list --json"),
    "conversations key revoke": ("conversations key revoke 0f3c5a7e9b1d2f40",),
    "conversations search": (
        "conversations search 'twisted -ssh status:active'",
        "conversations search --status active --where 'created_on[gte]=2003-06' --sort -created_on --limit 10 --page 2",
        f"conversations search 'from:m@moshez.org' --organization {_ORGANIZATION} -o name",
    ),
    "conversations get": (f"conversations get {_UID}", f"conversations get {_UID} --json"),
    "conversations count": (
        "conversations count 'is:unread after:2003-07'", "conversations count --where facets=status --json",
    ),
    "conversations delete": (
        f"conversations delete {_UID} --dry-run",
        "conversations search 'label:zh' -o name | conversations delete - --dry-run",
    ),
    "conversations create": (
        "conversations create", "conversations create --shards 5 --replicas 1 --routing-partition 3",
    ),
    "conversations status": (
        "conversations status", "conversations status --watch --interval 5", "conversations status -o json",
    ),
    "conversations doctor": ("conversations doctor", "conversations doctor --json"),
    "conversations reindex": (
        "conversations reindex", "conversations reindex --shards 3 --refresh-interval 5s --dry-run",
        "conversations reindex --resume",
    ),
    "conversations rollback": ("conversations rollback",),
    "conversations prune": ("conversations prune", "conversations prune --keep 2 --tombstones 90d"),
    "conversations verify": ("conversations verify all.ndjson.gz", "conversations verify all.ndjson.gz --repair"),
    "conversations dashboards": ("conversations dashboards --url http://127.0.0.1:5601",),
    "conversations load": (
        "conversations load conversations.ndjson.zst --dry-run",
        "conversations load a.ndjson.gz b.ndjson.gz --parallel 2",
        "conversations load conversations.ndjson --resume",
    ),
    "conversations import-mail": (
        f"conversations import-mail inbox.mbox --organization {_ORGANIZATION} --own-domain example.com",
        f"conversations import-mail takeout.zip --organization {_ORGANIZATION} --output mail.ndjson",
    ),
    "conversations import-sms": (
        f"conversations import-sms sms.xml --organization {_ORGANIZATION} --gap 30d",
        f"conversations import-sms sms.csv --organization {_ORGANIZATION} --column peer=phone",
    ),
    "conversations export": (
        f"conversations export closed.ndjson.gz --organization {_ORGANIZATION} --where status=closed",
        f"conversations export - --organization {_ORGANIZATION} | head",
    ),
    "conversations context": ("conversations context list", "conversations context use prod"),
    "conversations context list": ("conversations context list",),
    "conversations context use": ("conversations context use prod",),
    "conversations context show": ("conversations context show prod",),
    "conversations completion": ("source <(conversations completion bash)", "conversations completion fish | source"),
}  # fmt: skip


def epilog(path: str) -> str:
    """The end of a command's help; \\b keeps click from filling the lines."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in EXAMPLES[path])

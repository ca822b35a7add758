"""Reads docs/analysts.md: twenty questions, each in DQL, PPL and as a search, and its answer on the sample.

`python -m tests.analysts URL INDEX` prints the sheet with the answers that the node at URL gives now.
"""

from __future__ import annotations

import json
import re
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHEET = Path(__file__).parents[1] / "docs" / "analysts.md"
_PARTS = "".join(rf"```{language}\n(?P<{language}>.*?)```\n\n" for language in ("dql", "ppl", "json"))
_QUESTION = re.compile(rf"^### (?P<title>\d+\. [^\n]+)\n\n{_PARTS}```text\n(?P<text>.*?)```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Question:
    text: str
    dql: str
    ppl: str
    search: dict[str, Any]
    answer: str


def questions() -> list[Question]:
    found = (one.groupdict() for one in _QUESTION.finditer(SHEET.read_text("utf-8")))
    return [Question(one["title"], one["dql"], one["ppl"], json.loads(one["json"]), one["text"]) for one in found]


def answer_text(response: dict[str, Any]) -> str:
    """An answer in the form of the sheet: the total, then each bucket or hit on a line."""
    lines = [f"total: {response['hits']['total']['value']}"]
    for hit in response["hits"]["hits"]:
        lines.append(" | ".join(str(value) for field in hit["fields"].values() for value in field))
    lines += _aggregations(response.get("aggregations", {}), "")
    return "".join(f"{line}\n" for line in lines)


def _aggregations(found: dict[str, Any], indent: str) -> list[str]:
    lines: list[str] = []
    for name, one in found.items():
        if not isinstance(one, dict):
            continue
        if "buckets" in one:
            buckets = one["buckets"]
            pairs = buckets.items() if isinstance(buckets, dict) else ((_key(bucket), bucket) for bucket in buckets)
            for key, bucket in pairs:
                lines.append(f"{indent}{key}: {bucket['doc_count']}")
                lines += _aggregations(bucket, f"{indent}    ")
        elif "values" in one:
            lines += [f"{indent}{percent}%: {value:g}" for percent, value in one["values"].items()]
        elif "doc_count" in one:
            lines.append(f"{indent}{name}: {one['doc_count']}")
            lines += _aggregations(one, f"{indent}    ")
        else:
            lines.append(f"{indent}{name}: {one['value']:g}")
    return lines


def _key(bucket: dict[str, Any]) -> str:
    return str(bucket.get("key_as_string", bucket["key"]))


def main() -> None:
    url, index = sys.argv[1:]

    def answered(found: re.Match[str]) -> str:
        request = urllib.request.Request(  # noqa: S310
            f"{url}/{index}/_search", found["json"].encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return found[0].replace(f"```text\n{found['text']}```", f"```text\n{answer_text(json.load(answer))}```")

    SHEET.write_text(_QUESTION.sub(answered, SHEET.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()

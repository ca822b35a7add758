"""Checks of the questions in docs/analysts.md that need no node. tests/node/test_dashboards.py runs the questions."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from service.operations.dashboards import saved_objects
from tests import dql
from tests.analysts import SHEET, Question, questions

PATTERN = json.loads(saved_objects("conversations").splitlines()[0])
FIELDS = {field["name"]: field for field in json.loads(PATTERN["attributes"]["fields"])}
PPL = yaml.safe_load(Path(__file__).with_name("dashboards_facts.yml").read_text("utf-8"))["ppl"]
WORDS = {"and", "or", "not", "in", "by", "true", "false", "HOUR"}


@pytest.mark.parametrize("question", questions(), ids=lambda one: one.text)
def test_ppl_has_known_commands_and_functions_and_fields_of_the_mapping(question: Question) -> None:
    """No node of the tests has the plugin that runs PPL."""
    first, *commands = re.split(r"\s*\|\s*", question.ppl.strip())
    assert first == "source = conversations"
    assert commands[0].startswith("where isnotnull(organization_uid)")
    made = set(re.findall(r"\beval (\w+) =", question.ppl))
    for command in commands:
        name, _space, rest = command.partition(" ")
        assert name in PPL["commands"]
        bare = re.sub(r"'[^']*'", "", rest)
        assert set(re.findall(r"(\w+)\(", bare)) - {"in"} <= set(PPL["functions"])
        named = set(re.findall(r"(?<![\w.])[A-Za-z_][\w.]*(?!\w|\()", bare)) - WORDS - made
        assert named <= set(FIELDS), command


@pytest.mark.parametrize("question", questions(), ids=lambda one: one.text)
def test_dql_names_fields_of_the_mapping(question: Question) -> None:
    days = {name for name, field in FIELDS.items() if field["type"] == "date"}
    assert dql.query(question.dql, days)
    named = re.findall(r"([\w.]+) (?::|[<>]=?)", question.dql)
    assert named
    assert set(named) <= set(FIELDS)


def test_the_page_for_analysts_names_every_view() -> None:
    sheet = " ".join(SHEET.read_text("utf-8").split())
    for line in saved_objects("conversations").splitlines():
        one = json.loads(line)
        if one["type"] in ("index-pattern", "dashboard"):
            assert one["attributes"].get("displayName", one["attributes"]["title"]) in sheet
        if one["type"] == "search":
            assert one["attributes"]["title"].removesuffix(", the oldest first") in sheet

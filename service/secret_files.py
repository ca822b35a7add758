"""Reads secrets from files, as containers provide them: NAME_FILE is the path of a file with the value of NAME."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings

# The variable that names a file -> the variable whose value is in the file
FILES = {
    f"{name}_FILE": name
    for name in (
        "OPENSEARCH_PASSWORD",
        "CONVERSATIONS_TOKEN_SECRET",
        "CONVERSATIONS_TOKEN_SECRET_PREVIOUS",
        "CONVERSATIONS_CURSOR_SECRET",
    )
}


class SecretFiles(BaseSettings):
    """The fields of these variables. A variable with the secret itself takes precedence over one with a file."""

    opensearch_password_file: Path | None = Field(
        None,
        validation_alias=AliasChoices("OPENSEARCH_PASSWORD_FILE"),
        description="file that contains the password, if OPENSEARCH_PASSWORD is not set",
    )
    token_secret_file: Path | None = Field(
        None,
        validation_alias=AliasChoices("CONVERSATIONS_TOKEN_SECRET_FILE"),
        description="file that contains the secret, if CONVERSATIONS_TOKEN_SECRET is not set",
    )
    token_secret_previous_file: Path | None = Field(
        None,
        validation_alias=AliasChoices("CONVERSATIONS_TOKEN_SECRET_PREVIOUS_FILE"),
        description="file that contains the previous secret, if CONVERSATIONS_TOKEN_SECRET_PREVIOUS is not set",
    )
    cursor_secret_file: Path | None = Field(
        None,
        validation_alias=AliasChoices("CONVERSATIONS_CURSOR_SECRET_FILE"),
        description="file that contains the secret of the cursors, if CONVERSATIONS_CURSOR_SECRET is not set",
    )


def read(values: dict[str, Any]) -> dict[str, Any]:
    """The values, with the content of the files that they name. Raises ValueError if a file cannot be used."""
    found = {}
    for variable, name in FILES.items():
        if values.get(variable) and not values.get(name):
            found[name] = _content(Path(values[variable]), variable)
    return values | found


def _content(path: Path, variable: str) -> str:
    try:
        content = path.read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"{variable} names {path}, which cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise ValueError(f"{variable} names {path}, which is not UTF-8") from None
    if not content or not content.isprintable():  # a byte order mark would be a part of the secret
        raise ValueError(f"{variable} names {path}, which must contain one line of printable characters: the secret")
    return content

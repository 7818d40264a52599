"""What is said where Java is missing or too old; no JVM is started here."""

from __future__ import annotations

from pathlib import Path

import pytest

from cofee_dist.corpus.spark import check_java, opened_session
from cofee_dist.errors import UserError


def _java(folder: Path, says: str, code: int = 0) -> None:
    script = folder / "bin" / "java"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{says}\nEND\nexit {code}\n")
    script.chmod(0o755)


@pytest.mark.parametrize(
    "says", ['openjdk version "17.0.15" 2025-04-15', 'java version "21" 2023', 'x version "25-ea"']
)
def test_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str) -> None:
    _java(tmp_path, says)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    check_java()


@pytest.mark.parametrize(
    ("says", "code", "message"),
    [
        ('java version "1.8.0_291"', 0, "this is Java 8"),
        ('openjdk version "11.0.2"', 0, "this is Java 11"),
        ("no such thing", 0, "does not tell its version"),
        ('openjdk version "17.0.15"', 1, "does not tell its version"),
    ],
)
def test_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, code: int, message: str) -> None:
    _java(tmp_path, says, code)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(UserError, match=message) as raised:
        check_java()
    assert "openjdk-17" in str(raised.value)


def test_no_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "gone"))
    with pytest.raises(UserError, match="JAVA_HOME"):
        check_java()
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="no java on the PATH"):
        check_java()


def test_no_spark_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_REMOTE", "sc://127.0.0.1:1")
    with pytest.raises(UserError, match="Spark Connect"), opened_session():
        pass

"""Variables of the environment that begin like ours: settings, what others put there, and mistakes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.errors import InvalidSetting
from core.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = {  # of Services named attest and attest-api
    "ATTEST_SERVICE_HOST": "10.0.0.7",
    "ATTEST_SERVICE_PORT": "8000",
    "ATTEST_SERVICE_PORT_HTTP": "8000",
    "ATTEST_PORT": "tcp://10.0.0.7:8000",
    "ATTEST_PORT_8000_TCP": "tcp://10.0.0.7:8000",
    "ATTEST_PORT_8000_TCP_PROTO": "tcp",
    "ATTEST_PORT_8000_TCP_PORT": "8000",
    "ATTEST_PORT_8000_TCP_ADDR": "10.0.0.7",
    "ATTEST_API_SERVICE_HOST": "10.0.0.8",
    "ATTEST_API_PORT": "tcp://10.0.0.8:8000",
    "ATTEST_API_PORT_53_UDP_ADDR": "10.0.0.8",
}


def test_what_kubernetes_tells_of_services_is_no_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KUBERNETES.items():
        monkeypatch.setenv(name, value)
    assert load_settings(tmp_path).server.port == 8000


def test_what_the_compose_file_reads_is_no_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = re.findall(r"\$\{(ATTEST_\w+)", (ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    assert len(set(names)) >= 5
    for name in names:
        monkeypatch.setenv(name, "9000")
    load_settings(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ATTEST_PORT", "9000"),
        ("ATTEST_SERVER_PORT", "9000"),
        ("ATTEST_SERVER_HOST", "0.0.0.0"),
        ("ATTEST_UI_HOST", "0.0.0.0"),
        ("ATTEST_SERVER__PROT", "9000"),
        ("ATTEST_SERVICE__PORT", "9000"),
        ("ATTEST_BINDS", "0.0.0.0"),
    ],
)
def test_a_mistake_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSetting, match=name):
        load_settings(tmp_path)

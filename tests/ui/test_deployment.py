"""The compose file and the Dockerfile, read as data: what must not be published, what must be pinned and fenced."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
LASTING = [name for name in SERVICES if name != "ingest"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def tag(image: str) -> str:
    return image.rpartition(":")[2]


def test_the_services_are_the_five_of_the_product() -> None:
    assert set(SERVICES) == {"api", "ui", "ingest", "postgres", "vllm"}


def test_only_api_and_pages_are_published_and_on_loopback_by_default() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if service.get("ports")}
    assert set(published) == {"api", "ui"}
    for ports in published.values():
        assert all(port.startswith("${ATTEST_BIND:-127.0.0.1}:") for port in ports)
    assert not any(service.get("network_mode") for service in SERVICES.values())


@pytest.mark.parametrize("name", ["vllm", "postgres"])
def test_model_and_store_have_no_way_out_and_no_way_in_but_the_api(name: str) -> None:
    networks = SERVICES[name]["networks"]
    assert all(COMPOSE["networks"][network]["internal"] is True for network in networks)
    others = {other for other, service in SERVICES.items() if set(service["networks"]) & set(networks)} - {name}
    assert others <= {"api", "ingest"}


def test_the_pages_reach_neither_model_nor_store() -> None:
    assert SERVICES["ui"]["networks"] == ["edge"]
    assert "env_file" not in SERVICES["ui"]  # it holds no secret either


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_image_is_pinned(name: str) -> None:
    version = tag(SERVICES[name]["image"])
    assert re.match(r"v?\d+\.\d+", version), version


def test_vllm_is_new_enough_and_takes_nothing_unsafe() -> None:
    vllm = SERVICES["vllm"]
    major, minor = map(int, re.findall(r"\d+", tag(vllm["image"]))[:2])
    assert (major, minor) >= (0, 30)
    flags = " ".join(vllm["command"])
    for unsafe in ("prompt-embeds", "trust-remote-code", "allowed-local-media-path", "enable-lora-resolver"):
        assert unsafe not in flags
    devices = vllm["deploy"]["resources"]["reservations"]["devices"]
    assert devices[0]["driver"] == "nvidia"
    assert devices[0]["capabilities"] == ["gpu"]


@pytest.mark.parametrize("name", LASTING)
def test_every_lasting_service_has_a_health_check_and_comes_back(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] in {"CMD", "CMD-SHELL"}
    assert {"interval", "timeout", "retries", "start_period"} <= set(check)
    assert SERVICES[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_service_takes_the_whole_machine(name: str) -> None:
    assert SERVICES[name]["cpus"]
    assert SERVICES[name]["mem_limit"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_is_fenced_in(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    if name != "postgres":  # its entry point starts as root to own its data folder, then becomes postgres
        assert not service["user"].startswith("0")
        assert "cap_add" not in service


def test_data_lies_in_named_volumes() -> None:
    assert set(COMPOSE["volumes"]) == {"data", "postgres"}
    assert "data:/data" in SERVICES["api"]["volumes"]
    assert "data:/data" in SERVICES["ingest"]["volumes"]
    assert SERVICES["postgres"]["volumes"] == ["postgres:/var/lib/postgresql/data"]


def test_ingestion_is_one_shot_and_cannot_change_the_documents() -> None:
    ingest = SERVICES["ingest"]
    assert ingest["profiles"] == ["ingest"]
    assert ingest["restart"] == "no"
    assert any(volume.endswith(":/documents:ro") for volume in ingest["volumes"])


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_secret_is_written_in_the_file(name: str) -> None:
    for variable in SERVICES[name].get("environment", {}):
        assert not re.search(r"PASSWORD|SECRET|KEY|TOKEN|DATABASE_URL", variable), variable


def test_every_setting_named_is_one() -> None:
    """A misspelt variable would stop the API at start: better here."""
    named = [variable for service in SERVICES.values() for variable in service.get("environment", {})]
    for example in (ROOT / "deploy").glob("*.env.example"):
        named += re.findall(r"^#?\s*(ATTEST_[A-Z_]+)=", example.read_text(encoding="utf-8"), re.MULTILINE)
    ours = [variable for variable in named if variable.startswith("ATTEST_")]
    assert len(ours) >= 8
    for variable in ours:
        section, _, key = variable.removeprefix("ATTEST_").lower().partition("__")
        assert key in Settings.model_fields[section].annotation.model_fields, variable  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["api", "postgres", "vllm"])
def test_every_env_file_has_an_example_without_a_real_secret(name: str) -> None:
    (path,) = SERVICES[name]["env_file"]
    example = (ROOT / f"{path}.example").read_text(encoding="utf-8")
    for value in re.findall(r"(?:PASSWORD|KEY)=(.*)", example):
        assert value == "CHANGE-ME"


def test_the_image_is_built_from_pins_and_runs_as_nobody_in_particular() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(bases) == 2
    assert all(re.search(r":\d+\.\d+\.\d+", base) for base in bases)
    installs = [line for line in DOCKERFILE.splitlines() if "pip install" in line and "--no-deps" not in line]
    assert installs
    assert all("-c constraints.txt" in line for line in installs)
    last_stage = DOCKERFILE.rpartition("FROM ")[2]
    assert re.search(r"^USER (?!0)\d+", last_stage, re.MULTILINE)
    assert "pip install" not in last_stage


def test_the_builder_sees_no_data_and_no_secret() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    copied = set(re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE))
    assert {name for names in copied for name in names.split()} == let_in

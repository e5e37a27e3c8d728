"""Mistakes of callers and operators: each is told plainly, with the status it deserves, and costs nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.cli import run
from app.runtime import open_runtime
from app.server import create_app
from core.errors import InvalidInput, InvalidSetting
from core.settings import load_settings
from tests.app.conftest import Api, copied
from tests.conftest import KnowledgeBase

HUGE = "9" * 20


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[server]\nprot = 1\n", r"server\.prot .*is no setting; did you mean port\?"),
        ("[servr]\nport = 1\n", r"servr .*is no setting; did you mean server\?"),
        ("server = 3\n", r"server .*must be a section"),
        ("[server]\nport = 'x'\n", r"server\.port .*must be an? integer$"),
        ("[generation]\nvllm_urls = 'http://x'\n", r"vllm_urls .*must be a list"),
        ("[generation]\ntemperature = 2.5\n", r"temperature .*less than or equal to 2"),
        ("[generation]\ngenerator = 'gpt'\n", r"generator .*must be 'auto', 'vllm', 'embedded' or 'quote'"),
        ("[ingest]\nchunk_tokens = 64\nchunk_overlap_tokens = 64\n", r"chunk_overlap_tokens below chunk_tokens"),
        ("[server\n", r"not readable TOML"),
    ],
)
def test_a_wrong_setting_is_named_with_its_file(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "attest.toml"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=told) as caught:
        load_settings(tmp_path)
    assert str(file) in str(caught.value)


def test_a_wrong_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTEST_SERVER__PRT", "1")
    with pytest.raises(InvalidInput, match=r"server\.prt \(ATTEST_SERVER__PRT\) is no setting"):
        load_settings(tmp_path)


def test_a_variable_over_what_is_no_section_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "attest.toml").write_text("retrieval = 3\n")
    monkeypatch.setenv("ATTEST_RETRIEVAL__K", "5")
    with pytest.raises(InvalidSetting, match=r"retrieval must be a section, \[retrieval\]"):
        load_settings(tmp_path)


def test_the_home_is_not_set_in_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "attest.toml").write_text('home = "/x"\n')
    with pytest.raises(InvalidSetting, match="set ATTEST_HOME"):
        load_settings(tmp_path)


@pytest.mark.parametrize("given", ["12345", "true", "plain", '"12345"'])
def test_a_variable_for_a_text_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("ATTEST_GENERATION__VLLM_API_KEY", given)
    monkeypatch.setenv("ATTEST_GENERATION__VLLM_MODEL", given)
    generation = load_settings(tmp_path).generation
    assert generation.vllm_api_key is not None
    assert generation.vllm_api_key.get_secret_value() == generation.vllm_model == given.strip('"')


def test_a_mark_of_the_encoding_is_no_part_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "attest.toml").write_bytes(b"\xef\xbb\xbf[retrieval]\nk = 5\n")
    assert load_settings(tmp_path).retrieval.k == 5


def test_a_settings_file_that_is_named_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTEST_CONFIG", str(tmp_path / "nowhere.toml"))
    with pytest.raises(InvalidInput, match="no settings file"):
        load_settings(tmp_path)


@pytest.mark.parametrize("url", ["nonsense", "mysql://user:hunter2@host/name"])
def test_a_database_that_cannot_be_is_told_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    monkeypatch.setenv("ATTEST_STORAGE__DATABASE_URL", url)
    assert run(["documents", "list", "--json"]) == 1
    shown = capsys.readouterr()
    assert "storage.database_url" in json.loads(shown.out)["error"]["message"]
    assert "storage.database_url" in shown.err
    assert "hunter2" not in shown.err + shown.out


@pytest.mark.parametrize("command", ["ask", "search"])
@pytest.mark.parametrize("question", ["", "  ", "?!", "x" * 4001])
def test_a_question_nobody_asked_is_wrong_usage(
    capsys: pytest.CaptureFixture[str], command: str, question: str
) -> None:
    assert run([command, question, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "Usage"


def test_a_bug_is_a_line_and_not_a_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.gaps_cli.find_gaps", lambda *_args, **_options: 1 // 0)
    assert run(["gaps", "--json"]) == 1
    shown = capsys.readouterr()
    assert "unexpected ZeroDivisionError" in shown.err
    assert "Traceback" not in shown.err
    assert json.loads(shown.out)["error"]["kind"] == "Unexpected"


def test_a_body_that_grows_past_the_limit_is_too_large(api: Api) -> None:
    def body() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 65_536

    with api.client() as client:
        response = client.post("/v1/ask", content=body(), headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing/here", 404),
        ("DELETE", "/v1/search", 405),
        ("GET", "/v1/documents/none/text?version=" + HUGE, 422),
        ("GET", "/v1/conversations?offset=" + HUGE, 422),
        ("GET", "/v1/models/gpt-5", 404),
        ("POST", "/v1/quarantine/none/release", 404),
        ("POST", "/v1/quarantine/none/reject", 404),
    ],
)
def test_every_error_is_a_problem(api: Api, method: str, path: str, status: int) -> None:
    with api.client() as client:
        response = client.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] not in ("Not Found", "Method Not Allowed")
    assert ("allow" in response.headers) == (status == 405)


@pytest.mark.parametrize("question", ["", "  ", "?", "…!", "x" * 4001])
def test_a_question_without_words_is_malformed(api: Api, question: str) -> None:
    with api.client() as client:
        assert client.post("/v1/ask", json={"question": question}).status_code == 422
        assert client.post("/v1/search", json={"query": question}).status_code == 422


@pytest.mark.parametrize("asked", ["🙂🙂", "?!"])
def test_a_chat_without_words_is_malformed(api: Api, asked: str) -> None:
    body = {"messages": [{"role": "user", "content": asked}]}
    with api.client() as client:
        response = client.post("/v1/chat/completions", json=body)
    assert response.status_code == 422
    assert response.json()["error"]["message"] == "the question must hold a word"


def test_control_characters_are_no_part_of_a_question(api: Api) -> None:
    with api.client() as client:
        told = client.post("/v1/ask", json={"question": "How many\u0000 hours of\u0007 leave?"}).json()
    assert told["question"] == "How many  hours of  leave?"


def test_a_body_of_another_type_is_told_which_one_is_read(api: Api) -> None:
    with api.client() as client:
        told = client.post("/v1/ask", content=b'{"question": "x"}', headers={"content-type": "text/plain"}).json()
    assert "must be a JSON object, sent with Content-Type: application/json" in told["detail"]


def test_a_misspelt_reader_is_refused_and_shuts_nobody_out(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\nSome words of it.\n")
    assert run(["ingest", str(page), "--allow", "staff"]) == 2
    assert "'staff' is no principal" in capsys.readouterr().err
    with api.client() as client:
        response = client.post("/v1/documents", files={"file": ("a.md", b"# A")}, data={"allow": "staff"})
    assert response.status_code == 422


def test_a_summary_of_nothing_is_not_found(api: Api) -> None:
    with api.client() as client:
        for subject in ({"document_id": "none"}, {"collection": "none"}):
            assert client.post("/v1/summarize", json=subject).status_code == 404


def test_openais_clients_find_the_message(api: Api) -> None:
    with api.client() as client:
        wrong = client.post("/v1/chat/completions", json={"messages": [{"role": "system", "content": "x"}]})
        models = [row["id"] for row in client.get("/v1/models").json()["data"]]
        shown = [client.get(f"/v1/models/{name}").json()["id"] for name in models]
    assert wrong.json()["error"]["message"] == wrong.json()["detail"]
    assert shown == models


def test_health_can_be_asked_without_a_body(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.readiness.ANSWER_S", 60.0)
    with api.client() as client:
        assert (client.head("/healthz").status_code, client.head("/readyz").status_code) == (200, 200)


def test_settings_are_shown_without_secrets(api: Api) -> None:
    from app.api.settings import _without_credentials

    with api.client() as client:
        assert client.get("/v1/settings").json()["retrieval"]["mode"] == "hybrid"
        assert client.get("/v1/me").json() == {"principal": "operator", "groups": [], "operator": True}
        assert client.get("/v1/collections").json() == {"collections": ["default"]}
    assert _without_credentials({"a": ["http://user:pw@host/v1"]}) == {"a": ["http://…@host/v1"]}


def test_the_description_loads_nothing_from_elsewhere(api: Api) -> None:
    with api.client() as client:
        page = client.get("/docs")
    assert page.status_code == 200
    assert "script" not in page.headers["content-security-policy"]
    for word in ("/v1/ask/stream", "How much annual leave may I carry over?", "conversation_id?"):
        assert word in page.text
    for outside in ("<script", "src=", "http://", "https://"):
        assert outside not in page.text


def test_a_damaged_calibration_is_the_servers_fault_and_is_named(knowledge_base: KnowledgeBase, tmp_path: Path) -> None:
    settings = copied(knowledge_base, tmp_path / "home")
    (tmp_path / "home" / "calibration.json").write_text("{}")
    with open_runtime(settings, follow=False) as runtime:
        client = TestClient(create_app(settings, runtime), base_url="http://127.0.0.1", raise_server_exceptions=False)
        response = client.post("/v1/ask", json={"question": "How many hours of leave may be carried over?"})
    assert (response.status_code, response.json()["type"]) == (500, "urn:attest:InvalidSetting")
    assert "calibration.json is not a calibration; delete it and run: attest calibrate" in response.json()["detail"]


@pytest.mark.parametrize("body", [b'{"question": "\xff"}', b"[" * 100_000])
def test_a_body_that_cannot_be_read_is_malformed_as_any_other(api: Api, body: bytes) -> None:
    with api.client() as client:
        answer = client.post("/v1/ask", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("the body cannot be read: JSON in UTF-8")


@pytest.mark.parametrize("name", ["x" * 201, "a%0Ab", "%20"])
def test_a_collection_has_a_name_that_fits_on_a_line(api: Api, name: str) -> None:
    with api.client() as client:
        answer = client.put(f"/v1/collections/{name}/access", json={"allow": ["public"]})
    assert answer.status_code == 422
    assert "one line of 1 to 200 characters" in answer.json()["detail"]


def test_broken_json_is_told_with_its_place(api: Api) -> None:
    with api.client() as client:
        answer = client.post("/v1/ask", content='{"question": ', headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"] == "body: no valid JSON from character 13 on"


def test_a_wrong_method_is_told_all_that_are_possible(api: Api) -> None:
    with api.client() as client:
        assert client.put("/v1/documents").headers["allow"] == "GET, POST"
        assert client.put("/v1/ask").headers["allow"] == "POST"

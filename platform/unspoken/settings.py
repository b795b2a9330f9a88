"""Every knob the environment may turn. Each is read from UNSPOKEN_<NAME>; the default works on a laptop."""

from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The platform's settings; times in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix="UNSPOKEN_", extra="ignore")

    home: Path = Field(Path(".unspoken"), description="Folder of everything this program writes.")
    database_url: str = Field("", description="SQLAlchemy URL. Empty: SQLite in the home folder.")
    broker_url: str = Field("", description="Celery broker URL. Empty: Celery's filesystem broker in the home folder.")
    host: str = Field("127.0.0.1", description="Address the API listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port the API listens on; 0 takes a free one.")
    max_body_bytes: int = Field(5_000_000, gt=0, description="Largest request body, before and after decompression.")
    max_batch_events: int = Field(10_000, gt=0, description="Most events in one request.")
    body_timeout_s: float = Field(10.0, gt=0, description="A request whose body takes longer to come is ended.")
    queue_events: int = Field(100_000, gt=0, description="Most events that wait to be written; beyond, 503.")
    queue_bytes: int = Field(100_000_000, gt=0, description="Most bytes of requests that wait to be written.")
    write_key_events_per_s: float = Field(
        2_000.0, ge=0, description="What one write key may send per second, in bursts of ten times that; 0: no limit."
    )
    secret_key_events_per_s: float = Field(0.0, ge=0, description="The same for a secret or admin key.")
    sqlite_synchronous: Literal["FULL", "NORMAL"] = Field(
        "FULL", description="NORMAL is faster and may lose the last moments at a power cut, never at a crash."
    )
    upstream_url: str = Field(
        "", description="OpenAI-compatible server behind POST /v1/chat/completions, as https://host/v1. Empty: none."
    )
    upstream_key: str = Field("", description="Key for the upstream.")
    chat: Literal["local", "open", "off"] = Field(
        "local", description="Who may use /chat: local, whoever sits at this machine; open, whoever reaches it; off."
    )
    chat_project: str = Field("demo-chat", min_length=1, max_length=200, description="Project that /chat records into.")
    chat_model: str = Field("", description="Model that /chat asks the upstream for. Empty: the first that it lists.")
    resume_s: float = Field(600.0, gt=0, description="How long a streamed answer can be resumed after its end.")
    grace_s: float = Field(1800.0, gt=0, description="A page that hid or fell silent this long ago was closed.")
    upkeep_s: float = Field(60.0, gt=0, description="How often closes are inferred and counts brought up to date.")
    redact_hook: str = Field("", description="Your own redaction of texts at the door, as module:function.")
    log_format: Literal["text", "json"] = Field("text", description="Lines for people, or one JSON object a line.")
    lease_s: float = Field(30.0, gt=0, description="A job whose worker is silent this long is taken over.")
    sweep_s: float = Field(5.0, gt=0, description="How often lost jobs are looked for.")
    retrain_s: float = Field(3600.0, gt=0, description="How often a project with new events is rebuilt and retrained.")
    threads: int = Field(1, ge=1, description="Compute threads of training, of labelling, and of the local chat model.")
    part_events: int = Field(
        262_144,
        ge=65_536,
        description="Events of a range of conversations; a build holds two at a time. A conversation is never parted.",
    )
    device: str = Field(
        "cpu", description="Where models run: cpu, cuda or cuda:N. A device that is absent is an error."
    )
    base_model: str = Field(
        "minilm", description="Trunk of the reward models: minilm, or any Hugging Face name or path."
    )

    replies: Literal["rules", "classifier"] = Field(
        "rules", description="How replies are read for labels: rules, or the classifier too (MiniLM, 300 MB)."
    )

    @field_validator("upstream_url")
    @classmethod
    def _web_address(cls, url: str) -> str:
        try:
            said = urlsplit(url)
            fits = not url or (said.scheme in ("http", "https") and bool(said.hostname) and said.port != 0)
        except ValueError:
            fits = False
        if not fits:
            raise PydanticCustomError("address", "it must be an address as https://host/v1 or http://host:port/v1")
        return url

    @property
    def database(self) -> str:
        """SQLAlchemy URL in force."""
        return self.database_url or f"sqlite:///{self.home.absolute() / 'unspoken.db'}"

    @property
    def broker(self) -> str:
        """Celery broker URL in force."""
        return self.broker_url or "filesystem://"


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read from the environment once."""
    return Settings()

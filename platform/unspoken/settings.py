"""Every knob the environment may turn. Each is read from UNSPOKEN_<NAME>; the default works on a laptop."""

from functools import lru_cache
from pathlib import Path

from pydantic import Field
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
    lease_s: float = Field(30.0, gt=0, description="A job whose worker is silent this long is taken over.")
    sweep_s: float = Field(5.0, gt=0, description="How often lost jobs are looked for.")
    retrain_s: float = Field(3600.0, gt=0, description="How often a project with new events is rebuilt and retrained.")
    threads: int = Field(1, ge=1, description="Compute threads of training and labelling.")
    device: str = Field(
        "cpu", description="Where models run: cpu, cuda or cuda:N. A device that is absent is an error."
    )
    base_model: str = Field(
        "minilm", description="Trunk of the reward models: minilm, or any Hugging Face name or path."
    )

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

import pytest

from app import doctor_store
from tests.stores import database, postgres_server, settings

__all__ = ["database", "postgres_server", "settings"]


@pytest.fixture(autouse=True)
def _doubles_stand_for_the_encoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores made by doubles are not of the embedder the settings name."""
    if "embedder" not in request.function.__name__:
        monkeypatch.delitem(doctor_store.STORE_CHECKS, "embedder")

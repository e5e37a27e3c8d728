from collections.abc import Iterator

import pytest

from app import doctor_store
from tests.stores import database, postgres_server, settings

__all__ = ["database", "postgres_server", "settings"]


@pytest.fixture(autouse=True)
def _doubles_stand_for_the_encoder(request: pytest.FixtureRequest) -> Iterator[None]:
    """Stores made by doubles are not of the embedder the settings name."""
    with pytest.MonkeyPatch.context() as patch:  # of its own: a test may undo its
        if "embedder" not in request.function.__name__:
            patch.delitem(doctor_store.STORE_CHECKS, "embedder")
        yield

from tests.stores import database, postgres_server, settings

__all__ = ["database", "postgres_server", "settings"]

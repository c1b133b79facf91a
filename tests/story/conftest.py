from tests.e2e.conftest import run

__all__ = ["run"]

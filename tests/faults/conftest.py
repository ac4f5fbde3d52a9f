from tests.flows.conftest import finished, new_checkout

__all__ = ["finished", "new_checkout"]

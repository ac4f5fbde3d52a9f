"""Where the protocols of networks used to live: `pipeline.data.network` and `pipeline.families.protocol` now."""

from pipeline.data.network import Network, Policy
from pipeline.families.protocol import Data, NetworkFamily, Split, by_condition

__all__ = ["Data", "Network", "NetworkFamily", "Policy", "Split", "by_condition"]

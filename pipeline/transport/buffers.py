"""Modules whose buffers' shapes depend on the fit: known when a state is loaded, not at construction."""

from typing import Any

import torch
from torch import nn


class ResizableBuffers(nn.Module):
    """Loading a state gives every buffer the shape that it has in the state."""

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        for name, buffer in list(self.named_buffers(recurse=False)):
            stored = state_dict.get(prefix + name)
            if stored is not None and stored.shape != buffer.shape:
                setattr(self, name, torch.empty_like(stored, device=buffer.device))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

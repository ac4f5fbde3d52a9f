"""Files on disk: atomic writes, checksums, JSON and safetensors."""

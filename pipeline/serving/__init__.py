"""What a consumer talks to: frames in, frames out."""

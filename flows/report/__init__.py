"""What a run tells: in the terminal, as Prefect's artifacts, and at its end."""

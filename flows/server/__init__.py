"""Prefect's server and what runs beside it: deployments, workers as processes, automations, runs left by dead ones."""

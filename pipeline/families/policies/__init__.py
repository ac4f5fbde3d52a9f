"""Policies trained by PPO."""

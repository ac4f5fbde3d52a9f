"""The analytic semicircles."""

"""The report: one HTML file and its pictures."""

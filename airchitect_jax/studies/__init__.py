"""Studies: each makes one report with its figures and tables."""

"""Simulated audiences against a running service, and the budgets that their requests must keep."""

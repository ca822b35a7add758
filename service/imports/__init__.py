"""Imports into a cluster: finds the conversations that new messages belong to, unites them, and writes the result."""

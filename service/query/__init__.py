"""Parses a request into a query: parameters, search syntax, conditions. It depends on neither HTTP nor OpenSearch."""

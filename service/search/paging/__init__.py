"""Reads any page of any order at about the cost of the first page, and walks through all pages by cursor."""

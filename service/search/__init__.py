"""Reading: a query, its compilation to OpenSearch's language, the plan of a page, and the search itself."""

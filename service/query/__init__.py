"""What is asked: parameters, search syntax, conditions, the query. Pure: knows neither HTTP nor OpenSearch."""

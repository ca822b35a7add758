"""Any page of any order at about a first page's cost, and walks by cursor."""

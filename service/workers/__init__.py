"""Several processes that serve one address: the supervisor, what a worker is told, and what workers share."""

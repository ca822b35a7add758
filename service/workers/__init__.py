"""Several processes that serve one address: the supervisor, the parameters of a worker, and what workers share."""

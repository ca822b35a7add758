"""HTTP: routes, auth, responses, errors, OpenAPI, middleware. Only this package and app.py import Litestar."""

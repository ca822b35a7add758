"""ASGI middleware: access log, security headers, host names, CORS, HEAD, disconnect, compression, deadline."""

"""ASGI middleware: access log, deadline, compression, disconnect, HEAD."""

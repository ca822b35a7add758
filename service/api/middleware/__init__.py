"""ASGI middleware around and inside Litestar. service/app.py puts it together."""

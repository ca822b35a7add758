"""What a consumer sees over HTTP. Litestar lives here and nowhere else but in app.py."""

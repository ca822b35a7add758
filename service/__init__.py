"""Conversation search: finds one conversation (an e-mail thread, an SMS exchange) among millions, at once."""

__version__ = "0.1.0"

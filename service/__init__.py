"""Conversation search: finds one conversation (an e-mail thread or an SMS exchange) among millions."""

__version__ = "0.1.0"

"""Finds the client's address of a request: that of the connection, or the one that trusted proxies report."""

from __future__ import annotations

import functools
import ipaddress

from litestar.types import HTTPScope

HEADER = b"x-forwarded-for"
PREFIX_V6 = 64  # bits: providers give a customer all the IPv6 addresses that begin with the same 64 bits
MOST_HOPS = 20

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class ClientAddresses:
    """`trusted` lists the addresses and networks of trusted proxies, separated by spaces."""

    def __init__(self, trusted: str | None) -> None:
        self._trusted: list[_Network] = [ipaddress.ip_network(one) for one in (trusted or "").split()]

    def of(self, scope: HTTPScope) -> str:
        """The origin of the request: an IPv4 address, an IPv6 network, or an empty text if it is unknown."""
        client = scope.get("client")
        address = None if client is None else _parsed(client[0])
        if address is None:
            return ""
        if self._trusted and self._is_trusted(address):
            address = self._behind(address, scope)
        return _name(address)

    def _behind(self, proxy: _Address, scope: HTTPScope) -> _Address:
        """The last address in X-Forwarded-For that does not belong to a trusted proxy. Earlier ones may be forged."""
        values = [value for name, value in scope["headers"] if name == HEADER]
        last = proxy
        for hop in reversed(b",".join(values).decode("latin-1").split(",")[-MOST_HOPS:]):
            address = _parsed(hop.strip())
            if address is None:
                break
            last = address
            if not self._is_trusted(address):
                break
        return last

    def _is_trusted(self, address: _Address) -> bool:
        return any(address in network for network in self._trusted)


@functools.lru_cache(maxsize=1024)
def _parsed(text: str) -> _Address | None:
    """The address in a text that may also have a port: 192.0.2.1:80, [2001:db8::1]:80. A zone is left out."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, ipaddress.IPv6Address) else address


@functools.lru_cache(maxsize=1024)
def _name(address: _Address) -> str:
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.ip_network((address, PREFIX_V6), strict=False))

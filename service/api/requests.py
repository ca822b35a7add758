"""The type of the requests that handlers get. Litestar's type also names a user and an auth object, unused here."""

from litestar import Request
from litestar.datastructures import State

ApiRequest = Request[None, None, State]

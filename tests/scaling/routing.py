"""In which shard OpenSearch puts a document: murmur3 of its routing (OperationRouting.generateShardId)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache

_BITS = 0xFFFFFFFF
MOST_ROUTING_SHARDS = 10  # as a power of two: OpenSearch numbers up to 1,024 routing shards, so that an index can split


def murmur3(data: bytes) -> int:
    """MurmurHash3_x86_32 with seed 0, as a signed number."""
    value, whole = 0, len(data) // 4 * 4
    for (block,) in struct.iter_unpack("<I", data[:whole]):
        value = _rotated(value ^ _mixed(block), 13) * 5 + 0xE6546B64 & _BITS
    if rest := data[whole:]:
        value ^= _mixed(int.from_bytes(rest, "little"))
    value ^= len(data)
    value = (value ^ value >> 16) * 0x85EBCA6B & _BITS
    value = (value ^ value >> 13) * 0xC2B2AE35 & _BITS
    value ^= value >> 16
    return value - 2**32 if value >= 2**31 else value


def _mixed(block: int) -> int:
    return _rotated(block * 0xCC9E2D51 & _BITS, 15) * 0x1B873593 & _BITS


def _rotated(value: int, bits: int) -> int:
    return (value << bits | value >> 32 - bits) & _BITS


@lru_cache(maxsize=1_000_000)
def hashed(text: str) -> int:
    """Java's characters, low byte first (Murmur3HashFunction)."""
    return murmur3(text.encode("utf-16-le", "surrogatepass"))


def default_routing_shards(shards: int) -> int:
    """MetadataCreateIndexService.calculateNumRoutingShards."""
    return shards << max(1, MOST_ROUTING_SHARDS - (shards - 1).bit_length())


@dataclass(frozen=True)
class Shape:
    """An index. With a partition, an organization is in so many shards, and the index has as many routing shards."""

    shards: int
    partition: int = 1

    @property
    def routing_shards(self) -> int:
        return self.shards if self.partition > 1 else default_routing_shards(self.shards)

    def shard(self, routing: str, document: str = "") -> int:
        """The shard of one document."""
        offset = hashed(document) % self.partition if self.partition > 1 else 0
        return self._at(hashed(routing) + offset)

    def shards_of(self, routing: str) -> list[int]:
        """All shards that may have documents with this routing."""
        first = hashed(routing)
        return sorted({self._at(first + offset) for offset in range(self.partition)})

    def _at(self, value: int) -> int:
        value = (value + 2**31) % 2**32 - 2**31  # Java's int overflows
        return value % self.routing_shards // (self.routing_shards // self.shards)

"""IPv4 forwarding: longest-prefix match, TTL, checksum, next-hop addresses, and a table of flow counts."""

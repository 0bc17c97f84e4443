"""Packet services in microcode, each with an oracle that says what must leave."""

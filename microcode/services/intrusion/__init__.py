"""The service intrusion detection: declaration, microcode, oracle."""

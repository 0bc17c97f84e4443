"""The service address and port translation: declaration, microcode, oracle."""

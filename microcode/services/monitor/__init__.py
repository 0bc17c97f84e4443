"""The service network monitoring: declaration, microcode, oracle."""

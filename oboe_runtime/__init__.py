"""The host half of Oboe. Nothing is implemented yet: it comes with the Oboe extension of ixpemu."""

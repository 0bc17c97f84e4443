"""Experiments: series of runs that answer one question about Oboe, with what theory says beside what was measured."""

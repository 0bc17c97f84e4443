"""Clusters: cluster.toml, traffic in, links between chips, packets out."""

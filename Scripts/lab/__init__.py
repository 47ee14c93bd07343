"""Benchmarks and soaks of the project, and what they share: a lab of network namespaces, nodes, clients, peers.

`Scripts/bench` and `Scripts/soak` run the modules in `benches` and `soaks`. Only Python's standard library is needed.
"""

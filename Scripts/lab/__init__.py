# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Benchmarks and soaks of the project, and their common parts: a lab of network namespaces, nodes, clients, and other
programs to compare with.

`Scripts/bench` and `Scripts/soak` run the modules in `benches` and `soaks`. Only Python's standard library is needed.
"""

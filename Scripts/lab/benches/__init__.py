# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""The modules that `Scripts/bench` runs; each measures one subject."""

# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""The modules that `Scripts/soak` runs; each puts one subject under load or change for a long time."""

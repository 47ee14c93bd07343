# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Tests on whole hosts (Scripts/host-lab), in Python, because they use installed programs and the lab's package only.
`Scripts/test --host-lab` runs them, `Scripts/test --host-lab lab_tests.LabTests.test_copy` runs one."""

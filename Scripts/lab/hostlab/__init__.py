# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Hosts to test in: Debian in VMs, with systemd as the first process, AppArmor in force, avahi, libvirtd, and a KVM
that runs guests, also on machines without usable KVM.

The host is emulated (TCG). QEMU emulates AMD's SVM with nested paging, so that the host's kvm_amd really runs guests.
`recipe` lists what a host consists of, `image` makes its disk, `store` keeps it and boots it once, `host` runs copies
of it, `lan` connects them. `Scripts/host-lab` is the program.
"""

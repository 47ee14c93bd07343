// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletStore
import CloudletSystem
import Glibc
import SystemPackage

extension Doctor {
    private static let packages = "sudo apt-get install qemu-system-x86 qemu-utils libvirt-daemon-driver-qemu"

    /// Shows what AppArmor denied.
    private static let denials = "sudo journalctl --dmesg --grep apparmor"

    private static let reinstall = "sudo apt-get install --reinstall qemu-system-x86"

    /// Checks KVM by running a guest on it, and libvirt with its QEMU driver by opening it as the node does.
    /// - Returns: the findings, and the hypervisor if it works.
    func examineHypervisor() async -> ([Finding], Hypervisor?) {
        var findings: [Finding] = []
        var accelerator: MachineDescription.Accelerator?
        var working: Hypervisor?
        do throws(CloudletError) {
            // Remove the cached verdict, so that KVM is really checked.
            try FileSystem.remove(home.acceleratorCache)
            let verdict = try await AcceleratorProbe.verdict(cache: home.acceleratorCache)
            accelerator = configuration.accelerator.fixed ?? verdict.accelerator
            findings.append(acceleration(verdict))
            let works = try await AcceleratorProbe.emulatorWorks()
            findings.append(
                works
                    ? .ok("qemu", "runs guest code")
                    : .fail("qemu", "qemu-system-x86_64 is installed, but does not run guest code", fix: Self.reinstall)
            )
        } catch {
            let isInstalled = InstalledProgram.exists("qemu-system-x86_64")
            findings.append(
                .fail("qemu", "\(error)", fix: isInstalled ? Self.denials : Self.packages))
        }
        do throws(CloudletError) {
            let root = try HypervisorRoot(under: home.hypervisors, role: .command)
            let hypervisor = try await Hypervisor.open(
                root, uri: configuration.libvirtURI, accelerator: accelerator ?? .tcg)
            try await hypervisor.requireAnswer()
            if accelerator != nil { working = hypervisor }
            findings.append(.ok("libvirt", configuration.libvirtURI ?? "the driver in this process works"))
        } catch {
            let fix = configuration.libvirtURI.map { "virsh -c \($0) list" } ?? Self.packages
            findings.append(.fail("libvirt", "\(error)", fix: fix))
        }
        return (findings, working)
    }

    private func acceleration(_ verdict: AcceleratorProbe.Verdict) -> Finding {
        if verdict.kvm { return .ok("kvm", verdict.reason) }
        let emulated = "\(verdict.reason): guests are emulated, many times slower"
        if configuration.accelerator == .kvm {
            return .fail("kvm", verdict.reason, fix: "cloudlet-node --accelerator tcg")
        }
        if unsafe access("/dev/kvm", F_OK) != 0 {
            return .warn("kvm", emulated, fix: "sudo modprobe -a kvm_intel kvm_amd")
        }
        if unsafe access("/dev/kvm", R_OK | W_OK) != 0 {
            return .warn("kvm", emulated, fix: "sudo usermod -aG kvm \"$USER\" && newgrp kvm")
        }
        return .warn("kvm", emulated, fix: "sudo dmesg | grep -i kvm")
    }

    /// Checks whether AppArmor allows QEMU to use the node's files. Only a libvirt daemon confines QEMU with AppArmor.
    func examineAppArmor() -> Finding {
        let state = (try? File("/sys/module/apparmor/parameters/enabled", .read).read(8, at: 0)) ?? []
        guard state.first == UInt8(ascii: "Y") else { return .ok("apparmor", "not enabled") }
        guard configuration.libvirtURI != nil else {
            return .ok("apparmor", "enabled; the driver in this process relies on QEMU's system-call filter instead")
        }
        let rules = "/etc/apparmor.d/local/abstractions/libvirt-qemu"
        let known = (try? File(FilePath(rules), .read).read(1 << 16, at: 0)) ?? []
        guard !String(decoding: known, as: UTF8.self).contains(home.root.string) else {
            return .ok("apparmor", "enabled; \(rules) allows \(home.root)")
        }
        return .warn(
            "apparmor", "enabled, and \(rules) does not allow \(home.root): libvirt's QEMU can't open our files",
            fix: "echo \(Shell.word("\(home.root)/** rwk,")) | sudo tee -a \(rules) && sudo systemctl restart libvirtd")
    }
}

// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletMarkup
import SystemPackage

/// Builds libvirt domain descriptions. The same machine always gives the same devices at the same addresses, so that a
/// state saved on one host can be loaded on another. The article Snapshots explains each line.
struct DomainXML {
    let machine: MachineDescription
    let resources: VMResources
    /// Labels that prevent libvirt from giving our files to another user.
    let securityLabels: [MarkupElement]

    /// Names inside QEMU that must never change. The name of the memory block is part of the saved state.
    static let memoryBlock = "mem0"
    static let network = "net0"
    /// The host's end of the agent's channel.
    static let agent = "agent0"
    /// The bus of the controller to which the channel belongs.
    static let agentBus = "virtio-serial0.0"

    private static let qemuNamespace = "http://libvirt.org/schemas/domain/qemu/1.0"

    func document() -> String {
        MarkupElement(
            "domain", attributes: ["type": machine.accelerator == .kvm ? "kvm" : "qemu"],
            children: [
                MarkupElement("name", text: resources.name),
                MarkupElement("memory", attributes: ["unit": "MiB"], text: String(machine.memoryMiB)),
                MarkupElement("vcpu", text: String(machine.vcpus)),
                MarkupElement(
                    "os",
                    children: [
                        MarkupElement(
                            "type", attributes: ["arch": "x86_64", "machine": machine.machineType], text: "hvm")
                    ] + flash + [MarkupElement("boot", attributes: ["dev": "hd"])]),
                features,
                cpu,
                MarkupElement("clock", attributes: ["offset": "utc"]),
                MarkupElement("on_crash", text: "destroy"),
                MarkupElement("devices", children: devices),
            ] + generation + securityLabels + [commandLine]
        ).document()
    }

    /// The memory chips with the UEFI firmware and its variables.
    private var flash: [MarkupElement] {
        guard let files = resources.flash else { return [] }
        return [
            MarkupElement(
                "loader", attributes: ["readonly": "yes", "secure": "no", "type": "pflash"], text: files.code.string),
            MarkupElement("nvram", text: files.variables.string),
        ]
    }

    /// The VM generation id. libvirt generates a new one for each VM, and QEMU notifies the guest when it loads a state
    /// with another id.
    private var generation: [MarkupElement] { machine.hasGuestDevices ? [MarkupElement("genid")] : [] }

    /// The controller of the channel for qemu-guest-agent. The channel itself is added when QEMU has started, so that
    /// libvirt does not connect to it.
    private var agentController: [MarkupElement] {
        machine.hasGuestDevices ? [device("controller", ["type": "virtio-serial", "index": "0"], slot: 8)] : []
    }

    private var features: MarkupElement {
        var list = [MarkupElement("acpi"), MarkupElement("apic")]
        if machine.accelerator == .tcg {
            let cache = String(MachineDescription.translationCacheMiB)
            list.append(
                MarkupElement(
                    "tcg", children: [MarkupElement("tb-cache", attributes: ["unit": "MiB"], text: cache)]))
        }
        return MarkupElement("features", children: list)
    }

    private var cpu: MarkupElement {
        let own = machine.cpuModel == MachineDescription.defaultCPUModel
        let features = own ? ["cx16", "lahf_lm", "popcnt", "sse4.1", "sse4.2", "ssse3"] : []
        return MarkupElement(
            "cpu", attributes: ["mode": "custom", "match": "exact", "check": "none"],
            children: [
                MarkupElement("model", attributes: ["fallback": "forbid"], text: own ? "qemu64" : machine.cpuModel)
            ] + features.map { MarkupElement("feature", attributes: ["name": $0, "policy": "require"]) })
    }

    private var devices: [MarkupElement] {
        var list = [disk, MarkupElement("controller", attributes: ["type": "usb", "model": "none"])]
        if let cd = resources.options.cd { list.append(drive(with: cd)) }
        list += agentController
        list.append(serial)
        list.append(device("input", ["type": "tablet", "bus": "virtio"], slot: 7))
        if resources.options.display {
            list.append(
                MarkupElement(
                    "graphics", attributes: ["type": "vnc", "autoport": "yes", "listen": "127.0.0.1"]))
        }
        list.append(
            device(
                "video", [:], slot: 2,
                [MarkupElement("model", attributes: ["type": "vga", "vram": "16384", "primary": "yes"])]))
        list.append(
            device(
                "memballoon",
                ["model": "virtio", "freePageReporting": machine.freePageReporting ? "on" : "off"], slot: 4))
        list.append(
            device(
                "rng", ["model": "virtio"], slot: 6,
                [MarkupElement("backend", attributes: ["model": "random"], text: "/dev/urandom")]))
        return list
    }

    private var disk: MarkupElement {
        let driver = [
            "name": "qemu", "type": resources.diskFormat.rawValue,
            "discard": resources.options.discards ? "unmap" : "ignore",
            "detect_zeroes": resources.options.discards ? "unmap" : "off",
            // The disk of a base VM must survive a power cut. A scratch disk is deleted with its session.
            "cache": resources.diskFormat == .raw ? "writeback" : "unsafe",
        ]
        let children = [
            MarkupElement("driver", attributes: driver),
            MarkupElement("source", attributes: ["file": resources.disk.string]),
            MarkupElement(
                "target",
                attributes: machine.diskBus == .virtio
                    ? ["dev": "vda", "bus": "virtio"] : ["dev": "hda", "bus": "ide"]),
        ]
        let attributes = ["type": "file", "device": "disk"]
        return machine.diskBus == .virtio
            ? device("disk", attributes, slot: 5, children)
            : MarkupElement("disk", attributes: attributes, children: children)
    }

    /// A drive with an ISO image, on the bus of the disk: guests made for virtual machines may have no driver for
    /// another bus (Debian's cloud kernel has none for IDE and SATA), and cloud-init takes any block device for its CD.
    private func drive(with medium: FilePath) -> MarkupElement {
        let isVirtio = machine.diskBus == .virtio
        let attributes = ["type": "file", "device": isVirtio ? "disk" : "cdrom"]
        let children = [
            MarkupElement("driver", attributes: ["name": "qemu", "type": "raw"]),
            MarkupElement("source", attributes: ["file": medium.string]),
            MarkupElement(
                "target", attributes: isVirtio ? ["dev": "vdb", "bus": "virtio"] : ["dev": "hdc", "bus": "ide"]),
            MarkupElement("readonly"),
        ]
        return isVirtio
            ? device("disk", attributes, slot: 9, children)
            : MarkupElement("disk", attributes: attributes, children: children)
    }

    private var serial: MarkupElement {
        guard let log = resources.serialLog else { return MarkupElement("serial", attributes: ["type": "null"]) }
        return MarkupElement(
            "serial", attributes: ["type": "file"],
            children: [MarkupElement("source", attributes: ["path": log.string, "append": "on"])])
    }

    private func device(
        _ name: String, _ attributes: [String: String], slot: Int, _ children: [MarkupElement] = []
    ) -> MarkupElement {
        let address = MarkupElement(
            "address",
            attributes: [
                "type": "pci", "domain": "0x0000", "bus": "0x00", "slot": "0x0\(String(slot, radix: 16))",
                "function": "0x0",
            ])
        return MarkupElement(name, attributes: attributes, children: children + [address])
    }

    /// QEMU options for which libvirt 9 has no elements: shared memory at a given path, and user networking whose
    /// forwards can be changed while the VM runs.
    private var commandLine: MarkupElement {
        var arguments = [
            "-object",
            "memory-backend-file,id=\(Self.memoryBlock),share=on,size=\(machine.memoryMiB)M,mem-path="
                + resources.memoryPath.string.replacing(",", with: ",,"),
            "-machine", "memory-backend=\(Self.memoryBlock)",
            "-netdev", "user,id=\(Self.network),restrict=\(resources.options.outboundNetwork ? "off" : "on")",
            "-device", "virtio-net-pci,netdev=\(Self.network),id=nic0,addr=0x10,romfile=",
        ]
        if resources.waitsForState { arguments += ["-incoming", "defer"] }
        return MarkupElement(
            "commandline", namespace: Self.qemuNamespace,
            children: arguments.map {
                MarkupElement("arg", namespace: Self.qemuNamespace, attributes: ["value": $0])
            })
    }
}

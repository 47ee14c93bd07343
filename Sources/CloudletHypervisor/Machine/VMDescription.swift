// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletMarkup

/// A snapshot's description of its VM: the machine, the ports forwarded to it, and how to check that its application is
/// ready. It is stored as an XML document in the snapshot, so that it is part of overlays.
package struct VMDescription: Hashable, Sendable {
    /// The virtual hardware.
    package var machine: MachineDescription
    /// Ports of the host that lead into the VM.
    package var forwards: [PortForward]
    /// A guest port that answers when the application is ready.
    package var readyPort: UInt16?

    /// The guest's support for being resumed from this state.
    package var guest: GuestSupport
    /// With what the guest measures time, if known.
    package var timekeeping: GuestTimekeeping?

    /// Describes a VM.
    package init(
        machine: MachineDescription, forwards: [PortForward] = [], readyPort: UInt16? = nil,
        guest: GuestSupport = .unknown
    ) {
        self.machine = machine
        self.guest = guest
        self.forwards = forwards
        self.readyPort = readyPort
    }

    private static let namespace = "urn:cloudlet:vm:1"

    /// The XML document.
    package func document() -> String {
        func element(_ name: String, _ text: String) -> MarkupElement {
            MarkupElement(name, namespace: Self.namespace, text: text)
        }
        var children = [
            MarkupElement(
                "machine", namespace: Self.namespace,
                attributes: [
                    "type": machine.machineType, "cpu": machine.cpuModel, "accelerator": machine.accelerator.rawValue,
                    "memory-mib": String(machine.memoryMiB), "vcpus": String(machine.vcpus),
                    "disk-bus": machine.diskBus.rawValue, "device-list": String(machine.deviceList),
                    "free-page-reporting": machine.freePageReporting ? "on" : "off",
                ].merging(machine.firmware.attributes) { value, _ in value })
        ]
        if guest != .unknown {
            children.append(
                MarkupElement(
                    "guest", namespace: Self.namespace,
                    attributes: ["clock": guest.clock.rawValue, "random": guest.random.rawValue]))
        }
        if let timekeeping {
            var attributes = ["tsc-khz": String(timekeeping.tscKilohertz)]
            attributes["clock-source"] = timekeeping.clockSource
            children.append(MarkupElement("timekeeping", namespace: Self.namespace, attributes: attributes))
        }
        children += forwards.map { element("forward", $0.description) }
        if let readyPort { children.append(element("ready-port", String(readyPort))) }
        return MarkupElement("cloudlet-vm", namespace: Self.namespace, children: children).document()
    }

    /// Reads a document. It may come from a stranger's overlay, so every field is checked.
    /// - Throws: `CloudletError.badData` that names the field.
    package init(parsing document: [UInt8]) throws(CloudletError) {
        let root = try MarkupParser().parse(document)
        guard root.name == "cloudlet-vm", root.namespace == Self.namespace, let machine = root.child("machine") else {
            throw CloudletError(.badData, "the snapshot's description is not one of a cloudlet VM")
        }
        func word(_ key: String) throws(CloudletError) -> String {
            guard let value = machine.attributes[key] else { throw Self.bad(key) }
            return value
        }
        func number(_ key: String) throws(CloudletError) -> Int {
            guard let value = Int(try word(key)) else { throw Self.bad(key) }
            return value
        }
        guard let accelerator = MachineDescription.Accelerator(rawValue: try word("accelerator")) else {
            throw Self.bad("accelerator")
        }
        guard let diskBus = MachineDescription.DiskBus(rawValue: try word("disk-bus")) else {
            throw Self.bad("disk-bus")
        }
        self.machine = MachineDescription(
            memoryMiB: try number("memory-mib"), vcpus: try number("vcpus"), accelerator: accelerator,
            diskBus: diskBus, cpuModel: try word("cpu"), machineType: try word("type"),
            freePageReporting: try word("free-page-reporting") == "on", deviceList: try number("device-list"),
            firmware: try Firmware(attributes: machine.attributes))
        do { try self.machine.validate() } catch {
            throw CloudletError(.badData, "the snapshot's description is not usable", cause: error)
        }
        let words = root.child("guest")?.attributes ?? [:]
        guest = GuestSupport(
            clock: words["clock"].flatMap(GuestSupport.Clock.init) ?? .none,
            random: words["random"].flatMap(GuestSupport.Random.init) ?? .none)
        timekeeping = try Self.timekeeping(root.child("timekeeping")?.attributes)
        forwards = []
        for element in root.children("forward") {
            guard forwards.count < 256 else { throw Self.bad("forward") }
            do { forwards.append(try PortForward(parsing: element.text)) } catch {
                throw CloudletError(.badData, "the snapshot's description is not usable", cause: error)
            }
        }
        if let text = root.text(of: "ready-port") {
            guard let port = UInt16(text), port > 0 else { throw Self.bad("ready-port") }
            readyPort = port
        }
    }

    private static func timekeeping(_ words: [String: String]?) throws(CloudletError) -> GuestTimekeeping? {
        guard let words else { return nil }
        guard let frequency = words["tsc-khz"].flatMap({ Int($0) }), (1...1 << 32).contains(frequency) else {
            throw bad("tsc-khz")
        }
        return GuestTimekeeping(
            clockSource: words["clock-source"]?.displayable(limit: 40), tscKilohertz: frequency)
    }

    private static func bad(_ field: String) -> CloudletError {
        CloudletError(.badData, "the snapshot's description has no valid '\(field)'")
    }
}

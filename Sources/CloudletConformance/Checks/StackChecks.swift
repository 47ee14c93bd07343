// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletMarkup
import CloudletNetwork
import CloudletSystem

/// Requirements S01 to S06: the node as independent stacks see it.
struct StackChecks: Sendable {
    let context: CheckContext

    private var device: DeviceUnderTest { context.device }

    func run() async -> Outcomes {
        var outcomes = await controlPoint().run()
        outcomes.merge(await avahi()) { $1 }
        return outcomes
    }

    /// The task for libupnp: the last service that has an action without arguments, and the last one that has events.
    private func controlPoint() async -> ControlPointTask {
        var task = ControlPointTask()
        (task.interface, task.deviceType) = (context.link.interface.name, context.options.deviceType)
        (task.udn, task.location) = (device.udn, device.location.description)
        for service in device.description.services {
            guard let document = service.document else { continue }
            task.documents.append(document.description)
            guard let root = try? await document.markup() else { continue }
            if let control = service.control, let action = root.actionWithoutArguments {
                (task.control, task.serviceType, task.action) = (control.description, service.type, action)
            }
            if let events = service.events, !root.eventedVariables.isEmpty { task.events = events.description }
        }
        return task
    }

    private func avahi() async -> Outcomes {
        let requirements = ["S05", "S06"]
        guard let instance = device.instance else {
            let why = Outcome.notChecked("the node has no instance of \(context.options.serviceType)")
            return Dictionary(uniqueKeysWithValues: requirements.map { ($0, why) })
        }
        let (type, interface) = (context.options.serviceType, context.link.interface.index)
        let subtype = instance.subtypes.first
        do throws(CloudletError) {
            return try await blocking { () throws(CloudletError) in
                let browse = try AvahiBrowse()
                do throws(CloudletError) {
                    let types = [type] + (subtype.map { ["\($0)._sub.\(type)"] } ?? [])
                    var conditions: [(Bool, String)] = []
                    for type in types {
                        let names = try browse.browse(type, for: instance.name.first, on: interface, seconds: 4)
                        let others = names.map { $0.displayable(limit: 63) }.sorted().joined(separator: ", ")
                        conditions.append((names.contains(instance.name.first), "\(type): only [\(others)]"))
                    }
                    let found = try browse.resolve(instance.name.first, type, on: interface, seconds: 4)
                    return [
                        "S05": .all(conditions, types.joined(separator: ", ")),
                        "S06": Self.resolved(found, instance),
                    ]
                } catch {
                    return Dictionary(uniqueKeysWithValues: requirements.map { ($0, .fail(error.message)) })
                }
            }
        } catch {
            return Dictionary(uniqueKeysWithValues: requirements.map { ($0, .notChecked(error.message)) })
        }
    }

    private static func resolved(_ found: AvahiBrowse.Resolved?, _ instance: DeviceUnderTest.Instance) -> Outcome {
        guard let found else { return .fail("not resolved within 4 s") }
        let text = { (strings: [[UInt8]]) in Set(strings.map { String(decoding: $0, as: UTF8.self) }) }
        return .all(
            [
                (
                    DNSLabels(found.host) == instance.host,
                    "host \(found.host.displayable(limit: 100)), not \(instance.host)"
                ),
                (found.port == instance.port, "port \(found.port), not \(instance.port)"),
                (text(found.txt) == text(instance.txt), "TXT has other strings"),
            ], "\(instance.host):\(instance.port), \(found.txt.count) strings")
    }
}

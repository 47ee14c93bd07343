// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletMarkup
import CloudletNetwork

/// Requirements C01 to C09, C19, C20, C11: the documents, and which hosts get them.
struct DescriptionChecks: Sendable {
    let context: CheckContext

    private var description: DeviceDescription { context.device.description }
    private var location: WebAddress { context.device.location }

    func run() async -> Outcomes {
        var outcomes: Outcomes = [:]
        outcomes["C01"] = headers(await HTTPProbe.get(location, timeout: .seconds(30)))
        outcomes["C02"] = elements()
        outcomes["C04"] = await services()
        outcomes["C05"] = await serviceDescriptions()
        outcomes["C06"] = await practice()
        outcomes["C07"] = await withoutHost()
        outcomes["C08"] = await foreignHost()
        outcomes["C19"] = await presentation()
        outcomes["C20"] = .all(
            description.services.map { ($0.element.child("eventSubURL") != nil, "\($0.type) has none") },
            "\(description.services.count) services")
        return outcomes
    }

    private func headers(_ answer: HTTPProbe) -> Outcome {
        let type = answer["Content-Type"]?.lowercased().filter { $0 != " " } ?? ""
        return .all(
            [
                (answer.status == 200, "status \(answer.status)"),
                (type.hasPrefix("text/xml") && type.contains("charset=\"utf-8\""), "Content-Type is '\(type)'"),
                (answer["Content-Length"].flatMap { Int($0) } == answer.body.utf8.count, "Content-Length is wrong"),
                (answer["Date"] != nil, "no Date"), (answer["Server"] != nil, "no Server"),
            ], "\(answer.body.utf8.count) bytes after \(answer.time.milliseconds) ms; \(answer["Server"] ?? "")")
    }

    private func elements() -> Outcome {
        let root = description.root
        let version =
            root.child("specVersion").map { "\($0.text(of: "major") ?? "").\($0.text(of: "minor") ?? "")" } ?? ""
        var conditions = [
            (
                root.name == "root" && root.namespace == "urn:schemas-upnp-org:device-1-0",
                "the root element has the wrong name or namespace"
            ),
            (["1.0", "1.1", "2.0"].contains(version), "specVersion is '\(version)'"),
            (root.attributes["configId"] == nil || version != "1.0", "configId in a description of UDA 1.0"),
        ]
        for device in description.devices {
            for name in ["deviceType", "friendlyName", "manufacturer", "modelName", "UDN"] {
                conditions.append((device.text(of: name)?.trimmed.isEmpty == false, "\(name) is missing"))
            }
            conditions.append(((device.text(of: "friendlyName") ?? "").count < 64, "friendlyName is too long"))
            conditions.append((device.text(of: "UDN")?.hasPrefix("uuid:") == true, "the UDN is not a UUID"))
        }
        return .all(conditions, "UDA \(version), \(description.devices.count) device(s), '\(description.friendlyName)'")
    }

    private func services() async -> Outcome {
        var conditions: [(Bool, String)] = []
        for service in description.services {
            conditions.append((!service.type.isEmpty, "a service has no type"))
            conditions.append((service.element.text(of: "serviceId")?.isEmpty == false, "\(service.type) has no id"))
            conditions.append((service.control != nil, "\(service.type) has no controlURL on its host"))
            conditions.append((service.element.child("eventSubURL") != nil, "\(service.type) has no eventSubURL"))
            guard let address = service.document else {
                conditions.append((false, "\(service.type) has no SCPDURL on its host"))
                continue
            }
            let status = await HTTPProbe.get(address).status
            conditions.append((status == 200, "\(address): status \(status)"))
        }
        return .all(conditions, "\(description.services.count) services, all described")
    }

    private func serviceDescriptions() async -> Outcome {
        var conditions: [(Bool, String)] = []
        var (actions, variables) = (0, 0)
        for service in description.services {
            guard let address = service.document,
                let root = try? MarkupParser().parse(await HTTPProbe.get(address).body)
            else {
                conditions.append((false, "\(service.type): no well formed description"))
                continue
            }
            conditions.append(
                (
                    root.name == "scpd" && root.namespace == "urn:schemas-upnp-org:service-1-0",
                    "\(service.type): the root element has the wrong name or namespace"
                ))
            let table = root.child("serviceStateTable")?.children("stateVariable") ?? []
            let known = Set(table.compactMap { $0.text(of: "name") })
            conditions.append(
                (!table.isEmpty && known.count == table.count, "\(service.type): variables are missing or repeated"))
            conditions.append((table.allSatisfy { $0.child("dataType") != nil }, "\(service.type): no dataType"))
            variables += table.count
            for action in root.child("actionList")?.children("action") ?? [] {
                actions += 1
                for argument in action.child("argumentList")?.children("argument") ?? [] {
                    let related = argument.text(of: "relatedStateVariable") ?? ""
                    let name = "\(action.text(of: "name") ?? "").\(argument.text(of: "name") ?? "")"
                    conditions.append((known.contains(related), "\(name) refers to '\(related)'"))
                    conditions.append(
                        (["in", "out"].contains(argument.text(of: "direction")), "\(name): no direction"))
                }
            }
        }
        return .all(conditions, "\(actions) actions, \(variables) variables")
    }

    private func practice() async -> Outcome {
        let head = await HTTPProbe.ask(location.endpoint, "HEAD \(location.path) HTTP/1.1", timeout: .seconds(2))
        let missing = await HTTPProbe.ask(location.endpoint, "GET /no-such-document HTTP/1.1")
        var conditions = [
            (head.status == 200 && head.body.isEmpty, "HEAD: status \(head.status), \(head.body.utf8.count) bytes"),
            (missing.status == 404, "a missing document: status \(missing.status)"),
        ]
        for path in ["/../../../etc/passwd", "/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd"] {
            let answer = await HTTPProbe.ask(location.endpoint, "GET \(path) HTTP/1.1")
            conditions.append((!answer.body.contains("root:"), "\(path) leads out of the documents"))
        }
        return .all(conditions, "HEAD works, missing documents get 404, no path leads out of the documents")
    }

    private func withoutHost() async -> Outcome {
        let request = "GET \(location.path) HTTP/1.1\r\nConnection: close\r\n\r\n"
        let status = await HTTPProbe.ask(location.endpoint, Array(request.utf8)).status
        return .of(status == 400, "status \(status)")
    }

    private func foreignHost() async -> Outcome {
        var conditions: [(Bool, String)] = []
        for host in ["evil.example", "\(location.endpoint.address.urlHost).evil.example"] {
            let answer = await HTTPProbe.ask(location.endpoint, "GET \(location.path) HTTP/1.1", host: host)
            conditions.append((answer.status / 100 != 2, "\(host): status \(answer.status)"))
        }
        return .all(conditions, "refused")
    }

    private func presentation() async -> Outcome {
        guard let address = description.presentation else { return .notChecked("there is no presentationURL") }
        let answer = await HTTPProbe.get(address)
        return .of(
            answer.status == 200 && answer["Content-Type"]?.lowercased().contains("html") == true,
            "status \(answer.status), \(answer["Content-Type"] ?? "no type")")
    }
}

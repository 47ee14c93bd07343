// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork

/// Requirements C10, C11, C17, C18: control, limits and bad requests. C17 and C18 come last: a device that fails them
/// may be gone.
struct ControlChecks: Sendable {
    let context: CheckContext

    private var location: WebAddress { context.device.location }
    private var service: DeviceDescription.Service? {
        context.device.description.services.last { $0.control != nil }
    }

    func run() async -> Outcomes {
        ["C10": await control(), "C11": await bounded()]
    }

    /// Runs the checks that may do lasting harm.
    func runHarmful() async -> Outcomes {
        let first = ControlChecks(context: await context.revived())
        var outcomes = ["C17": await first.malformed()]
        let second = ControlChecks(context: await context.revived())
        outcomes["C18"] = await second.idleClients()
        return outcomes
    }

    private func call(_ service: DeviceDescription.Service, _ action: String, padding: Int = 0) async -> HTTPProbe {
        guard let control = service.control else {
            return HTTPProbe(text: "", time: .zero, isConnected: false, isClosed: true)
        }
        let body =
            "<?xml version=\"1.0\"?>\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" "
            + "s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body><u:\(action) "
            + "xmlns:u=\"\(service.type)\"></u:\(action)></s:Body></s:Envelope>"
            + String(repeating: "\n", count: padding)
        return await HTTPProbe.ask(
            control.endpoint, "POST \(control.path) HTTP/1.1",
            ["Content-Type: text/xml; charset=\"utf-8\"", "SOAPACTION: \"\(service.type)#\(action)\""], body: body,
            timeout: .seconds(5))
    }

    private func control() async -> Outcome {
        guard let service else { return .notChecked("there is no service with a controlURL") }
        let unknown = await call(service, "NoSuchAction")
        var conditions = [
            (unknown.status == 500, "an unknown action: status \(unknown.status)"),
            (unknown.body.contains("UPnPError") && unknown.body.contains("401"), "an unknown action: no UPnPError 401"),
        ]
        guard let action = try? await service.document?.markup().actionWithoutArguments else {
            let broken = conditions.filter { !$0.0 }.map(\.1)
            return broken.isEmpty
                ? .notChecked("no action without arguments could be called; unknown ones are refused correctly")
                : .fail(broken.joined(separator: "; "))
        }
        let good = await call(service, action)
        conditions.append((good.status == 200, "\(action): status \(good.status)"))
        conditions.append((good["EXT"] != nil, "\(action): no EXT"))
        conditions.append((good.body.contains("\(action)Response"), "\(action): no response element"))
        return .all(conditions, "\(action) answered, an unknown action refused with 401")
    }

    private func bounded() async -> Outcome {
        guard let service else { return .notChecked("there is no service with a controlURL") }
        let answer = await call(service, "NoSuchAction", padding: 1 << 20)
        let isThere = await HTTPProbe.get(location).status == 200
        return .all(
            [
                (answer.status == 0 || answer.status == 413 || answer.status == 400, "1 MiB: status \(answer.status)"),
                (isThere, "no answer afterwards"),
            ], answer.status == 0 ? "1 MiB: connection closed" : "1 MiB: status \(answer.status)")
    }

    /// Opens connections that send nothing, or only the beginning of a request.
    private func idleClients() async -> Outcome {
        let idle = (0..<12).compactMap { _ in Connection(to: location.endpoint) }
        for connection in idle.prefix(6) { connection.send(Array("GET / HTTP/1.1\r\nHost: ".utf8)) }
        let answer = await HTTPProbe.get(location, timeout: .seconds(4))
        return .all(
            [
                (idle.count >= 6, "only \(idle.count) connections were taken"),
                (answer.status == 200, "no answer within 4 s beside \(idle.count) idle clients"),
            ], "answered after \(answer.time.milliseconds) ms beside \(idle.count) idle clients")
    }

    /// Sends requests of the kind that crashed other devices, and checks after each whether the device still answers.
    private func malformed() async -> Outcome {
        let url = "http://\(location.endpoint)"
        let requests = [
            "SUBSCRIBE \(url) HTTP/1.1\r\nHost: \(url.dropFirst(7))\r\nSID:\r\n\r\n",
            "UNSUBSCRIBE \(url) HTTP/1.1\r\nHost: \(url.dropFirst(7))\r\nSID:\r\n\r\n",
            "SUBSCRIBE  HTTP/1.1\r\n\r\n", "NOTIFY / HTTP/1.1\r\nSEQ: -1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "\u{0}\u{1}\u{2}\r\n\r\n", "GET http://[::::::::::1/ HTTP/1.1\r\n\r\n",
        ]
        for request in requests {
            _ = await HTTPProbe.ask(location.endpoint, Array(request.utf8), timeout: .milliseconds(400))
            var isThere = false
            for _ in 0..<3 where !isThere {
                isThere = await HTTPProbe.get(location, timeout: .seconds(3)).status == 200
            }
            if !isThere { return .fail("no answer after: \(request.prefix(60).split(whereSeparator: \.isNewline)[0])") }
        }
        return .pass("\(requests.count) requests survived")
    }
}

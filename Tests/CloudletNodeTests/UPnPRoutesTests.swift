// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import CloudletSystem
import CloudletTestSupport
import Dispatch
import Hummingbird
import Logging
import ServiceLifecycle
import Testing

@testable import CloudletAdvertising
@testable import CloudletNetwork
@testable import CloudletNode

/// The node's HTTP server on loopback, asked over real connections.
@Suite struct UPnPRoutesTests {
    private let record = CurrentValue(
        NodeRecord(id: .random(), name: "A&B <ü>", httpPort: 0, load: 0.5, features: ["tcg"]))
    init() { record.update { $0.sessions = 2 } }

    @Test("no name turns the text of the page around")
    func page() {
        let base = HeldBase(hash: SHA256Digest(hashing: [1].span), name: "a\u{61C}b\u{202E}<c>\u{200D}")
        let page = PresentationPage.html(
            NodeRecord(id: NodeID.random(), name: "n\u{61C}m", httpPort: 1, bases: [base]))
        #expect(!page.unicodeScalars.contains { [0x61C, 0x202E].contains($0.value) }, "\(page)")
        #expect(page.contains("a�b�&lt;c&gt;\u{200D}") && page.contains("<h1>nm</h1>"), "\(page)")
        #expect(!page.contains("can only boot"))
        let other = PresentationPage.html(
            NodeRecord(id: NodeID.random(), name: "n", httpPort: 1, bootableBases: [base]))
        #expect(other.contains("a�b�&lt;c&gt;\u{200D}") && other.contains("</code> can only boot</td>"), "\(other)")
    }

    /// Runs a server on a port of its own while `body` runs.
    private func withServer(_ body: @Sendable (UInt16) async throws -> Void) async throws {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let interfaces = CurrentValue([NetworkInterface.loopback])
        let subscriptions = EventSubscriptions(record: record, logger: logger)
        let router = NodeRouter()
        UPnPRoutes(record: record, subscriptions: subscriptions, interfaces: interfaces) { ["session 1"] }
            .add(to: router)
        PresentationPage(record: record).add(to: router)
        let server = NodeHTTPServer(
            record: record, interfaces: interfaces, responder: router.buildResponder(), logger: logger)
        let port = record.value.httpPort
        try await withThrowingTaskGroup(of: Void.self) { group in
            let services = ServiceGroup(services: [server, subscriptions], logger: logger)
            group.addTask { try await services.run() }
            try await until(30, "the server did not start") { RawConnection(port: port) != nil }
            try await body(port)
            await services.triggerGracefulShutdown()
            try await group.waitForAll()
        }
    }

    private func ask(
        _ port: UInt16, _ first: String, _ headers: [String] = [], host: String? = "127.0.0.1", body: String = ""
    ) async -> String {
        let lines = [first] + (host.map { ["Host: \($0):\(port)"] } ?? []) + headers + ["Connection: close"]
        return await RawConnection.ask(port, lines.joined(separator: "\r\n") + "\r\n\r\n" + body)
    }

    private func status(_ answer: String) -> Int { Int(answer.split(separator: " ").dropFirst().first ?? "") ?? 0 }

    @Test("documents, status and page are served with the right headers (C01, C06, C19)")
    func documents() async throws {
        try await withServer { port in
            for path in ["/upnp/device.xml", "/upnp/original.xml", "/upnp/synthesis.xml"] {
                let answer = await ask(port, "GET \(path) HTTP/1.1")
                #expect(status(answer) == 200 && answer.contains("Content-Type: text/xml; charset=\"utf-8\""))
                #expect(answer.contains("Date: ") && answer.contains("Server: ") && answer.contains("Content-Length: "))
                #expect(!answer.contains("Content-Language"))
                let local = await ask(port, "GET \(path) HTTP/1.1", ["Accept-Language: de, en;q=0.5"])
                #expect(local.contains("Content-Language: en\r\n"), "UDA 2.0 §2.11")
            }
            for path in ["/", "/v1/node", "/upnp/device.xml", "/upnp/original.xml", "/upnp/synthesis.xml"] {
                let head = await ask(port, "HEAD \(path) HTTP/1.1")
                #expect(status(head) == 200 && head.hasSuffix("\r\n\r\n"), "\(path)")
                let length = try #require(await ask(port, "GET \(path) HTTP/1.1").firstMatch(of: /Content-Length: \d+/))
                #expect(head.contains(length.output), "\(path)")
            }
            #expect(await status(ask(port, "HEAD /none HTTP/1.1")) == 404)
            #expect(await ask(port, "GET /upnp/device.xml HTTP/1.1").contains("A&amp;B &lt;ü&gt;"))
            #expect(await ask(port, "GET /v1/node HTTP/1.1").contains("\"id\":\"\(record.value.id)\""))
            let page = await ask(port, "GET /?http://x/upnp/device.xml+uuid:1 HTTP/1.1")
            #expect(status(page) == 200 && page.contains("A&amp;B &lt;ü&gt;") && !page.contains("A&B"))
            for path in ["/none", "/upnp/", "/upnp/../../etc/passwd", "/upnp/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd"]
            {
                #expect(await status(ask(port, "GET \(path) HTTP/1.1")) == 404, "\(path)")
            }
        }
    }

    @Test("only requests to a literal address are answered (C07, C08)")
    func host() async throws {
        try await withServer { port in
            #expect(await status(ask(port, "GET /upnp/device.xml HTTP/1.1", host: nil)) == 400)
            for host in ["evil.example", "127.0.0.1.evil.example", "10.0.0.300"] {
                #expect(await status(ask(port, "GET /upnp/device.xml HTTP/1.1", host: host)) == 421, "\(host)")
            }
            for host in [
                "[::1].evil", "[::1]evil", "127.0.0.1%evil", "[fe80::1%evil.example/]", "[::1%evil]", "[127.0.0.1]",
                "[fe80::1%]", "::1", "a@127.0.0.1", "127.0.0.1:80:80", "127.0.0.1:x", "localhost.evil",
            ] {
                let answer = await RawConnection.ask(
                    port, "GET /upnp/device.xml HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\n\r\n")
                #expect(status(answer) == 421, "\(host)")
            }
            for host in ["localhost", "10.1.2.3", "[fe80::1%25eth0]", "[::1]"] {
                #expect(await status(ask(port, "GET /upnp/device.xml HTTP/1.1", host: host)) == 200, "\(host)")
            }
        }
    }

    @Test("one Host and no more; HTTP/1.0 needs none; an absolute form must mean this server (RFC 9112 §3.2)")
    func targets() async throws {
        try await withServer { port in
            func answer(_ lines: String...) async -> Int {
                let text = lines.joined(separator: "\r\n") + "\r\nConnection: close\r\n\r\n"
                return await status(RawConnection.ask(port, text))
            }
            let (path, own) = ("/upnp/device.xml", "Host: 127.0.0.1:\(port)")
            for second in [own, "Host: evil.example", "HOST:", "host: 127.0.0.1"] {
                #expect(await answer("GET \(path) HTTP/1.1", own, second) == 400, "\(second)")
                #expect(await answer("GET \(path) HTTP/1.0", own, second) == 400, "\(second)")
            }
            #expect(await answer("GET \(path) HTTP/1.0") == 200)
            #expect(await answer("GET \(path) HTTP/1.0", own) == 200)
            #expect(await answer("GET \(path) HTTP/1.0", "Host: evil.example") == 421)
            for authority in ["127.0.0.1:\(port)", "localhost", "127.0.0.1"] {
                #expect(await answer("GET http://\(authority)\(path) HTTP/1.1", own) == 200, "\(authority)")
            }
            #expect(await answer("GET HTTP://localhost?x HTTP/1.1", own) == 200)
            #expect(await answer("GET http://localhost\(path) HTTP/1.0") == 200)
            #expect(await answer("GET http://localhost\(path) HTTP/1.1") == 400)
            for foreign in [
                "http://evil.example", "http://192.0.2.1", "http://127.0.0.1.evil.example", "https://127.0.0.1",
                "http://evil@127.0.0.1", "ftp://127.0.0.1",
            ] {
                #expect(await answer("GET \(foreign)\(path) HTTP/1.1", own) == 421, "\(foreign)")
            }
        }
    }

    @Test("a method that a path has not is answered with those it has (RFC 9110 §15.5.6)")
    func methods() async throws {
        try await withServer { port in
            for (method, path, allowed) in [
                ("POST", "/upnp/device.xml", "GET, HEAD"), ("DELETE", "/v1/node", "GET, HEAD"),
                ("PUT", "/", "GET, HEAD"), ("OPTIONS", "/v1/node", "GET, HEAD"), ("PROPFIND", "/v1/node", "GET, HEAD"),
                ("GET", "/upnp/synthesis/control", "POST"), ("SUBSCRIBE", "/upnp/original/control", "POST"),
                ("GET", "/upnp/original/event", "SUBSCRIBE, UNSUBSCRIBE"),
            ] {
                let answer = await ask(port, "\(method) \(path) HTTP/1.1")
                #expect(status(answer) == 405 && answer.contains("Allow: \(allowed)\r\n"), "\(method) \(path)")
            }
            #expect(await status(ask(port, "POST /none HTTP/1.1")) == 404)
            #expect(await status(ask(port, "POST /v1/node HTTP/1.1", host: "evil.example")) == 421)
        }
    }

    private func control(
        _ port: UInt16, _ action: String, type: String = "text/xml; charset=\"utf-8\"", body: String? = nil
    ) async -> String {
        let service = UPnPDevice.synthesisServiceType
        let text =
            body
            ?? "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><u:\(action) xmlns:u=\"\(service)\"/></s:Body></s:Envelope>"
        return await ask(
            port, "POST /upnp/synthesis/control HTTP/1.1",
            ["Content-Type: \(type)", "SOAPACTION: \"\(service)#\(action)\"", "Content-Length: \(text.utf8.count)"],
            body: text)
    }

    @Test("control answers, refuses and is bounded (C10, C11)")
    func control() async throws {
        try await withServer { port in
            let good = await control(port, "GetStatus")
            #expect(status(good) == 200 && good.contains("EXT:") && good.contains("<SessionCount>2</SessionCount>"))
            #expect(await control(port, "ListSessions").contains("<Sessions>session 1</Sessions>"))
            let unknown = await control(port, "Reboot")
            #expect(status(unknown) == 500 && unknown.contains("<errorCode>401</errorCode>"))
            #expect(await status(control(port, "GetStatus", body: "<broken")) == 400)
            #expect(await status(control(port, "GetStatus", type: "text/plain")) == 415)
            #expect(await status(control(port, "GetStatus", body: String(repeating: "x", count: 20_000))) == 413)
        }
    }

    @Test("subscriptions are granted for 1800 s, renewed, ended and refused as UDA has it (C12-C15, C17)")
    func events() async throws {
        try await withServer { port in
            func subscribe(_ headers: [String], _ method: String = "SUBSCRIBE") async -> String {
                await ask(port, "\(method) /upnp/synthesis/event HTTP/1.1", headers)
            }
            let callback = "CALLBACK: <http://127.0.0.1:9/>"
            let granted = await subscribe([callback, "NT: upnp:event", "TIMEOUT: Second-infinite"])
            #expect(status(granted) == 200 && granted.contains("TIMEOUT: Second-1800"))
            let sid = try #require(granted.split(separator: "\r\n").first { $0.hasPrefix("SID: ") }).dropFirst(5)
            #expect(await status(subscribe(["SID: \(sid)", "TIMEOUT: Second-5"])) == 200)
            #expect(await status(subscribe(["SID: \(sid)", callback])) == 400)
            #expect(await status(subscribe(["SID: uuid:none"])) == 412)
            #expect(await status(subscribe(["NT: upnp:event"])) == 412)
            #expect(await status(subscribe([callback])) == 412)
            #expect(await status(subscribe([callback, "NT: other"])) == 412)
            #expect(await status(subscribe(["CALLBACK: <http://192.0.2.77:80/>", "NT: upnp:event"])) == 412)
            #expect(await status(subscribe(["SID: \(sid)"], "UNSUBSCRIBE")) == 200)
            #expect(await status(subscribe(["SID: \(sid)"], "UNSUBSCRIBE")) == 412)
            // What kills libupnp 1.8: an absolute URI without a path.
            _ = await ask(port, "SUBSCRIBE http://127.0.0.1:\(port) HTTP/1.1", ["SID:"])
            #expect(await status(ask(port, "GET /upnp/device.xml HTTP/1.1")) == 200)
        }
    }

    @Test("idle clients and clients without end don't keep others waiting (C18)")
    func slowClients() async throws {
        try await withServer { port in
            let idle = (0..<20).compactMap { _ in RawConnection(port: port) }
            for connection in idle { connection.send("GET /upnp/device.xml HTTP/1.1\r\nHost: ") }
            let start = ContinuousClock.now
            #expect(await status(ask(port, "GET /upnp/device.xml HTTP/1.1")) == 200)
            // Idle connections end after 15 s; waiting for that would be far beyond this, and a busy machine is not.
            #expect(ContinuousClock.now - start < .seconds(8))
            // One source has so many connections and no more; the others are closed at once.
            let more = (0..<60).compactMap { _ in RawConnection(port: port, timeout: 8) }
            #expect(await more.last?.isClosed() == true && idle.count == 20)
        }
    }

    @Test("a subscriber gets the whole state first, then what changes, numbered from 0")
    func notification() async throws {
        try await withServer { port in
            let listener = try #require(Listener())
            let granted = await ask(
                port, "SUBSCRIBE /upnp/synthesis/event HTTP/1.1",
                ["CALLBACK: <http://127.0.0.1:\(listener.port)/event>", "NT: upnp:event"])
            #expect(status(granted) == 200)
            let first = await listener.next()
            #expect(
                first.hasPrefix("NOTIFY /event HTTP/1.1") && first.contains("SEQ: 0")
                    && first.contains("NTS: upnp:propchange"))
            #expect(first.contains("<SessionCount>2</SessionCount>") && first.contains("<BaseCount>0</BaseCount>"))
            record.update { $0.sessions = 3 }
            let second = await listener.next()
            #expect(second.contains("SEQ: 1") && second.contains("<SessionCount>3</SessionCount>"))
        }
    }
}

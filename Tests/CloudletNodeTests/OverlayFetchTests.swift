// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSession
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

@testable import CloudletNode

@Suite(.timeLimit(.minutes(1))) struct OverlayFetchTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    private func refusal(
        _ url: String, _ policy: OverlayURLPolicy, client: String = "10.0.0.9", limit: Int = 1 << 20
    ) async throws -> CloudletError {
        let fetch = OverlayFetch(policy: policy, directory: scratch.path) { limit }
        return try #require(
            await #expect(throws: CloudletError.self) { _ = try await fetch.fetch(url, for: client) })
    }

    @Test("only the client's own address is asked, by http or https, and nothing without leave")
    func policy() async throws {
        for url in [
            "http://10.0.0.8/o.zip", "http://localhost/o.zip", "http://10.0.0.9.evil.example/", "http://[::1]/",
            "http://10.0.0.9@10.0.0.8/o.zip", "http://10.0.0.9:80@localhost/o.zip",
        ] {
            #expect(try await refusal(url, .client).code == .permission, "\(url)")
        }
        for url in [
            "file:///etc/passwd", "ftp://10.0.0.9/o.zip", "http:///o.zip", "10.0.0.9", "-o/etc/passwd", "",
            "http://10.0.0.9/\r\nx", "gopher://10.0.0.9/", "http://10.0.0.8@x@10.0.0.9/", "http://10.0.0.9\\@x/",
            "http://10.0.0.9:x/", "http://[::1/",
        ] {
            #expect(try await refusal(url, .any).code == .badData, "\(url)")
        }
        #expect(try await refusal("http://10.0.0.9/o.zip", .off).code == .permission)
        // The client's address may have a zone.
        #expect(try await refusal("http://[::1]:1/o.zip", .client, client: "::1%lo").code == .unavailable)
    }

    @Test("a server's refusal, a redirection and a package above the limit are told, and no file is left")
    func failures() async throws {
        for (status, body, words) in [
            ("404 Not Found", "", "404"), ("302 Found\r\nLocation: http://127.0.0.1:1/", "", "not valid"),
            ("200 OK", String(repeating: "x", count: 5000), "exceeded"),
        ] {
            let server = try #require(Listener())
            async let served = server.next(answering: body, status: status)
            let error = try await refusal(
                "http://127.0.0.1:\(server.port)/o.zip", .client, client: "127.0.0.1", limit: 4000)
            #expect(error.description.contains(words), "\(error)")
            _ = await served
        }
        #expect(try Directory.names(in: scratch.path).isEmpty)
    }

    @Test("a package is fetched although no VM has run yet and there is no directory for it")
    func freshHome() async throws {
        let server = try #require(Listener())
        async let served = server.next(answering: "no package", status: "200 OK")
        let fetch = OverlayFetch(policy: .client, directory: scratch.file("hypervisor/node/work")) { 1 << 20 }
        let error = await #expect(throws: CloudletError.self) {
            _ = try await fetch.fetch("http://127.0.0.1:\(server.port)/o.zip", for: "127.0.0.1")
        }
        _ = await served
        #expect(error?.code == .badData && error?.description.contains("not valid") == true)
        #expect(try FileStatus.of(scratch.file("hypervisor/node/work"))?.permissions == 0o700)
    }
}

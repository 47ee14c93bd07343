// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

/// A node on a system that has no more files for anybody but root (ENFILE). No guest is run.
@Suite(
    .serialized, .timeLimit(.minutes(3)),
    .enabled(if: EndToEndRequirements.missing.isEmpty, "needs \(EndToEndRequirements.missing.joined(separator: ", "))"))
struct FileLimitTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    /// Asks by a connection that was there before while there are no files, and by a new one afterwards.
    private static let client = """
        import socket, sys, time
        wish = open(sys.argv[1], "r+b", buffering=0)
        def connection(): return socket.create_connection(("127.0.0.1", 8022), 10)
        def ask(connection):
            connection.sendall(b"GET /health HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n")
            return connection.recv(4096).split(b"\\r")[0].decode()
        kept = connection()
        answers = [ask(kept)]
        wish.write(b"\\1")
        # libdispatch looks every second.
        end = time.monotonic() + 3.5
        while time.monotonic() < end:
            answers.append(ask(kept))
            time.sleep(0.25)
        wish.seek(0)
        wish.write(b"\\0")
        answers.append(ask(connection()))
        print(len(answers), *set(answers), sep="\\n")
        """

    @Test("a node for which the system has no more files lives on, is healthy, and serves when there are some again")
    func noMoreFiles() async throws {
        let library = scratch.file("no-more-files.so").string
        let source = Repository.root.appending("Tests/EndToEndTests/Reference/no-more-files.c").string
        let built = try await Tool.run("clang", ["-shared", "-fPIC", "-Wall", "-Werror", "-o", library, source])
        try #require(built.status == 0, "\(built.errors)")
        _ = try scratch.write("wish", [0])
        let wish = scratch.file("wish").string
        let script = """
            ip link set lo up; export NO_MORE_FILES='\(wish)' LD_PRELOAD='\(library)'
            exec '\(Program.path("cloudlet-node"))' --interface lo --log-format text
            """
        let node = try await Tool.with(
            "unshare", ["-n", "-m", "bash", "-c", script],
            environment: ["CLOUDLET_HOME": scratch.file("home").string], log: scratch.file("log")
        ) { node in
            try await node.waitFor("node is ready")
            let asked = try await Tool.run(
                "nsenter", ["-t", String(node.pid), "-n", "timeout", "60", "python3", "-c", Self.client, wish])
            #expect(asked.status == 0, "\(asked.errors)\(node.output)")
            let lines = asked.output.split(separator: "\n")
            #expect(lines.dropFirst() == ["HTTP/1.1 200 OK"], "\(asked.output)")
            #expect(lines.first.flatMap { Int($0) } ?? 0 > 3)
            #expect(node.isRunning, "\(node.output)")
        }
        #expect(node.status == 0, "\(node.status)")
    }
}

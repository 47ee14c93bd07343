import CloudletTestSupport
import Testing

/// What is published through avahi follows the record, in the old name too.
@Suite(.enabled(if: LanLab.missing.isEmpty, Comment(rawValue: LanLab.reason)))
struct AvahiLabTests {
    private let id = "11111111-1111-4111-8111-111111111111"

    @Test("a new TXT record keeps nothing else waiting; both names have it, and fit avahi's groups (M25)")
    func follows() async throws {
        try await LanLab.with(hosts: 2) { lab in
            let bases = (0..<40).flatMap { number in
                ["--base", String(repeating: String(number + 256, radix: 16).suffix(2).description, count: 32)]
            }
            try await lab.startNode(1, ["--id", id, "--name", "First", "--old-name"] + bases)
            func records(_ type: String) async throws -> String {
                try await lab.run(2, ["avahi-browse", "-rtp", type])
            }
            for type in ["_cloudlet._tcp", "_cloudlet._udp"] {
                try await until(8, "\(type) is not there") { try await records(type).contains("\"load=30\"") }
            }
            try await lab.script(["say", "1", "node", "load 0.9"])
            for type in ["_cloudlet._udp", "_cloudlet._tcp"] {
                try await until(8, "\(type) has the old load") { try await records(type).contains("\"load=90\"") }
            }
            try await lab.script(["say", "1", "node", "load 0.1"])
            try await Task.sleep(for: .milliseconds(200))
            try await lab.script(["say", "1", "node", "name Second"])
            let time = try await until(10, "the name does not change") {
                let shown = try await records("_cloudlet._tcp")
                return shown.contains(";Second;") && !shown.contains(";First;")
            }
            #expect(time < .seconds(3))
            try await until(8, "the load is not told") { try await records("_cloudlet._tcp").contains("\"load=10\"") }
        }
    }
}

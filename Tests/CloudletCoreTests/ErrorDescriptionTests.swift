// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Foundation
import Testing

/// How errors of other libraries are described to people.
@Suite struct ErrorDescriptionTests {
    private struct Document: Decodable {
        struct Part: Decodable { let size: Int }
        let name: String
        let parts: [String: [Part]]
    }

    private enum Bare: Error {
        case connectTimeout(Int)
        case ioOnClosedChannel
    }

    private struct Described: Error, CustomStringConvertible {
        let description: String
    }

    private func error(_ body: () throws -> Void) throws -> any Error {
        try #require(throws: (any Error).self) { try body() }
    }

    @Test(
        "a decoding error names what is wrong and where",
        arguments: [
            ("nonsense", "the given data was not valid JSON"), ("{}", "'name' is missing"),
            ("[]", "the top level has the wrong type"), (#"{"name": null}"#, "'name' has no value"),
            (#"{"name": "a", "parts": {"x": [{"size": 1}, {}]}}"#, "'parts.x.1.size' is missing"),
            (#"{"name": "a", "parts": {"x": [{"size": "1"}]}}"#, "'parts.x.0.size' has the wrong type"),
            (#"{"name": "a", "parts": {"\u001b[1m\n": [{}]}}"#, "'parts.�[1m�.0.size' is missing"),
        ])
    func decoding(text: String, description: String) throws {
        let error = try error { _ = try JSONDecoder().decode(Document.self, from: Data(text.utf8)) }
        #expect(error.readableDescription == description)
    }

    @Test("errors about files give the system's reason, without codes, domains and nested errors")
    func files() throws {
        let missing = try error { try Data([1]).write(to: URL(fileURLWithPath: "/nowhere/at/all")) }
        #expect(missing.readableDescription == "No such file or directory", "\(missing.readableDescription)")
        let directory = try error { _ = try Data(contentsOf: URL(fileURLWithPath: "/")) }
        #expect(directory.readableDescription == "Is a directory", "\(directory.readableDescription)")
        #expect(POSIXError(.ENOSPC).readableDescription == "No space left on device")
        #expect(
            NSError(domain: "X", code: 3, userInfo: [NSLocalizedDescriptionKey: "It's full."]).readableDescription
                == "it's full")
    }

    @Test("other errors give their own sentence as a clause, or else their name in words")
    func others() throws {
        #expect(
            Described(description: #"Executable "curl" is not found."#).readableDescription
                == #"executable "curl" is not found"#)
        #expect(Described(description: "QEMU has ended.").readableDescription == "QEMU has ended")
        #expect(Described(description: "Not found").readableDescription == "Not found")
        #expect(Bare.connectTimeout(3).readableDescription == "connect timeout")
        #expect(Bare.ioOnClosedChannel.readableDescription == "io on closed channel")
        #expect(CancellationError().readableDescription == "interrupted")
        #expect(try error { _ = try JSONEncoder().encode([Double.nan]) }.readableDescription == "'0' can't be written")
        #expect(CloudletError(.io, "it broke", advice: "mend it").readableDescription == "it broke; mend it")
    }

    @Test("an error that is interpolated into a text, or is a cause, is described in words")
    func texts() throws {
        let error: any Error = try error { _ = try JSONDecoder().decode(Document.self, from: Data("{}".utf8)) }
        #expect("can't go on: \(error)" == "can't go on: 'name' is missing")
        #expect("\(Bare.ioOnClosedChannel as any Error)" == "io on closed channel")
        let whole = CloudletError(.badData, "the answer is not understood", advice: "try again", cause: error)
        #expect(whole.description == "the answer is not understood: 'name' is missing; try again")
        #expect(whole.publicDescription == "the answer is not understood; try again")
    }
}

import CloudletCore
import Foundation
import Testing

/// Errors of other libraries as people read them.
@Suite struct ErrorWordsTests {
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
        "data that can't be read: what is wrong with it, and where",
        arguments: [
            ("nonsense", "the given data was not valid JSON"), ("{}", "'name' is missing"),
            ("[]", "the whole is not of the right kind"), (#"{"name": null}"#, "'name' has no value"),
            (#"{"name": "a", "parts": {"x": [{"size": 1}, {}]}}"#, "'parts.x.1.size' is missing"),
            (#"{"name": "a", "parts": {"x": [{"size": "1"}]}}"#, "'parts.x.0.size' is not of the right kind"),
            (#"{"name": "a", "parts": {"\u001b[1m\n": [{}]}}"#, "'parts.�[1m�.0.size' is missing"),
        ])
    func decoding(text: String, words: String) throws {
        let error = try error { _ = try JSONDecoder().decode(Document.self, from: Data(text.utf8)) }
        #expect(error.words == words)
    }

    @Test("files: the system's reason, without codes, domains and errors in errors")
    func files() throws {
        let missing = try error { try Data([1]).write(to: URL(fileURLWithPath: "/nowhere/at/all")) }
        #expect(missing.words == "No such file or directory", "\(missing.words)")
        let directory = try error { _ = try Data(contentsOf: URL(fileURLWithPath: "/")) }
        #expect(directory.words == "Is a directory", "\(directory.words)")
        #expect(POSIXError(.ENOSPC).words == "No space left on device")
        #expect(NSError(domain: "X", code: 3, userInfo: [NSLocalizedDescriptionKey: "It's full."]).words == "it's full")
    }

    @Test("others: their own sentences as part of ours, and names in words where there are no sentences")
    func others() throws {
        #expect(Described(description: #"Executable "curl" is not found."#).words == #"executable "curl" is not found"#)
        #expect(Described(description: "QEMU has ended.").words == "QEMU has ended")
        #expect(Described(description: "Not found").words == "Not found")
        #expect(Bare.connectTimeout(3).words == "connect timeout")
        #expect(Bare.ioOnClosedChannel.words == "io on closed channel")
        #expect(CancellationError().words == "interrupted")
        #expect(try error { _ = try JSONEncoder().encode([Double.nan]) }.words == "'0' can't be written")
        #expect(CloudletError(.io, "it broke", advice: "mend it").words == "it broke; mend it")
    }

    @Test("an error put into a text, as a cause or by itself, is put there in words")
    func texts() throws {
        let error: any Error = try error { _ = try JSONDecoder().decode(Document.self, from: Data("{}".utf8)) }
        #expect("can't go on: \(error)" == "can't go on: 'name' is missing")
        #expect("\(Bare.ioOnClosedChannel as any Error)" == "io on closed channel")
        let whole = CloudletError(.badData, "the answer is not understood", advice: "try again", cause: error)
        #expect(whole.description == "the answer is not understood: 'name' is missing; try again")
        #expect(whole.publicDescription == "the answer is not understood; try again")
    }
}

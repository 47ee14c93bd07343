import CloudletCore
import CloudletSystem
import Testing

@testable import CloudletCommands

/// Guests whose port is waited for (`--until-port`).
@Suite(.timeLimit(.minutes(1))) struct AwaitedPortTests {
    /// What is told while a port answers only the question with this number.
    private func told(answers number: Int, silence: Duration, doubt: String? = nil) async throws -> (
        texts: [String], asked: Int
    ) {
        var texts: [String] = []
        var asked = 0
        let port = AwaitedPort(port: 2222, doubt: doubt, hintTimeout: silence, interval: .milliseconds(1))
        try await port.wait {
            texts.append($0)
        } until: { () throws(CloudletError) in
            asked += 1
            return asked == number
        }
        return (texts, asked)
    }

    @Test("of a port that stays silent it is told once, with what can be done and what may be the cause")
    func silent() async throws {
        let (texts, asked) = try await told(answers: 40, silence: .zero, doubt: "the disk has no boot loader")
        #expect(asked == 40 && texts.count == 1)
        let text = try #require(texts.first)
        #expect(text.contains("Port 2222 of the VM has not answered for 0"), "\(text)")
        #expect(text.contains("Ctrl-C gives up") && text.contains("--viewer"), "\(text)")
        #expect(text.hasSuffix("Note: the disk has no boot loader."), "\(text)")
        #expect(AwaitedPort(port: 1, doubt: nil).hintTimeout == .seconds(60))
    }

    @Test("of a port that answers in time nothing is told, and nothing is asked of it any more")
    func prompt() async throws {
        let (texts, asked) = try await told(answers: 3, silence: .seconds(60))
        #expect(texts.isEmpty && asked == 3)
    }

    @Test("one who gives up ends the waiting, before the hint and after it", arguments: [Duration.zero, .seconds(60)])
    func givenUp(silence: Duration) async throws {
        let asked = AsyncEvent()
        let task = Task { () async -> CloudletError? in
            let port = AwaitedPort(port: 1, doubt: nil, hintTimeout: silence, interval: .milliseconds(1))
            do throws(CloudletError) {
                try await port.wait(report: { _ in }) { () throws(CloudletError) in
                    asked.set()
                    return false
                }
                return nil
            } catch {
                return error
            }
        }
        await asked.wait()
        task.cancel()
        #expect(await task.value?.code == .interrupted)
    }
}

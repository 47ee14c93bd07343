import CloudletCore
import CloudletSystem
import CloudletWire
import Synchronization

/// The events received from the node, queued until somebody takes them.
final class ClientInbox: Sendable {
    private let conversation = Mutex(ClientConversation())
    private let events = Mailbox<ClientConversation.Event>()

    func begin(blobNames: [String]) { conversation.withLock { $0 = ClientConversation(blobNames: blobNames) } }

    func receive(_ bytes: [UInt8]) throws(CloudletError) {
        do {
            let received = try conversation.withLock { (conversation) throws(WireError) in
                try conversation.receive(bytes[...])
            }
            for event in received { events.put(event) }
        } catch {
            throw CloudletError(.protocolViolation, "the node broke the protocol", cause: error)
        }
    }

    func finish(_ error: any Error) { events.finish(throwing: error) }

    /// Waits for the next event.
    /// - Throws: `LostConnection`, a `CloudletError` when the node broke the protocol, or `CancellationError`.
    func next() async throws -> ClientConversation.Event {
        guard let event = try await events.next() else { throw CloudletError(.defect, "the inbox ended") }
        return event
    }
}

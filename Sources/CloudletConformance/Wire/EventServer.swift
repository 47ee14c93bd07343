// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CNetwork
import CloudletCore
import CloudletNetwork
import CloudletSystem
import Glibc
import Synchronization

/// A TCP port of this host that receives HTTP requests: event notifications, or the requests of a finder.
final class EventServer: Sendable {
    /// The port.
    let port: UInt16
    private let body = Mutex("")
    private let requests = Mutex<[String]>([])
    private let requestArrivals = Arrivals()
    private let poller: Poller

    /// Opens a free port of an address; it answers every request with status 200.
    init(at address: IPAddress) throws(CloudletError) {
        poller = try Poller()
        let descriptor = cloudlet_tcp_socket(address.isV4 ? AF_INET : AF_INET6)
        var local = cloudlet_peer()
        guard descriptor >= 0, cloudlet_bind(descriptor, Endpoint(address, 0).raw) == 0, listen(descriptor, 16) == 0,
            unsafe cloudlet_local(descriptor, &local) == 0
        else {
            let error = CloudletError(errno: errno, "can't receive events")
            // The thread that closes the descriptor has not been started.
            if descriptor >= 0 { close(descriptor) }
            throw error
        }
        port = local.port
        poller.watch(descriptor, as: 0)
        let isStarted = DetachedThread.start { [weak self, poller] in
            while self != nil {
                for _ in poller.wait(until: nil) {
                    let client = cloudlet_accept(descriptor)
                    if client >= 0 { self?.serve(Connection(taking: client)) }
                }
            }
            close(descriptor)
        }
        guard isStarted else {
            close(descriptor)
            throw DetachedThread.refusal
        }
    }

    deinit { poller.wake() }

    /// Sets the body of the answers from now on.
    func answer(with text: String) { body.withLock { $0 = text } }

    /// The requests received so far.
    var received: [String] { requests.withLock { $0 } }

    /// A stream that yields at once and again whenever a request has arrived, until `time` is over.
    func arrivals(for time: Duration) -> AsyncStream<Void> { requestArrivals.stream(for: time) }

    private func serve(_ connection: Connection) {
        var received: [UInt8] = []
        while let piece = connection.receive(within: .seconds(1)), !piece.isEmpty {
            received += piece
            let text = String(decoding: received, as: UTF8.self)
            guard text.contains("\r\n\r\n") else { continue }
            if text.hasPrefix("GET") || text.contains("propertyset>\n") || text.hasSuffix("propertyset>") { break }
        }
        let body = body.withLock { $0 }
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
        connection.send(Array((head + "Connection: close\r\n\r\n" + body).utf8))
        if !received.isEmpty { requests.withLock { $0.append(String(decoding: received, as: UTF8.self)) } }
        requestArrivals.note()
    }
}

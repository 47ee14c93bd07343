import CNetwork
import CloudletCore
import CloudletSystem
import Glibc
import Synchronization

/// A TCP port of this host that takes HTTP requests: the events of a subscription, or the questions of a finder.
final class EventServer: Sendable {
    /// Its port.
    let port: UInt16
    private let descriptor: Int32
    private let body = Mutex("")
    private let requests = Mutex<[String]>([])

    /// Opens a free port of an address; every request is answered 200.
    init(at address: Place) throws(CloudletError) {
        descriptor = cloudlet_tcp_socket(address.isV6 ? AF_INET6 : AF_INET)
        var local = cloudlet_peer()
        guard descriptor >= 0, cloudlet_bind(descriptor, address.at(0).raw) == 0, listen(descriptor, 16) == 0,
            unsafe cloudlet_local(descriptor, &local) == 0
        else {
            let error = CloudletError(errno: errno, "can't take events")
            // The thread that would close it has not been started.
            if descriptor >= 0 { close(descriptor) }
            throw error
        }
        port = local.port
        let descriptor = descriptor
        _ = DetachedThread.start { [weak self] in
            while self != nil {
                guard cloudlet_wait_ready(descriptor, Int16(POLLIN), 200) != 0 else { continue }
                let client = cloudlet_accept(descriptor)
                if client >= 0 { self?.serve(Connection(taking: client)) }
            }
            close(descriptor)
        }
    }

    /// What every request from now on is answered with.
    func answer(with text: String) { body.withLock { $0 = text } }

    /// The requests so far.
    var received: [String] { requests.withLock { $0 } }

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
    }
}

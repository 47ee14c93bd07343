// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletDiscovery
import CloudletNetwork
import NIOCore

/// Sends an endpoint's answers. To a host that the kernel does not know, it sends one message from a separate socket,
/// where that may wait for seconds; it keeps the other messages until the kernel has found the host.
final class SSDPReplies: Sendable {
    private let sender: SSDPSender
    private let strangers: SSDPSender
    private let desk: ReplyDesk
    private let loop: any EventLoop

    /// When to check whether the kernel has found a host, in milliseconds from the first answer to it; after the last
    /// check the host is given up.
    private static let looks: [Int64] = [3, 20, 100, 400, 1000, 2000, 3500]

    /// Creates a sender that uses `sender` for known hosts and `strangers` for unknown ones.
    init(through sender: SSDPSender, strangersThrough strangers: SSDPSender, desk: ReplyDesk, on loop: any EventLoop) {
        self.sender = sender
        self.strangers = strangers
        self.desk = desk
        self.loop = loop
    }

    /// Sends `answers`, each after the wait that `delay` returns, if the desk admits them. `host` is the host of
    /// `receiver`; `isDirect` says that no hardware address has to be found first.
    func send(
        _ answers: [SSDPMessage], to receiver: Endpoint, at host: Neighbour, isDirect: Bool, isMulticast: Bool,
        delay: () -> TimeAmount
    ) {
        let letters = answers.map { ReplyDesk.Letter(message: $0, receiver: receiver, sender: sender) }
        guard let first = answers.first else { return }
        switch desk.admit(answers.count, to: host, isDirect: isDirect, isMulticast: isMulticast) {
        case .closed: return
        case .open:
            for answer in answers {
                loop.scheduleTask(in: delay()) { [sender] in sender.send(answer, to: receiver) }
            }
        case .waiting: desk.keep(letters, for: host)
        case .toUnknownHost:
            desk.keep(letters.dropFirst(), for: host)
            loop.scheduleTask(in: delay()) { [self] in
                if strangers.send(first, to: receiver) { look(for: host, since: .now(), 0) } else { desk.release(host) }
            }
        }
    }

    private func look(for host: Neighbour, since start: NIODeadline, _ number: Int) {
        loop.scheduleTask(deadline: start + .milliseconds(Self.looks[number])) { [self] in
            if desk.knows(host) {
                for letter in desk.release(host) { letter.sender.send(letter.message, to: letter.receiver) }
            } else if number + 1 < Self.looks.count {
                look(for: host, since: start, number + 1)
            } else {
                desk.release(host)
            }
        }
    }

    /// Closes the sockets. Answers that wait for hosts are discarded.
    func close() {
        sender.close()
        strangers.close()
    }
}

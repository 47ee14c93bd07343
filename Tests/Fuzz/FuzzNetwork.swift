// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletMarkup
import CloudletSystem
import CloudletWire

@testable import CloudletAdvertising
@testable import CloudletDiscovery
@testable import CloudletFinding
@testable import CloudletNetwork

// Parsers of what comes from the network and from the kernel's sockets.

@Sendable func wire(_ input: [UInt8]) {
    guard let first = input.first else { return }
    var server = ServerConversation()
    var client = ClientConversation(blobNames: ["a", "b"])
    let bytes = Array(input.dropFirst())
    var isServerOpen = true
    var isClientOpen = true
    for range in pieces(of: 0..<bytes.count, length: Int(first) + 1) {
        if isServerOpen { isServerOpen = (try? server.receive(bytes[range])) != nil }
        if isClientOpen { isClientOpen = (try? client.receive(bytes[range])) != nil }
        _ = (server.mayEnd, server.expectation)
    }
}

@Sendable func netlink(_ input: [UInt8]) {
    var messages = NetlinkMessages()
    try? messages.add(input)
    messages.beginAnswer()
    try? messages.add(input)
    for interface in messages.interfaces {
        for neighbour in messages.neighbours { _ = (interface.isOnLink(neighbour), interface.isBroadcast(neighbour)) }
        _ = interface.addresses.map(\.address.description)
    }
    _ = messages.failure
}

@Sendable func dns(_ input: [UInt8]) {
    guard let message = try? DNSMessage(input) else { return }
    precondition(message.records.count <= DNSMessage.maximumRecords, "too many records")
    var questions = DNSMessage()
    questions.questions = message.questions
    guard (try? DNSMessage(questions.queryBytes)) != nil || message.questions.contains(where: { !$0.name.isPlain })
    else { fatalError("written, but not read again") }
}

extension DNSName {
    /// Whether its labels are written as they were read: text that was no UTF-8 gets longer.
    fileprivate var isPlain: Bool {
        !labels.contains { $0.unicodeScalars.contains("\u{FFFD}") || $0.utf8.count > 63 }
            && labels.reduce(1) { $0 + 1 + $1.utf8.count } <= 255
    }
}

@Sendable func ssdp(_ input: [UInt8]) {
    guard let message = SSDPMessage(input) else { return }
    _ = SSDPSearch(unicast: message)
    _ = SSDPSearch(multicast: message, to: .v4(0xEFFF_FFFA))
    for name in ["LOCATION", "HOST", "ST"] { _ = message[name].map { (Endpoint($0), AbsoluteURL($0)?.endpoint()) } }
    guard SSDPMessage(message.bytes) == message else { fatalError("written and read again, it is another message") }
}

@Sendable func http(_ input: [UInt8]) {
    guard let parsed = try? HTTPAnswer.Head(parsing: input) else { return }
    precondition(parsed.end <= input.count && (parsed.length ?? 0) >= 0, "outside")
    for isComplete in [false, true] { _ = try? parsed.answer(in: input, isComplete: isComplete, .zero) }
}

@Sendable func soap(_ input: [UInt8]) {
    // The header ends with the first line.
    let end = input.firstIndex(of: 0x0A) ?? input.endIndex
    let header = String(decoding: input[..<end], as: UTF8.self)
    guard let request = try? SOAPRequest(soapAction: header, body: Array(input[end...].dropFirst())) else { return }
    let values = request.arguments.map { (name: $0.key, value: $0.value) }
    _ = SOAP.result(of: request, values)
}

@Sendable func markup(_ input: [UInt8]) {
    guard let root = try? MarkupParser().parse(input) else { return }
    _ = try? MarkupParser().parse(root.document())
}

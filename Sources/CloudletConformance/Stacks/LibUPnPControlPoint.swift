// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CUPnP
import CloudletNetwork
import Dispatch
import Glibc
import Synchronization

/// Checks the node with libupnp's control point, as an independent stack. Runs in a separate process, because libupnp's
/// callbacks receive no context.
enum LibUPnPControlPoint {
    /// The events that libupnp has reported by callbacks.
    private struct Callbacks {
        var devices: [(udn: String, type: String, location: String)] = []
        var events: [(sid: String, number: Int32, text: String)] = []
    }

    private static let callbacks = Mutex(Callbacks())
    /// Signalled after each callback.
    private static let called = DispatchSemaphore(value: 0)

    /// Runs libupnp's process and never returns, if the arguments ask for it.
    static func runIfRequested(arguments: [String]) {
        guard let task = ControlPointTask(Array(arguments.dropFirst())) else { return }
        // The process ends after this time, whatever libupnp waits for.
        alarm(60)
        signal(SIGPIPE, SIG_IGN)
        guard unsafe UpnpInit2(task.interface, 0) == cloudlet_upnp_success else { exit(1) }
        var client: UpnpClient_Handle = 0
        let result = unsafe UpnpRegisterClient(
            { type, event, _ in unsafe LibUPnPControlPoint.take(type, event) }, nil, &client)
        guard result == cloudlet_upnp_success else { exit(1) }
        find(task, client)
        read(task)
        call(task, client)
        subscribe(task, client)
        exit(0)
    }

    /// The callback that libupnp calls on its own threads.
    private static func take(_ type: Upnp_EventType, _ event: UnsafeRawPointer?) -> Int32 {
        switch type {
        case UPNP_DISCOVERY_SEARCH_RESULT:
            let found = OpaquePointer(event)
            let device = unsafe (
                String(cString: UpnpDiscovery_get_DeviceID_cstr(found)),
                String(cString: UpnpDiscovery_get_DeviceType_cstr(found)),
                String(cString: UpnpDiscovery_get_Location_cstr(found))
            )
            callbacks.withLock { $0.devices.append(device) }
        case UPNP_EVENT_RECEIVED:
            let received = OpaquePointer(event)
            let number = unsafe UpnpEvent_get_EventKey(received)
            let sid = unsafe String(cString: UpnpEvent_get_SID_cstr(received))
            let document = unsafe text(UpnpEvent_get_ChangedVariables(received))
            callbacks.withLock { $0.events.append((sid, number, document)) }
        default: break
        }
        called.signal()
        return 0
    }

    private static func find(_ task: ControlPointTask, _ client: UpnpClient_Handle) {
        var missing: [String] = []
        for target in ["upnp:rootdevice", task.udn, task.deviceType] {
            var (isFound, why) = (false, "not found")
            // libupnp stops listening MX seconds after it began to send, and sending takes a second: an answer may
            // arrive too late.
            for _ in 0..<3 where !isFound {
                callbacks.withLock { $0 = Callbacks() }
                let result = unsafe UpnpSearchAsync(client, 2, target, nil)
                if result != cloudlet_upnp_success { why = text(result) }
                isFound = wait(seconds: 3) {
                    $0.devices.contains { $0.udn == task.udn && $0.location == task.location }
                }
            }
            if !isFound { missing.append("\(target): \(why)") }
        }
        report("S01", missing, "found at \(task.location)")
    }

    private static func read(_ task: ControlPointTask) {
        var wrong: [String] = []
        for (url, wanted) in [(task.location, task.udn)] + task.documents.map({ ($0, "serviceStateTable") }) {
            var document: UnsafeMutablePointer<IXML_Document>?
            let result = unsafe UpnpDownloadXmlDoc(url, &document)
            if result != cloudlet_upnp_success {
                wrong.append("\(url): \(text(result))")
            } else if unsafe !text(document).contains(wanted) {
                wrong.append("\(url): no \(wanted)")
            }
            unsafe ixmlDocument_free(document)
        }
        report("S02", wrong, "\(1 + task.documents.count) documents")
    }

    private static func call(_ task: ControlPointTask, _ client: UpnpClient_Handle) {
        guard !task.control.isEmpty else { return report("S03", ["no action without arguments to call"], "") }
        let action = unsafe cloudlet_make_action(task.action, task.serviceType)
        defer { unsafe ixmlDocument_free(action) }
        var answer: UnsafeMutablePointer<IXML_Document>?
        let result = unsafe UpnpSendAction(client, task.control, task.serviceType, nil, action, &answer)
        defer { unsafe ixmlDocument_free(answer) }
        guard result == cloudlet_upnp_success else { return report("S03", ["\(task.action): \(text(result))"], "") }
        let isAnswer = unsafe text(answer).contains("\(task.action)Response")
        report("S03", isAnswer ? [] : ["\(task.action): no response element"], "\(task.action) answered")
    }

    private static func subscribe(_ task: ControlPointTask, _ client: UpnpClient_Handle) {
        guard !task.events.isEmpty else { return report("S04", ["no service with events"], "") }
        var seconds: Int32 = 1800
        var id = [CChar](repeating: 0, count: MemoryLayout<Upnp_SID>.size)
        let result = unsafe UpnpSubscribe(client, task.events, &seconds, &id)
        guard result == cloudlet_upnp_success else { return report("S04", ["SUBSCRIBE: \(text(result))"], "") }
        let granted = seconds
        let sid = String(decoding: id.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
        var wrong: [String] = []
        let hasEvent = wait(seconds: 3) { $0.events.contains { $0.sid == sid && $0.number == 0 && !$0.text.isEmpty } }
        if !hasEvent { wrong.append("no event 0 within 3 s") }
        let renewed = unsafe UpnpRenewSubscription(client, &seconds, id)
        if renewed != cloudlet_upnp_success { wrong.append("renewal: \(text(renewed))") }
        let ended = unsafe UpnpUnSubscribe(client, id)
        if ended != cloudlet_upnp_success { wrong.append("UNSUBSCRIBE: \(text(ended))") }
        report("S04", wrong, "granted \(granted) s, event 0, renewed, ended")
    }

    // MARK: - Helpers

    private static func wait(seconds: Int, _ condition: (borrowing Callbacks) -> Bool) -> Bool {
        let end = DispatchTime.now() + .seconds(seconds)
        while !callbacks.withLock({ condition($0) }) {
            if called.wait(timeout: end) == .timedOut { return callbacks.withLock { condition($0) } }
        }
        return true
    }

    private static func text(_ document: UnsafeMutablePointer<IXML_Document>?) -> String {
        guard let document = unsafe document, let printed = unsafe cloudlet_print_document(document) else { return "" }
        defer { unsafe ixmlFreeDOMString(printed) }
        return unsafe String(cString: printed)
    }

    private static func text(_ error: Int32) -> String { unsafe String(cString: UpnpGetErrorMessage(error)) }

    private static func report(_ requirement: String, _ wrong: [String], _ evidence: String) {
        let line =
            wrong.isEmpty
            ? "\(requirement) pass \(evidence)\n" : "\(requirement) fail \(wrong.joined(separator: "; "))\n"
        let bytes = Array(line.utf8)
        let count = bytes.count
        _ = unsafe write(1, bytes, count)
    }
}

// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Logging
import ServiceLifecycle
import Synchronization
import SystemPackage
import Testing

@testable import CloudletNode

/// The line to the service manager, received as systemd would.
@Suite(.timeLimit(.minutes(1))) struct ServiceManagerTests {
    let scratch: ScratchDirectory

    init() throws { scratch = try ScratchDirectory() }

    private func address(abstract: Bool) -> String {
        abstract ? "@cloudlet-test-\(UInt32.random(in: 0 ... .max))" : scratch.file("notify").string
    }

    @Test("messages arrive over a path and over an abstract socket", arguments: [false, true])
    func messages(abstract: Bool) throws {
        let address = address(abstract: abstract)
        let receiver = try #require(DatagramReceiver(at: address))
        let manager = ServiceManager(environment: ["NOTIFY_SOCKET": address, "WATCHDOG_USEC": "3000000"])
        #expect(manager.isThere && manager.watchdogInterval == .seconds(3))
        manager.ready("1 session\n2 VMs")
        manager.reloading()
        manager.stopping()
        let messages = receiver.take()
        #expect(messages.count == 3 && messages[0] == "READY=1\nSTATUS=1 session 2 VMs")
        #expect(messages[1].wholeMatch(of: /RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*/) != nil)
        #expect(messages[2] == "STOPPING=1\nSTATUS=stopping")
    }

    @Test("without a manager nothing is sent, and a watchdog meant for another process is not ours")
    func absent() {
        let none = ServiceManager(environment: ["WATCHDOG_USEC": "0"])
        #expect(!none.isThere && none.watchdogInterval == nil)
        none.ready("")
        #expect(!ServiceManager(environment: ["NOTIFY_SOCKET": "relative"]).isThere)
        #expect(!ServiceManager(environment: ["NOTIFY_SOCKET": "/" + String(repeating: "x", count: 200)]).isThere)
        #expect(ServiceManager(environment: ["WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"]).watchdogInterval == nil)
    }

    @Test("READY comes after the first round of checks, beats stop when a check hangs, STOPPING ends it")
    func beats() async throws {
        let address = address(abstract: false)
        let receiver = try #require(DatagramReceiver(at: address))
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let hangs = Mutex(true)
        let unblocked = AsyncEvent()
        let check = Health.Check("part") { () async throws(CloudletError) in
            if hangs.withLock({ $0 }) { await unblocked.wait() }
        }
        let health = Health([check], interval: .milliseconds(20), timeout: .seconds(30), logger: logger)
        let manager = ServiceManager(environment: ["NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000"])
        let services = ServiceGroup(
            services: [health, ServiceManagerReports(manager: manager, health: health) { [] }], logger: logger)
        async let running: Void = services.run()
        // Long enough for a READY that waits for nothing.
        try await Task.sleep(for: .milliseconds(200))
        #expect(!receiver.take().contains { $0.hasPrefix("READY") })
        hangs.withLock { $0 = false }
        unblocked.set()
        var all: [String] = []
        try await until(5, "READY does not come") {
            all += receiver.take()
            return all.contains("READY=1\nSTATUS=ready; 0 sessions, 0 VMs")
        }
        try await until(5, "no beat comes") { receiver.take().contains("WATCHDOG=1") }

        let second = AsyncEvent()
        let blocked = Health.Check("part") { () async throws(CloudletError) in await second.wait() }
        let sick = Health([blocked], interval: .milliseconds(20), timeout: .milliseconds(100), logger: logger)
        let sickAddress = self.address(abstract: true)
        let sickReceiver = try #require(DatagramReceiver(at: sickAddress))
        let sickManager = ServiceManager(environment: ["NOTIFY_SOCKET": sickAddress, "WATCHDOG_USEC": "60000"])
        let sickServices = ServiceGroup(
            services: [sick, ServiceManagerReports(manager: sickManager, health: sick) { [] }], logger: logger)
        async let sickRunning: Void = sickServices.run()
        // Past the time a check may take, then for the time of many beats.
        try await Task.sleep(for: .milliseconds(400))
        _ = sickReceiver.take()
        try await Task.sleep(for: .milliseconds(400))
        #expect(sickReceiver.take().isEmpty)
        second.set()
        try await until(5, "beats do not come back") { sickReceiver.take().contains("WATCHDOG=1") }
        await sickServices.triggerGracefulShutdown()
        _ = receiver.take()
        await services.triggerGracefulShutdown()
        try await running
        try await sickRunning
        #expect(receiver.take().contains("STOPPING=1\nSTATUS=stopping"))
    }
}

// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletClient
import CloudletCommandLine
import CloudletCore
import CloudletFinding
import CloudletOverlay
import CloudletSystem
import FoundationEssentials
import Synchronization

/// Sends an overlay to a node, reports when its VM runs, and keeps the session as long as needed.
struct OverlaySession: Sendable {
    let overlay: OverlaySource
    let search: SearchOptions
    let node: String?
    let launch: String?
    let hold: Bool
    let movePorts: Bool
    let allowBoot: Bool

    private let clock = ContinuousClock()

    init(
        overlay: OverlaySource, search: SearchOptions, node: String?, launch: String?, hold: Bool, movePorts: Bool,
        allowBoot: Bool
    ) {
        self.overlay = overlay
        self.search = search
        self.node = node
        self.launch = launch
        self.hold = hold
        self.movePorts = movePorts
        self.allowBoot = allowBoot
    }

    func run() async throws {
        let start = clock.now
        let chosen = try await NodeChoice(
            search: search, node: node, base: overlay.meta.baseHash, allowBoot: allowBoot
        ).choose()
        let found = clock.now
        Console.note(
            "node \(chosen.name.displayable(limit: 60)) at \(chosen.sessionAddress), found in \((found - start).shown)")
        let client = SynthesisClient(chosen)
        let total = Double(max(1, overlay.meta.totalBlobBytes))
        let launched = Mutex<Int32?>(nil)
        let sent = Mutex<ContinuousClock.Instant?>(nil)
        do throws(CloudletError) {
            try await client.synthesize(overlay, moveForwards: movePorts, allowsBoot: allowBoot) { progress in
                switch progress {
                case .sent(let bytes):
                    ProgressLine.show("send", Double(bytes) / total)
                    if Double(bytes) >= total { sent.withLock { $0 = clock.now } }
                case .stage(let stage, let percent):
                    guard stage != .receiving, let name = stage.wireName else { break }
                    // A node that boots the VM does not request the whole overlay.
                    if stage == .resuming { sent.withLock { $0 = $0 ?? clock.now } }
                    let shown = stage == .resuming && allowBoot ? "resume or boot" : name
                    ProgressLine.show(shown, percent.map { Double($0) / 100 })
                case .queued(let position): ProgressLine.show("waiting for room, position \(position)")
                }
            } while: { vm in
                ProgressLine.clear()
                try report(
                    vm.boot,
                    SessionResult(
                        chosen, vm, overlay, discover: found - start,
                        send: (sent.withLock { $0 } ?? clock.now) - found, total: clock.now - start))
                if let status = try await use(vm, chosen) { launched.withLock { $0 = status } }
            }
        } catch {
            // Ctrl-C is how a held session ends.
            guard hold, error.code == .interrupted else { throw error }
        }
        if let status = launched.withLock({ $0 }), status != 0 { throw LaunchedProgramFailed(status: status) }
    }

    /// The JSON form of the result that is printed when the VM runs.
    private struct SessionResult: Encodable {
        struct Forward: Encodable {
            let transport: String
            let hostPort: UInt16
            let guestPort: UInt16

            enum CodingKeys: String, CodingKey {
                case transport
                case hostPort = "host_port"
                case guestPort = "guest_port"
            }
        }

        let app: String
        let node: String
        let host: String
        let session: String
        let forwards: [Forward]
        let booted: Bool
        let bootReason: String?
        let bootDifferences: [String]?
        let bootAnswered: Bool?
        let seconds: [String: Double]

        enum CodingKeys: String, CodingKey {
            case app, node, host, session, forwards, booted, seconds
            case bootReason = "boot_reason"
            case bootDifferences = "boot_differences"
            case bootAnswered = "boot_answered"
        }

        init(
            _ node: FoundNode, _ vm: RemoteVM, _ overlay: OverlaySource, discover: Duration, send: Duration,
            total: Duration
        ) {
            app = overlay.appName
            self.node = node.name
            host = vm.host
            session = vm.session.description
            forwards = vm.forwards.map {
                Forward(transport: $0.transport.rawValue, hostPort: $0.hostPort, guestPort: $0.guestPort)
            }
            booted = vm.boot != nil
            bootReason = vm.boot?.reason
            bootDifferences = vm.boot?.differences
            bootAnswered = vm.boot?.applicationAnswered
            seconds = ["discover": discover.seconds, "send": send.seconds, "total": total.seconds]
        }
    }

    private func report(_ boot: BootReport?, _ result: SessionResult) throws(CloudletError) {
        for line in boot?.lines ?? [] { Console.note(line.displayable(limit: 1000)) }
        if search.printsJSON { return try Console.json(result) }
        func shown(_ name: String) -> String { Duration.seconds(result.seconds[name] ?? 0).shown }
        Console.result("VM for \(result.app.displayable(limit: 60)) runs on \(result.host)")
        let wanted = overlay.meta.forwards
        for forward in result.forwards {
            let asked = wanted.first {
                $0.guestPort == forward.guestPort && $0.transport.rawValue == forward.transport && $0.hostPort != 0
            }
            if let asked, asked.hostPort != forward.hostPort {
                Console.note(
                    "port \(asked.hostPort) is in use on the node, or reserved: port \(forward.hostPort) is used instead"
                )
            }
            Console.result("\(forward.transport) \(result.host):\(forward.hostPort) -> \(forward.guestPort)")
        }
        Console.note("found in \(shown("discover")), sent in \(shown("send")), running after \(shown("total"))")
    }

    /// Runs the application's client program, or waits.
    /// - Returns: the exit status of the launched program.
    private func use(_ vm: RemoteVM, _ chosen: FoundNode) async throws -> Int32? {
        if let launch {
            var environment = ["CLOUDLET_APP": overlay.appName, "CLOUDLET_HOST": vm.host]
            for forward in vm.forwards where forward.transport == .tcp {
                environment["CLOUDLET_PORT_\(forward.guestPort)"] = String(forward.hostPort)
            }
            return try await ChildProgram.run(["/bin/sh", "-c", launch], adding: environment)
        }
        guard hold else { return nil }
        Console.note("Ctrl-C ends the session.")
        // Waits until the task is cancelled: nothing sets this event.
        await AsyncEvent().wait()
        throw CancellationError()
    }
}

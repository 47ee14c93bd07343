import AsyncAlgorithms
import CloudletCore
import CloudletMessagePack
import CloudletOverlay
import CloudletSystem
import CloudletWire
import Logging
import NIOCore

/// One connection of a client: reads its messages, answers, and runs the synthesis it asks for.
struct ServerConnection: Sendable {
    let table: SessionTable
    let supervisor: SessionSupervisor
    let backend: any SynthesisBackend
    let limits: SessionServer.Limits
    let shared: Shared
    let place: ConnectionShares.Place
    let localAddress: String
    /// Has the system look whether the client is still there, at once or at the usual times.
    let probe: @Sendable (_ isUrgent: Bool) -> Void
    let logger: Logger

    /// What bounds all connections of a server together.
    final class Shared: Sendable {
        let unreadMetas: MetaBudget
        let heldMetas: HeldMetas
        let rates: RateLimit

        init(_ limits: SessionServer.Limits) {
            unreadMetas = MetaBudget(limit: limits.bufferedMetas)
            heldMetas = HeldMetas(limit: limits.heldMetas)
            rates = RateLimit(perSecond: limits.addressRate.perSecond, burst: limits.addressRate.burst)
        }
    }

    /// The client's address.
    private var client: String { place.source }

    /// Serves the client until it has ended the connection, or does not although it should.
    func serve(
        _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>,
        _ arrived: ArrivedBytes
    ) async {
        let state = ConnectionState(limits, outbound, arrived, shared.unreadMetas.account(for: client), place)
        await withTaskGroup { group in
            group.addTask { await watch(state) }
            group.addTask { await converse(inbound, state) }
            await group.next()
            group.cancelAll()
        }
        guard let link = state.link else { return }
        link.session.leave(link.owner, comesBack: link.resumes, "the client went away")
    }

    /// Lets the client wait for its turn, when it or others from its address want much, and others go first in any case:
    /// most commands are carried out without a pause.
    private func turn(_ pacer: inout Pacer, cost: Int = 1, _ state: ConnectionState) async {
        let wait = max(pacer.take(cost) ?? .zero, shared.rates.take(cost, for: client) ?? .zero)
        guard wait > .zero else { return await Task.yield() }
        state.pause()
        defer { state.goOn() }
        try? await Task.sleep(for: wait)
    }

    /// Reads messages until the client ends the connection. Once our side is over, what comes is thrown away.
    private func converse(_ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ state: ConnectionState) async {
        await withTaskGroup { group in
            var pacer = Pacer(perSecond: limits.commandRate.perSecond, burst: limits.commandRate.burst)
            await turn(&pacer, state)
            do {
                for try await buffer in inbound {
                    do {
                        let events = try state.receive([UInt8](buffer: buffer))
                        for (number, event) in events.enumerated() {
                            if let cost = event.cost { await turn(&pacer, cost: cost, state) }
                            guard !state.isOver, !Task.isCancelled else { break }
                            try await handle(
                                event, isLast: number == events.count - 1, state, &group)
                        }
                    } catch {
                        await fail(error, state)
                    }
                }
                if !state.isOver, !state.mayEnd { logLoss("the client went away while \(state.name)", state) }
            } catch {
                logLoss("the connection broke off while \(state.name)", state)
            }
            // Nobody is left to be told anything.
            group.cancelAll()
        }
    }

    private func logLoss(_ reason: String, _ state: ConnectionState) {
        logger.info("connection lost", metadata: metadata(state).merging(["reason": "\(reason)"]) { $1 })
    }

    private func metadata(_ state: ConnectionState) -> Logger.Metadata {
        ["client": "\(client)", "session": "\(state.link.map { $0.session.id.description } ?? "-")"]
    }

    /// Tells the client, and the log, why the conversation is over, and ends its session; not where only the connection
    /// is to blame, or another one speaks for the session by now.
    private func fail(_ error: any Error, _ state: ConnectionState) async {
        let failure = CloudletError.wrapping(error, .protocolViolation, "the connection broke off")
        let sent = await state.end(with: .fail(reason: failure.publicDescription, code: failure.code.description))
        guard sent else { return }
        if error is CloudletError, let link = state.link { link.session.fail(link.owner, failure.description) }
        logger.info(
            "connection ended",
            metadata: metadata(state).merging(["reason": "\(failure.description.displayable(limit: 400))"]) { $1 })
    }

    /// Does what the client asked. `isLast` says whether nothing more came in the same piece.
    private func handle(
        _ event: ServerConversation.Event, isLast: Bool, _ state: ConnectionState, _ group: inout TaskGroup<Void>
    ) async throws {
        switch event {
        case .createSession:
            let session = try await table.create(client: client)
            logger.debug("session created", metadata: ["session": "\(session.id)", "client": "\(client)"])
            await state.end(with: .success(.createSession, session: session.id))
        case .resourceInfo:
            try await state.send(.success(.resourceInfo, payload: await backend.resources().payload))
        case .closeSession(let id):
            state.pause()
            defer { state.goOn() }
            state.place.isBusy = true
            if !(await table.closeFinished(id)) { try await finish(id, "the client closed it", state) }
            try await state.answer(.success(.closeSession), isLast: isLast)
        case .finish(let id):
            // That a VM takes long to end is not the client's silence.
            state.pause()
            defer { state.goOn() }
            state.place.isBusy = true
            await table.noteFinished(try await finish(id, "the client is done", state))
            try await state.answer(.success(.finish), isLast: isLast)
        case .overlayURL(let url, let id):
            let session = try await require(id)
            guard session.beginFetch() else { throw Self.inUse(session) }
            state.place.isBusy = true
            let announcement = ClientMessage.SendMeta(size: 0, session: session.id)
            group.addTask {
                defer { session.endFetch() }
                do {
                    let overlay = try await backend.fetch(url, for: client)
                    await accompany(
                        try await begin(announcement, overlay.metaBytes, of: overlay, state), state, fetched: overlay)
                } catch {
                    await fail(error, state)
                }
            }
        case .meta(let announcement, let bytes):
            let work = try await begin(announcement, bytes, state)
            group.addTask { await accompany(work, state) }
        case .blob(let piece):
            guard let link = state.link else { return }
            state.pause()
            defer { state.goOn() }
            try await link.session.transfer.take(piece, from: link.owner)
        case .request(let names):
            for name in names { try await state.send(.onDemand(name)) }
        case .allReceived: state.link?.session.transfer.finish()
        }
    }

    private func require(_ id: SessionID?) async throws(CloudletError) -> Session {
        guard let session = await table.session(id) else {
            throw CloudletError(.notFound, "Not Valid session \(id.map { $0.description } ?? "None")")
        }
        return session
    }

    private static func inUse(_ session: Session) -> CloudletError {
        CloudletError(.protocolViolation, "Not Valid session \(session.id): it is in use already")
    }

    /// What a client is told of a session that ended without its asking.
    private static func end(of session: Session) -> CloudletError {
        let status = session.status
        return CloudletError(status.failure ?? .unavailable, status.endReason ?? "the session ended")
    }

    /// Ends a session for its client.
    /// - Returns: the session.
    @discardableResult
    private func finish(
        _ id: SessionID?, _ reason: String, _ state: ConnectionState
    ) async throws(CloudletError) -> Session {
        // A session that ended otherwise is not unknown to the connection that speaks for it, whoever sees the end first.
        if let link = state.link, link.session.id == id, link.session.status.stage.isEnded, !state.endIsExpected {
            throw Self.end(of: link.session)
        }
        let session = try await require(id)
        state.expectEnd()
        if session.endUnlessBegun(reason) { return session }
        session.finish(reason)
        await session.waitForEnd()
        return session
    }

    /// A synthesis of which this connection is told.
    private struct Work: Sendable {
        let session: Session
        let meta: OverlayMeta
        let announcement: ClientMessage.SendMeta
        let place: SessionTransfer.Place
        let progress: AsyncStream<SessionReport>
    }

    /// Begins the synthesis, or joins one whose last connection was lost.
    private func begin(
        _ announcement: ClientMessage.SendMeta, _ bytes: [UInt8], of fetched: OverlaySource? = nil,
        _ state: ConnectionState
    ) async throws(CloudletError) -> Work {
        if announcement.apiVersion != nil { state.wantDetails() }
        let session = try await require(announcement.session)
        let (meta, digest) = try await read(bytes, fetched?.meta, state)
        guard let holding = shared.heldMetas.take(meta, for: client) else {
            throw CloudletError(
                .busy, "large overlay-metas of other sessions are in use", advice: "try again when they have ended")
        }
        let isNew = session.begin(meta: digest, holding: holding)
        guard isNew || (announcement.resumes && session.isResumable(with: digest)),
            let place = session.transfer.attach()
        else { throw Self.inUse(session) }
        state.place.isBusy = true
        state.link = .init(session: session, owner: place.owner, resumes: announcement.resumes)
        let progress = session.attach(state.place, comesBack: announcement.resumes, probe: probe)
        if isNew {
            let former = await table.displace(of: client, digest, asksPeers: !announcement.moveForwards)
            if let former {
                logger.notice(
                    "a VM without a client gives its place to the client's new session",
                    metadata: metadata(state).merging(["former": "\(former.id)"]) { $1 })
            }
            let request = SynthesisRequest(
                session: session.id, meta: meta, client: client, localAddress: localAddress,
                appName: announcement.appName?.displayable(limit: 100), options: announcement.options,
                moveForwards: announcement.moveForwards)
            session.update {
                $0.appName = request.appName
                $0.baseHash = meta.baseHash
                $0.totalBytes = meta.totalBlobBytes
            }
            supervisor.start(.init(session: session, request: request, former: former))
        } else {
            logger.info("session goes on", metadata: metadata(state))
        }
        return Work(session: session, meta: meta, announcement: announcement, place: place, progress: progress)
    }

    private func read(
        _ bytes: [UInt8], _ meta: OverlayMeta?, _ state: ConnectionState
    ) async throws(CloudletError) -> (OverlayMeta, SHA256Digest) {
        defer { state.metaWasRead() }
        do throws(CloudletError) {
            let result = try await MetaReading.read(bytes, as: meta)
            return (result.meta, result.digest)
        } catch {
            shared.heldMetas.trimSoon()
            throw error
        }
    }

    /// Tells the client how its synthesis goes, asks for blobs, and tells the session's end when it comes unasked.
    private func accompany(_ work: Work, _ state: ConnectionState, fetched: OverlaySource? = nil) async {
        let session = work.session
        do {
            let outcome = try await withThrowingTaskGroup { group in
                group.addTask { try await report(work, state) }
                defer { group.cancelAll() }
                guard await session.waitForAdmission() else { return await session.outcome() }
                if let fetched {
                    try await state.beginFetched()
                    group.addTask { try await feed(fetched, to: work) }
                } else {
                    try await state.beginTransfer(
                        work.meta.blobs.map { .init(name: $0.name, size: $0.size) }, present: work.place.received,
                        first: work.place.first)
                    if work.place.received.count == work.meta.blobs.count { session.transfer.finish() }
                }
                return await session.outcome()
            }
            switch outcome {
            case .running(let forwards):
                try await state.markRunning(
                    .synthesisDone(forwards: work.announcement.apiVersion == nil ? nil : forwards))
            case .failed(let error): throw error
            case nil: return
            }
            await session.waitForEnd()
            guard !Task.isCancelled, !state.endIsExpected else { return }
            throw Self.end(of: session)
        } catch {
            await fail(error, state)
        }
    }

    /// Gives a session the overlay that was fetched for it.
    private func feed(_ overlay: OverlaySource, to work: Work) async throws {
        let transfer = work.session.transfer
        do {
            for try await piece in OverlayPieces(overlay) { try await transfer.take(piece, from: work.place.owner) }
            transfer.finish()
        } catch {
            transfer.fail(error)
        }
    }

    /// Sends progress to a client that wants it, until the VM runs.
    private func report(_ work: Work, _ state: ConnectionState) async throws {
        guard work.announcement.wantsProgress else { return }
        for await report in work.progress {
            let position = report.position.map { UInt64($0) }
            try await state.send(.progress(stage: report.stage, percent: report.percent, position: position))
        }
    }

    /// Ends the conversation when the client keeps silent for longer than the state allows or is too slow, and the
    /// connection when the client does not end it after the conversation.
    private func watch(_ state: ConnectionState) async {
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(250))
            if state.isOver {
                if state.isOverdue(limits) { return }
            } else if let complaint = state.complaint(limits) {
                // A client that comes back is only cut off.
                if state.link?.resumes == true { return logLoss(complaint, state) }
                await fail(CloudletError(.protocolViolation, complaint), state)
            }
        }
    }
}

extension ServerConversation.Event {
    /// What it costs of the client's rate; `nil` for what belongs to a transfer, which is bounded by itself.
    fileprivate var cost: Int? {
        switch self {
        case .createSession, .finish, .closeSession, .resourceInfo: 1
        case .meta: 4
        // A program is started for each.
        case .overlayURL: 16
        case .blob, .request, .allReceived: nil
        }
    }
}

extension NodeResources {
    /// The payload of the answer to GET_RESOURCE_INFO, with the original's keys.
    var payload: MessagePackValue {
        .record(
            ("machine_number_socket", .unsigned(UInt64(sockets))), ("machine_number_cores", .unsigned(UInt64(cores))),
            ("machine_number_threads_per_cores", .unsigned(UInt64(threadsPerCore))),
            ("machine_cpu_num", .unsigned(UInt64(processors))),
            ("machine_cpu_clock_speed_mhz", .unsigned(UInt64(clockMHz))),
            ("machine_mem_total_mb", .unsigned(UInt64(totalMemoryMiB))),
            ("machine_total_cpu_usage_percent", .double(cpuUsagePercent)),
            ("machine_total_free_memory_mb", .unsigned(UInt64(freeMemoryMiB))))
    }
}

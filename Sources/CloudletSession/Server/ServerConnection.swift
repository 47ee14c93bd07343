import AsyncAlgorithms
import CloudletCore
import CloudletMessagePack
import CloudletOverlay
import CloudletWire
import Logging
import NIOCore

/// One connection of a client: reads its messages, answers, and runs the synthesis it asks for.
struct ServerConnection: Sendable {
    let table: SessionTable
    let supervisor: SessionSupervisor
    let backend: any SynthesisBackend
    let limits: SessionServer.Limits
    let client: String
    let localAddress: String
    let logger: Logger

    /// Serves the client until it has ended the connection, or does not although it should.
    func serve(
        _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) async {
        let state = ConnectionState(ServerConversation(limits: limits.conversation), outbound)
        await withTaskGroup { group in
            group.addTask { await watch(state) }
            group.addTask { await converse(inbound, state) }
            await group.next()
            group.cancelAll()
        }
        // After DONE a lost connection starts the session's lease; before, it ends the session.
        if let session = state.session {
            if session.status.stage == .running {
                session.send(.connectionLost)
            } else {
                session.markEnded("it failed")
            }
        }
    }

    /// Reads messages until the client ends the connection. Once our side is over, what comes is thrown away.
    private func converse(_ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ state: ConnectionState) async {
        let pieces = BlobChannel()
        await withTaskGroup { group in
            do {
                for try await buffer in inbound {
                    state.noteActivity()
                    if state.isOver { continue }
                    do {
                        for event in try state.receive([UInt8](buffer: buffer)) {
                            try await handle(event, state, pieces, &group)
                        }
                    } catch {
                        pieces.fail(error)
                        await fail(error, state)
                    }
                }
                if !state.isOver, !state.mayEnd {
                    throw CloudletError(.protocolViolation, "the client went away while \(state.name)")
                }
            } catch {
                pieces.fail(error)
                await fail(error, state)
            }
            // A synthesis that has not brought its VM to run yet has nobody to run it for; nor is anybody to be told.
            group.cancelAll()
        }
    }

    /// Tells the client, and the log, why the conversation is over.
    private func fail(_ error: any Error, _ state: ConnectionState) async {
        let failure = CloudletError.wrapping(error, .protocolViolation, "the connection broke off")
        let sent = await state.end(with: .fail(reason: failure.description, code: failure.code.description))
        guard sent else { return }
        logger.notice(
            "session failed",
            metadata: [
                "client": "\(client)", "reason": "\(failure.description.displayable(limit: 400))",
                "session": "\(state.session.map { $0.id.description } ?? "-")",
            ])
    }

    /// Does what the client asked.
    private func handle(
        _ event: ServerConversation.Event, _ state: ConnectionState, _ pieces: BlobChannel,
        _ group: inout TaskGroup<Void>
    ) async throws {
        switch event {
        case .createSession:
            let session = try await table.create(client: client)
            await state.end(with: .success(.createSession, session: session.id))
        case .resourceInfo:
            try await state.send(.success(.resourceInfo, payload: await backend.resources().payload))
        case .closeSession(let id):
            let session = try await require(id)
            state.expectEnd()
            session.send(.finish)
            if session.status.stage == .running {
                await session.waitForEnd()
            } else {
                session.markEnded("the client closed it")
            }
            await state.end(with: .success(.closeSession))
        case .finish(let id):
            let session = try await require(id)
            state.expectEnd()
            session.send(.finish)
            await session.waitForEnd()
            await state.end(with: .success(.finish))
        case .overlayURL:
            throw CloudletError(
                .unavailable, "this node does not fetch overlays from URLs", advice: "send the overlay itself")
        case .meta(let announcement, let bytes):
            let request = try await accept(announcement, bytes, state)
            try await state.beginTransfer(request.meta.blobs.map { .init(name: $0.name, size: $0.size) })
            group.addTask {
                do {
                    try await synthesize(request, announcement, state, pieces)
                    await tellUnexpectedEnd(state)
                } catch {
                    pieces.finish()
                    await fail(error, state)
                }
            }
        case .blob(let piece): await pieces.send(piece)
        case .request(let names):
            for name in names { try await state.send(.onDemand(name)) }
        case .allReceived: pieces.finish()
        }
    }

    private func require(_ id: SessionID?) async throws(CloudletError) -> Session {
        guard let session = await table.session(id) else {
            throw CloudletError(.notFound, "Not Valid session \(id.map { $0.description } ?? "None")")
        }
        return session
    }

    /// Checks session, meta and admission.
    private func accept(
        _ announcement: ClientMessage.SendMeta, _ bytes: [UInt8], _ state: ConnectionState
    ) async throws(CloudletError) -> SynthesisRequest {
        let session = try await require(announcement.session)
        guard session.begin() else {
            throw CloudletError(.protocolViolation, "Not Valid session \(session.id): it is in use already")
        }
        state.session = session
        let meta: OverlayMeta
        do throws(OverlayFormatError) {
            meta = try OverlayMeta(reading: bytes.span)
        } catch {
            throw CloudletError(.badData, "No matching Base VM: the overlay-meta is not valid", cause: error)
        }
        let request = SynthesisRequest(
            session: session.id, meta: meta, client: client, localAddress: localAddress,
            appName: announcement.appName?.displayable(limit: 100), options: announcement.options,
            moveForwards: announcement.moveForwards)
        session.update {
            $0.appName = request.appName
            $0.baseHash = meta.baseHash
        }
        try await backend.admit(request)
        session.update { $0.stage = .receiving }
        return request
    }

    /// Runs the synthesis and tells the client when the VM runs.
    private func synthesize(
        _ request: SynthesisRequest, _ announcement: ClientMessage.SendMeta, _ state: ConnectionState,
        _ pieces: BlobChannel
    ) async throws {
        guard let session = state.session else { return }
        let (progress, feed) = AsyncStream.makeStream(of: SynthesisStage.self, bufferingPolicy: .bufferingNewest(1))
        async let reporting: Void = report(progress, announcement.wantsProgress ? state : nil, session)
        let machine: any SynthesizedVM
        do {
            defer { feed.finish() }
            machine = try await backend.synthesize(request, from: pieces) { feed.yield($0) }
        }
        await reporting
        session.update {
            $0.stage = .running
            $0.forwards = machine.forwards.map { "\($0.address) \($0.forward)" }
        }
        supervisor.take(machine, of: session)
        logger.info("VM runs", metadata: ["session": "\(session.id)", "client": "\(client)"])
        try await state.markRunning(
            .synthesisDone(forwards: announcement.apiVersion == nil ? nil : machine.forwards))
    }

    /// Waits for the session's end and tells the client when it did not ask for it on this connection.
    private func tellUnexpectedEnd(_ state: ConnectionState) async {
        guard let session = state.session else { return }
        await session.waitForEnd()
        guard !Task.isCancelled, !state.endIsExpected else { return }
        let reason = session.status.endReason ?? "the session ended"
        await state.end(with: .fail(reason: reason, code: CloudletError.Code.unavailable.description))
    }

    /// Notes progress in the session, and sends it to a client that wants it.
    private func report(_ progress: AsyncStream<SynthesisStage>, _ client: ConnectionState?, _ session: Session) async {
        for await stage in progress {
            let message: ServerMessage
            switch stage {
            case .receiving(let percent):
                message = .progress(stage: "receive", percent: percent)
                session.update { $0.stage = .receiving }
            case .resuming:
                message = .progress(stage: "resume", percent: nil)
                session.update { $0.stage = .resuming }
            }
            try? await client?.send(message)
        }
    }

    /// Ends the conversation when the client keeps silent for longer than the state allows, and the connection when
    /// the client does not end it after the conversation.
    private func watch(_ state: ConnectionState) async {
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(250))
            if state.isOver {
                if state.silence > limits.farewell { return }
            } else if state.waitsForClient, state.silence > limits.clientSilence {
                await fail(
                    CloudletError(
                        .protocolViolation, "nothing came for \(limits.clientSilence.seconds) s while \(state.name)"),
                    state)
            }
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

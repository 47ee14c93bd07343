// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletOverlay
import CloudletSystem
import CloudletWire
import Logging

// MARK: - The synthesis that a connection requests

extension ServerConnection {
    /// A synthesis that this connection follows.
    struct Work: Sendable {
        let session: Session
        let meta: OverlayMeta
        let announcement: ClientMessage.SendMeta
        let attachment: Session.Attachment
    }

    /// Begins the synthesis, or continues one whose last connection was lost.
    func begin(
        _ announcement: ClientMessage.SendMeta, _ bytes: [UInt8], of fetched: OverlaySource? = nil,
        _ state: ConnectionState
    ) async throws(CloudletError) -> Work {
        if announcement.apiVersion != nil { state.wantDetails() }
        let session = try await require(announcement.session)
        let (meta, digest) = try await read(bytes, fetched?.meta, state)
        guard let holding = budgets.parsedMetas.take(meta, for: client) else {
            throw CloudletError(
                .busy, "large overlay-metas of other sessions are in use", advice: "try again when they have ended")
        }
        let appName = announcement.appName?.displayable(limit: 100)
        let details = SessionState.Details(
            appName: appName, baseHash: meta.baseHash, totalBytes: meta.totalBlobBytes)
        let isNew = session.begin(meta: digest, details, holding: holding)
        guard isNew || (announcement.resumes && session.mayContinue(with: digest)) else { throw Self.inUse(session) }
        let peer = Session.Peer(permit: state.permit, reconnects: announcement.resumes, probe: probe)
        guard let attachment = session.attach(peer) else {
            // Another connection, or the node, requested the end meanwhile: nobody else would bring a new session to its end.
            if isNew { session.fail(Self.inUse(session)) }
            throw Self.inUse(session)
        }
        state.permit.isBusy = true
        state.link = .init(session: session, number: attachment.number, reconnects: announcement.resumes)
        if isNew {
            let former = await table.replace(of: client, digest, asksPeers: !announcement.moveForwards)
            if let former {
                logger.notice(
                    "a VM without a client ends in favour of the client's new session",
                    metadata: metadata(state).merging(["former": "\(former.id)"]) { $1 })
            }
            let request = SynthesisRequest(
                session: session.id, meta: meta, client: client, localAddress: localAddress, appName: appName,
                options: announcement.options, moveForwards: announcement.moveForwards,
                allowsBoot: announcement.allowsBoot)
            supervisor.start(.init(session: session, request: request, former: former))
        } else {
            logger.info("session continues", metadata: metadata(state))
        }
        return Work(session: session, meta: meta, announcement: announcement, attachment: attachment)
    }

    private func read(
        _ bytes: [UInt8], _ meta: OverlayMeta?, _ state: ConnectionState
    ) async throws(CloudletError) -> (OverlayMeta, SHA256Digest) {
        defer { state.metaWasRead() }
        do throws(CloudletError) {
            let result = try await MetaReading.read(bytes, as: meta)
            return (result.meta, result.digest)
        } catch {
            MetaReading.trimSoon()
            throw error
        }
    }

    /// Fetches the overlay of a session from a URL, and reports on its synthesis.
    func fetch(_ url: String, for session: Session, _ state: ConnectionState) async {
        defer { session.endFetch() }
        do {
            let overlay = try await backend.fetch(url, for: client)
            let announcement = ClientMessage.SendMeta(size: 0, session: session.id)
            await follow(
                try await begin(announcement, overlay.metaBytes, of: overlay, state), state, fetched: overlay)
        } catch {
            await fail(error, state)
        }
    }

    /// Reports the progress of the synthesis to the client, requests blobs, and reports when the session ends
    /// unexpectedly.
    func follow(_ work: Work, _ state: ConnectionState, fetched: OverlaySource? = nil) async {
        let session = work.session
        do {
            let outcome = try await withThrowingTaskGroup { group in
                group.addTask { try await report(work, state) }
                defer { group.cancelAll() }
                guard await session.waitForAdmission() else { return await session.outcome() }
                if let fetched {
                    try await state.beginFetched()
                    group.addTask { await feed(fetched, to: work) }
                } else {
                    let point = session.resumePoint
                    try await state.beginTransfer(
                        work.meta.blobs.map { .init(name: $0.name, size: $0.size) }, from: point)
                    if point.received.count == work.meta.blobs.count { session.finishTransfer() }
                }
                return await session.outcome()
            }
            switch outcome {
            case .running(let details):
                try await state.markRunning(.synthesisDone(work.announcement.apiVersion == nil ? nil : details))
            case .failed(let error): throw error
            case nil: return
            }
            await session.wait(for: .ended)
            guard !Task.isCancelled, !state.endIsExpected else { return }
            throw session.endError
        } catch {
            await fail(error, state)
        }
    }

    /// Passes a fetched overlay to its session.
    private func feed(_ overlay: OverlaySource, to work: Work) async {
        let session = work.session
        do {
            for try await piece in OverlayPieces(overlay) {
                try await session.take(piece, from: work.attachment.number)
            }
            session.finishTransfer()
        } catch {
            session.failTransfer(error)
        }
    }

    /// Sends progress to a client that wants it, until the VM runs.
    private func report(_ work: Work, _ state: ConnectionState) async throws {
        guard work.announcement.wantsProgress else { return }
        for await report in work.attachment.reports { try await state.send(report.message) }
    }
}

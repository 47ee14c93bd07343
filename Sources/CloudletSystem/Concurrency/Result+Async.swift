// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

extension Result {
    /// Runs `body`.
    /// - Returns: what it returns or throws. Task groups and tasks pass on such a value, as they don't keep the type of a
    ///   thrown error.
    package static func of(_ body: () async throws(Failure) -> Success) async -> Self {
        do throws(Failure) { return .success(try await body()) } catch { return .failure(error) }
    }
}

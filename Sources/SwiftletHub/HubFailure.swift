import SwiftletTensor

/// How an attempt to get something failed, and what follows from it.
enum HubFailure: Error {
    /// It may work later; the server may have said when.
    case transient(String, afterSeconds: Double? = nil)
    /// What is there already does not fit; it has to begin anew.
    case restart(String)
    /// It will not work.
    case final(SwiftletError)
}

extension HubFailure {
    /// Does something until it works, ends for good, or has failed too often.
    ///
    /// - Parameter subject: what is wanted, for the error.
    static func retrying<Value>(
        _ policy: RetryPolicy, _ subject: String, _ body: () async throws -> Value
    ) async throws -> Value {
        var failures = 0
        while true {
            do {
                return try await body()
            } catch HubFailure.transient(let reason, let requested) {
                failures += 1
                try await wait(policy, failures: failures, requested: requested, reason: reason, subject)
            } catch HubFailure.restart(let reason) {
                failures += 1
                try await wait(policy, failures: failures, requested: nil, reason: reason, subject)
            }
        }
    }

    /// Waits before the next attempt.
    ///
    /// - Throws: `.busy` after the last attempt, or if the server asks for more patience than the policy has.
    static func wait(
        _ policy: RetryPolicy, failures: Int, requested: Double?, reason: String, _ subject: String
    ) async throws {
        guard failures < policy.attempts else {
            throw SwiftletError(
                .busy, "\(subject): \(reason), \(failures) times in a row; the same command goes on later")
        }
        if let requested, requested > policy.longestRequestedDelay {
            throw SwiftletError(
                .busy,
                "\(subject): \(reason), and asks to wait \(Int(min(requested, 1e9).rounded(.up))) s; the same command "
                    + "goes on then")
        }
        let seconds = max(requested ?? 0, policy.delay(failures: failures))
        try await Task.sleep(for: .seconds(seconds))
    }
}

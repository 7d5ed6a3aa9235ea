import Synchronization

/// Does something when no request has been worked on for a while, so that a server at rest holds no more than it needs.
///
/// There is at most one task, and none once that is done: an idle server sleeps.
final class IdleWatch: Sendable {
    private struct State {
        var running = 0
        var begun: UInt64 = 0
        var isWatching = false
    }

    private let state = Mutex(State())
    private let pauses: [Duration]
    private let action: @Sendable () -> Void

    /// - Parameters:
    ///   - pauses: how long nothing must have run until `action`, and how much longer until it is called again.
    ///   - action: called on any thread.
    init(after pauses: Duration..., action: @escaping @Sendable () -> Void) {
        self.pauses = pauses
        self.action = action
    }

    /// A request begins.
    func begin() {
        state.withLock { state in
            state.running += 1
            state.begun += 1
        }
    }

    /// A request has ended.
    func end() {
        let starts = state.withLock { state in
            state.running -= 1
            guard state.running == 0, !state.isWatching else { return false }
            state.isWatching = true
            return true
        }
        if starts { Task { [self] in await watch() } }
    }

    private func watch() async {
        var done = 0
        while true {
            let seen = state.withLock(\.begun)
            try? await Task.sleep(for: pauses[done])
            switch finding(seen, endsRest: done == pauses.count - 1) {
            case .rest: done += 1
            case .lately: done = 0
            case .work: return
            }
            if done > 0 { action() }
            if done == pauses.count { return }
        }
    }

    private enum Finding {
        case rest
        /// A request runs, which watches again when it ends.
        case work
        /// Requests have come and gone.
        case lately
    }

    private func finding(_ seen: UInt64, endsRest: Bool) -> Finding {
        state.withLock { state in
            let finding: Finding = state.running > 0 ? .work : state.begun == seen ? .rest : .lately
            state.isWatching = finding == .lately || finding == .rest && !endsRest
            return finding
        }
    }
}

import Synchronization

/// How far a download is.
public struct HubProgress: Hashable, Sendable {
    /// Bytes that are there, of all files.
    public var doneBytes = 0
    /// Bytes of all files whose sizes are known.
    public var totalBytes = 0
    /// Files that are complete, and all files.
    public var doneFiles = 0, fileCount = 0
}

/// Collects from tasks what has been done, for the one who waits.
final class HubMonitor: Sendable {
    private struct State {
        var done: [String: (bytes: Int, total: Int)] = [:]
        var finished = 0
        var fileCount = 0
        var notes: [String] = []
    }

    private let state = Mutex(State())

    /// Announces files that will be fetched.
    func expect(_ files: [HubFile]) {
        state.withLock { state in
            state.fileCount += files.count
            for file in files { state.done[file.path] = (0, file.byteCount ?? 0) }
        }
    }

    /// Bytes of a file that are there.
    func note(_ path: String, done: Int, total: Int?) {
        state.withLock { state in
            state.done[path] = (done, max(total ?? state.done[path]?.total ?? 0, done))
        }
    }

    /// A file is complete.
    func finish() { state.withLock { $0.finished += 1 } }

    /// Something that a person should know.
    func note(_ sentence: String) { state.withLock { $0.notes.append(sentence) } }

    var progress: HubProgress {
        state.withLock { state in
            var progress = HubProgress()
            for (done, total) in state.done.values {
                progress.doneBytes += done
                progress.totalBytes += total
            }
            (progress.doneFiles, progress.fileCount) = (state.finished, state.fileCount)
            return progress
        }
    }

    /// Sentences that nobody has read yet.
    func takeNotes() -> [String] {
        state.withLock { state in
            defer { state.notes = [] }
            return state.notes
        }
    }
}

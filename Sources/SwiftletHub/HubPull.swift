import SwiftletFormats
public import SwiftletTensor

/// Downloads a model into the cache that Hugging Face's libraries share.
///
/// ```swift
/// let settings = try HubSettings(environment: ProcessInfo.processInfo.environment)
/// let report = try await HubPull("org/name:Q4_K_M", settings: settings).run()
/// ```
///
/// Contents are downloaded under their hashes, checked, and only when all of them are there does the snapshot appear:
/// whoever looks for the model finds it whole or not at all. What is there of a file stays when a download breaks off,
/// and the next one goes on from there.
public struct HubPull: Sendable {
    let name: HubName
    let settings: HubSettings
    /// Whether to download what is there, too.
    public var force = false
    /// Files at the same time.
    public var concurrency = 4

    /// Names what shall be downloaded.
    ///
    /// - Parameters:
    ///   - argument: `org/name`, perhaps with `@revision`, perhaps with `:` and a file or number format.
    ///   - revision: instead of `@revision`.
    /// - Throws: `.invalidArgument` for what is no such name.
    public init(_ argument: String, revision: String? = nil, settings: HubSettings) throws(SwiftletError) {
        let name = revision.map { HubName(argument, revision: $0) } ?? HubName(argument)
        guard let name else {
            let given = revision.map { "'\(argument)' with the revision '\($0)'" } ?? "'\(argument)'"
            throw SwiftletError(
                .invalidArgument,
                "\(given) is not the name of a model; expected org/name, org/name@revision or org/name:Q4_K_M"
            )
        }
        self.name = name
        self.settings = settings
    }

    /// Downloads.
    ///
    /// - Parameters:
    ///   - note: receives sentences for a person.
    ///   - progress: called about five times a second; answers whether to go on.
    /// - Returns: what was done, or `nil` if `progress` ended it.
    /// - Throws: `.missing`, `.unreadable` or `.unsupported` if the hub refuses, `.busy` if it cannot be reached or
    ///   breaks off again and again, `.mismatch` for a wrong hash, `.unwritable` for disks, `.malformed` for an answer
    ///   that is no hub's.
    public func run(
        note: @escaping @Sendable (String) -> Void = { _ in },
        progress: @escaping @Sendable (HubProgress) -> Bool = { _ in true }
    ) async throws(SwiftletError) -> HubPullReport? {
        guard !settings.isOffline else {
            throw SwiftletError(
                .invalidArgument,
                "HF_HUB_OFFLINE is set, so nothing is downloaded; unset it to get \(name.text)")
        }
        let client = HubClient(settings)
        let result: Result<HubPullReport?, any Error>
        do {
            result = .success(try await watched(client, note, progress))
        } catch {
            result = .failure(error)
        }
        await client.shutdown()
        do {
            return try result.get()
        } catch let error as SwiftletError {
            throw error
        } catch HubFailure.final(let error) {
            throw error
        } catch {
            throw SwiftletError(.busy, "\(name.text): \(error)")
        }
    }

    /// Works and reports side by side.
    private func watched(
        _ client: HubClient, _ note: @escaping @Sendable (String) -> Void,
        _ progress: @escaping @Sendable (HubProgress) -> Bool
    ) async throws -> HubPullReport? {
        let monitor = HubMonitor()
        return try await withThrowingTaskGroup(of: HubPullReport?.self) { group in
            group.addTask { try await pull(client, monitor) }
            group.addTask {
                while progress(monitor.progress) {
                    for sentence in monitor.takeNotes() { note(sentence) }
                    do { try await Task.sleep(for: .milliseconds(200)) } catch { break }
                }
                return nil
            }
            defer { group.cancelAll() }
            // Whoever ends first decides: the download with its report, or the watcher because it was told to stop.
            let first = try await group.next() ?? nil
            group.cancelAll()
            if first == nil { _ = try? await group.next() }
            for sentence in monitor.takeNotes() { note(sentence) }
            return first
        }
    }

    private func pull(_ client: HubClient, _ monitor: HubMonitor) async throws -> HubPullReport {
        let start = ContinuousClock.now
        let listing = try await HubListing.fetch(name, client)
        var selection = try HubSelection(listing, name)
        for sentence in selection.notes { monitor.note("\(name.repository): \(sentence)") }
        let storage = HubStorage(name, cachePath: settings.cachePath)
        try storage.prepare()
        let download = HubDownload(
            client: client, name: name, commit: listing.commit, storage: storage, force: force,
            monitor: monitor)
        var files: [HubPullReport.File] = []
        if let index = selection.index {
            monitor.expect([index])
            let file = try await download.fetch(index)
            monitor.finish()
            files.append(file)
            selection.files.removeAll { $0 == index }
            try selection.add(
                shards: SafetensorsCheckpoint.shards(ofIndex: storage.blob(file.etag)), of: listing)
        }
        try checkSpace(selection.files, storage)
        monitor.expect(selection.files)
        files += try await fetch(selection.files, download, monitor)
        for file in files { try storage.link(file.path, to: file.etag, commit: listing.commit) }
        try storage.writeReference(name.revision ?? "main", commit: listing.commit)
        return HubPullReport(
            repository: name.repository, revision: name.revision ?? "main", commit: listing.commit,
            model: name.text,
            path: path(of: files, in: storage.snapshot(listing.commit)), files: files,
            seconds: (ContinuousClock.now - start).seconds)
    }

    /// Fetches files, some at a time, and returns them in their order.
    private func fetch(
        _ files: [HubFile], _ download: HubDownload, _ monitor: HubMonitor
    ) async throws -> [HubPullReport.File] {
        try await withThrowingTaskGroup(of: (Int, HubPullReport.File).self) { group in
            var done: [HubPullReport.File?] = Array(repeating: nil, count: files.count)
            var next = 0
            func add() {
                guard next < files.count else { return }
                let (index, file) = (next, files[next])
                group.addTask { (index, try await download.fetch(file)) }
                next += 1
            }
            for _ in 0..<max(concurrency, 1) { add() }
            while let (index, file) = try await group.next() {
                done[index] = file
                monitor.finish()
                add()
            }
            return done.compactMap { $0 }
        }
    }

    /// Refuses what cannot fit on the disk, before anything is downloaded.
    private func checkSpace(_ files: [HubFile], _ storage: HubStorage) throws(SwiftletError) {
        var needed = 0
        for file in files {
            guard let size = file.byteCount else { continue }
            var there = 0
            if let hash = file.hash {
                if !force, System.kind(of: storage.blob(hash)) == .file { continue }
                there = force ? 0 : System.byteCount(of: storage.blob(hash) + ".incomplete")
            }
            let (sum, overflow) = needed.addingReportingOverflow(max(size - there, 0))
            needed = overflow ? .max : sum
        }
        guard let free = System.freeDiskBytes(at: storage.path), needed > free else { return }
        throw SwiftletError(
            .unwritable,
            "\(name.text) needs \(needed >> 20) MiB on disk, and \(settings.cachePath) has \(free >> 20) MiB free; make room, "
                + "or set HF_HUB_CACHE to another disk")
    }

    /// What `-m` would open: the GGUF file, else the directory.
    private func path(of files: [HubPullReport.File], in snapshot: String) -> String {
        guard let first = files.first, GGUFChoice.isModel(first.path) else {
            return files.count == 1 && name.selector != nil ? "\(snapshot)/\(files[0].path)" : snapshot
        }
        return "\(snapshot)/\(first.path)"
    }
}

extension Duration {
    /// The duration in seconds.
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

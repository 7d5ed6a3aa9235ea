import SwiftletFormats
public import SwiftletTensor

/// What leaves the cache with a repository or one of its commits, and what stays because others need it.
public struct HubRemoval: Sendable {
    /// `org/name`.
    public let repository: String
    /// Commits that go.
    public let commits: [String]
    /// Branches and tags that go.
    public let references: [String]
    /// Whether nothing of the repository stays.
    public let isWhole: Bool
    /// Bytes that become free.
    public let byteCount: Int

    private let path: String
    private let locks: String
    private let blobs: [String]

    /// Plans, and changes nothing.
    ///
    /// - Parameter argument: `org/name` for all of it, or `org/name@revision`: a branch, a tag or the beginning of a
    ///   commit.
    /// - Throws: `.invalidArgument` for what is no such name or means several commits, `.missing` for what is not there.
    public init(_ argument: String, in inventory: HubInventory) throws(SwiftletError) {
        guard let name = HubName(argument), name.selector == nil else {
            throw SwiftletError(
                .invalidArgument, "'\(argument)' names no repository; expected org/name or org/name@revision")
        }
        guard let held = inventory.repositories.first(where: { $0.name == name.repository }) else {
            throw SwiftletError(
                .missing,
                "\(name.repository) is not in \(inventory.path); `swiftlet cache list` shows what is there")
        }
        let going =
            try name.revision.map { wanted throws(SwiftletError) in [try Self.revision(wanted, of: held)] }
            ?? held.revisions
        let staying = held.revisions.filter { !going.contains($0) }
        repository = held.name
        commits = going.map(\.commit)
        references = going.flatMap(\.references).sorted()
        isWhole = staying.isEmpty
        let needed = Set(staying.flatMap(\.files).compactMap(\.blob))
        blobs = Set(going.flatMap(\.files).compactMap(\.blob)).subtracting(needed).sorted()
        path = held.path
        locks = HubStorage(name, cachePath: inventory.path).locks
        byteCount =
            staying.isEmpty
            ? held.byteCount
            : blobs.reduce(0) { [path] in $0 + System.byteCount(of: "\(path)/blobs/\($1)") }
                + going.flatMap(\.files).reduce(0) { $0 + ($1.blob == nil ? $1.byteCount : 0) }
    }

    /// The commit that a name means.
    private static func revision(
        _ wanted: String, of repository: HubInventory.Repository
    ) throws(SwiftletError) -> HubInventory.Revision {
        let exact = repository.revisions.filter { $0.commit == wanted || $0.references.contains(wanted) }
        let isBeginning = wanted.utf8.count >= 4 && ContentHash.isHex(wanted)
        let found =
            exact.isEmpty && isBeginning ? repository.revisions.filter { $0.commit.hasPrefix(wanted) } : exact
        if found.count == 1 { return found[0] }
        let all = repository.revisions.map { ([$0.commit] + $0.references).joined(separator: " = ") }
        let list = all.isEmpty ? "no commit" : all.joined(separator: ", ")
        throw found.isEmpty
            ? SwiftletError(.missing, "\(repository.name)@\(wanted) is not in the cache, which has \(list)")
            : SwiftletError(
                .invalidArgument, "\(repository.name)@\(wanted) means several commits; the cache has \(list)")
    }

    /// Removes it: names first, so that nobody finds a model without its contents.
    ///
    /// - Throws: `.busy` while a file of the repository is being downloaded, `.unwritable`.
    public func perform() throws(SwiftletError) {
        let held = try holdLocks()
        try withExtendedLifetime(held) { () throws(SwiftletError) in
            for reference in references { try System.removeTree("\(path)/refs/\(reference)") }
            for commit in commits { try System.removeTree("\(path)/snapshots/\(commit)") }
            if isWhole {
                try System.removeTree(path)
                if System.kind(of: locks) == .directory { try System.removeTree(locks) }
            } else {
                for blob in blobs { try System.removeTree("\(path)/blobs/\(blob)") }
            }
        }
    }

    /// Takes the locks of all downloads.
    private func holdLocks() throws(SwiftletError) -> [FileLock] {
        var held: [FileLock] = []
        for name in System.kind(of: locks) == .directory ? try System.names(in: locks) : [] {
            guard let lock = try FileLock.tryAcquire("\(locks)/\(name)") else {
                throw SwiftletError(
                    .busy, "\(repository) is being downloaded by another process; wait for it, or end it")
            }
            held.append(lock)
        }
        return held
    }
}

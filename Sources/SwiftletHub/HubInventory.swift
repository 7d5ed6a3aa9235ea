import SwiftletFormats
public import SwiftletTensor

/// What lies in the cache.
public struct HubInventory: Sendable {
    /// A file of a commit.
    public struct File: Hashable, Sendable {
        /// The path in the repository.
        public let path: String
        /// The name of its content, or `nil` if the file is no link into the cache.
        public let blob: String?
        /// Bytes; 0 if the content is gone.
        public let byteCount: Int
    }

    /// One commit of a repository.
    public struct Revision: Hashable, Sendable {
        /// The commit's hash.
        public let commit: String
        /// Branches and tags that were at it.
        public let references: [String]
        /// All files, by path.
        public let files: [File]
        /// Seconds since 1970 at which one of its contents was last read or written.
        public let lastUse: Int

        /// Bytes of its files, each content counted once.
        public var byteCount: Int { HubInventory.byteCount(of: files) }
    }

    /// One repository.
    public struct Repository: Hashable, Sendable {
        /// `org/name`.
        public let name: String
        /// Its directory.
        public let path: String
        /// Its commits, the one used last first.
        public let revisions: [Revision]
        /// Bytes of downloads that broke off, or of contents that no commit has.
        public let looseBytes: Int

        /// Bytes on disk.
        public var byteCount: Int { HubInventory.byteCount(of: revisions.flatMap(\.files)) + looseBytes }
        /// The latest use of a commit.
        public var lastUse: Int { revisions.map(\.lastUse).max() ?? 0 }
    }

    /// The cache's directory.
    public let path: String
    /// All repositories with models, by name.
    public let repositories: [Repository]

    /// Bytes of all repositories.
    public var byteCount: Int { repositories.reduce(0) { $0 + $1.byteCount } }

    /// Looks at a cache; one that is not there is empty.
    ///
    /// - Throws: `.unreadable` for a directory that cannot be listed.
    public init(path: String) throws(SwiftletError) {
        self.path = path
        var repositories: [Repository] = []
        for folder in System.kind(of: path) == .directory ? try System.names(in: path) : [] {
            guard folder.hasPrefix("models--"), System.kind(of: "\(path)/\(folder)") == .directory,
                let name = Self.name(ofFolder: folder)
            else { continue }
            repositories.append(try Self.repository(name, "\(path)/\(folder)"))
        }
        self.repositories = repositories.sorted { $0.name < $1.name }
    }

    /// `models--org--name` is `org/name`.
    private static func name(ofFolder folder: String) -> String? {
        let parts = folder.dropFirst(8).split(separator: "-", omittingEmptySubsequences: false)
        // Names hold single hyphens; two in a row separate.
        let name = parts.joined(separator: "-").replacing("--", with: "/")
        return HubName(name)?.repository == name ? name : nil
    }

    private static func repository(_ name: String, _ path: String) throws(SwiftletError) -> Repository {
        var references: [String: [String]] = [:]
        for reference in try existing(
            "\(path)/refs", { folder throws(SwiftletError) in try System.paths(below: folder) })
        where !reference.hasSuffix(".tmp") {
            if let commit = try? HubCache(path: path).commit(named: reference, in: path) {
                references[commit, default: []].append(reference)
            }
        }
        var revisions: [Revision] = []
        for commit in try existing(
            "\(path)/snapshots", { folder throws(SwiftletError) in try System.names(in: folder) })
        where System.kind(of: "\(path)/snapshots/\(commit)") == .directory {
            revisions.append(try revision(commit, references[commit] ?? [], path))
        }
        let used = Set(revisions.flatMap(\.files).compactMap(\.blob))
        let loose = try existing(
            "\(path)/blobs", { folder throws(SwiftletError) in try System.names(in: folder) }
        ).filter { !used.contains($0) }
        return Repository(
            name: name, path: path,
            revisions: revisions.sorted { ($1.lastUse, $0.commit) < ($0.lastUse, $1.commit) },
            looseBytes: loose.reduce(0) { $0 + System.byteCount(of: "\(path)/blobs/\($1)") })
    }

    private static func revision(
        _ commit: String, _ references: [String], _ repository: String
    ) throws(SwiftletError) -> Revision {
        let snapshot = "\(repository)/snapshots/\(commit)"
        var files: [File] = []
        var lastUse = System.lastUse(of: snapshot) ?? 0
        for file in try System.paths(below: snapshot) {
            let target = System.target(ofLink: "\(snapshot)/\(file)")
            let blob = target.flatMap(Self.blob)
            let content = blob.map { "\(repository)/blobs/\($0)" } ?? "\(snapshot)/\(file)"
            lastUse = max(lastUse, System.lastUse(of: content) ?? 0)
            files.append(File(path: file, blob: blob, byteCount: System.byteCount(of: content)))
        }
        return Revision(commit: commit, references: references.sorted(), files: files, lastUse: lastUse)
    }

    /// The name at the end of `../../blobs/NAME`.
    private static func blob(_ target: String) -> String? {
        let parts = target.split(separator: "/")
        guard parts.count > 1, parts[parts.count - 2] == "blobs", HubName.isName(parts[parts.count - 1])
        else {
            return nil
        }
        return String(parts[parts.count - 1])
    }

    /// What is in a directory, which may be missing.
    private static func existing(
        _ directory: String, _ list: (String) throws(SwiftletError) -> [String]
    ) throws(SwiftletError) -> [String] {
        System.kind(of: directory) == .directory ? try list(directory) : []
    }

    fileprivate static func byteCount(of files: [File]) -> Int {
        var counted: Set<String> = []
        return files.reduce(0) { sum, file in
            guard let blob = file.blob else { return sum + file.byteCount }
            return counted.insert(blob).inserted ? sum + file.byteCount : sum
        }
    }
}

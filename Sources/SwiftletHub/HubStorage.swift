import SwiftletFormats
import SwiftletTensor

/// Where the parts of one repository lie in the cache, and how they get there.
///
/// `blobs` holds contents under their hashes, `snapshots/COMMIT` links to them under the names of files, `refs` says
/// which commit a branch was at. Locks lie beside the repositories, as `huggingface_hub` has them.
struct HubStorage: Sendable {
    let cachePath: String
    /// The repository's directory.
    let path: String
    private let folder: String

    init(_ name: HubName, cachePath: String) {
        self.cachePath = cachePath
        folder = name.folder
        path = "\(cachePath)/\(folder)"
    }

    func blob(_ etag: String) -> String { "\(path)/blobs/\(etag)" }

    func snapshot(_ commit: String) -> String { "\(path)/snapshots/\(commit)" }

    var locks: String { "\(cachePath)/.locks/\(folder)" }

    /// Makes the directories that downloads need, and marks the cache for programs that make backups.
    func prepare() throws(SwiftletError) {
        for directory in ["\(path)/blobs", "\(path)/snapshots", "\(path)/refs", locks] {
            try System.makeDirectory(directory, mode: 0o777)
        }
        let tag = "\(cachePath)/CACHEDIR.TAG"
        guard System.kind(of: tag) == nil else { return }
        // Source: the Cache Directory Tagging Specification, bford.info/cachedir.
        try? AtomicFile.write(Array("Signature: 8a477f597d28d172789f06886806bc55\n".utf8), to: tag)
    }

    /// Lets a file of a commit lead to a content.
    func link(_ file: String, to etag: String, commit: String) throws(SwiftletError) {
        let name = "\(snapshot(commit))/\(file)"
        let depth = file.utf8.count { $0 == UInt8(ascii: "/") }
        let target = String(repeating: "../", count: depth + 2) + "blobs/\(etag)"
        if System.target(ofLink: name) == target { return }
        let parent = name[..<(name.lastIndex(of: "/") ?? name.endIndex)]
        try System.makeDirectory(String(parent), mode: 0o777)
        try System.replaceLink(name, target: target)
    }

    /// Whether a file of a commit is there as a content of a name.
    func holds(_ file: String, _ etag: String, commit: String) -> Bool {
        System.target(ofLink: "\(snapshot(commit))/\(file)")?.hasSuffix("/blobs/\(etag)") == true
            && System.kind(of: blob(etag)) == .file
    }

    /// Notes at which commit a branch or tag is.
    func writeReference(_ revision: String, commit: String) throws(SwiftletError) {
        guard revision != commit else { return }
        let file = "\(path)/refs/\(revision)"
        if let held = try? HubCache(path: cachePath).commit(named: revision, in: path), held == commit {
            return
        }
        if let slash = file.lastIndex(of: "/") {
            try System.makeDirectory(String(file[..<slash]), mode: 0o777)
        }
        try AtomicFile.write(Array(commit.utf8), to: file)
    }
}

import Foundation
import SwiftletFormats
import SwiftletTensor

/// A file of a repository.
struct HubFile: Hashable, Sendable {
    /// Its path in the repository.
    let path: String
    /// Bytes, if the hub says so.
    let byteCount: Int?
    /// The SHA-256 of a large file, else the hash of Git; `nil` if the hub does not say.
    let hash: String?
}

/// What a repository holds in one commit.
struct HubListing: Sendable {
    /// The commit's hash.
    let commit: String
    let files: [HubFile]

    /// Paths in the order of the hub.
    var paths: [String] { files.map(\.path) }

    func file(_ path: String) -> HubFile? { files.first { $0.path == path } }

    /// Asks the hub.
    static func fetch(_ name: HubName, _ client: HubClient) async throws -> HubListing {
        let revision = HubAddress.escaped(name.revision ?? "main")
        let address =
            "\(client.settings.endpoint)/api/models/\(name.repository)/revision/\(revision)?blobs=true"
        let subject = name.revision.map { "\(name.repository)@\($0)" } ?? name.repository
        return try HubListing(try await client.document(address, subject), address: address)
    }

    /// Reads the hub's answer, which decides where files are written, with mistrust.
    init(_ json: JSON, address: String) throws(SwiftletError) {
        guard let commit = json["sha"]?.string, Self.isCommit(commit), let siblings = json["siblings"],
            siblings.kind == .array
        else {
            throw SwiftletError(
                .malformed,
                "\(address): has no commit ('sha') and list of files ('siblings'); is HF_ENDPOINT a hub?")
        }
        self.commit = commit
        var files: [HubFile] = []
        var known: Set<String> = []
        for entry in siblings.elements {
            guard let path = entry["rfilename"]?.string, HubName.isRelativePath(path) else {
                throw SwiftletError(
                    .malformed,
                    "\(address): lists a file '\(entry["rfilename"]?.string ?? "")' that would not lie in its own folder; "
                        + "nothing was downloaded")
            }
            guard known.insert(path).inserted else { continue }
            let large = entry["lfs"]
            let size = large?["size"]?.int ?? entry["size"]?.int
            let hash =
                (large?["sha256"] ?? large?["oid"])?.string
                ?? (large?.kind == .object ? nil : entry["blobId"]?.string)
            files.append(
                HubFile(
                    path: path, byteCount: size.flatMap { $0 >= 0 ? $0 : nil },
                    hash: hash.flatMap { ContentHash(named: $0) == nil ? nil : $0 }))
        }
        self.files = files
    }

    init(commit: String, files: [HubFile]) { (self.commit, self.files) = (commit, files) }

    /// Whether a text is the full hash of a commit.
    static func isCommit(_ text: String) -> Bool {
        [40, 64].contains(text.utf8.count) && ContentHash.isHex(text)
    }
}

/// Addresses of files and revisions.
enum HubAddress {
    /// A part of a path with everything escaped that has a meaning in addresses, `/` included.
    static func escaped(_ text: String) -> String {
        let plain = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~".utf8)
        var result = ""
        for byte in text.utf8 {
            if plain.contains(byte) {
                result.unicodeScalars.append(UnicodeScalar(byte))
            } else {
                result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return result
    }

    /// Where a file of a commit is downloaded.
    static func file(_ path: String, of repository: String, commit: String, endpoint: String) -> String {
        let path = path.split(separator: "/").map { escaped(String($0)) }.joined(separator: "/")
        return "\(endpoint)/\(repository)/resolve/\(commit)/\(path)"
    }
}

import SwiftletFormats

/// What a download did.
public struct HubPullReport: Hashable, Sendable {
    /// One file.
    public struct File: Hashable, Sendable {
        /// Where a file's bytes came from.
        public enum Origin: String, Sendable {
            /// All of them from the hub.
            case hub
            /// The end of them from the hub, the rest from an earlier attempt.
            case resumed
            /// Nothing had to be downloaded.
            case cache
        }

        /// The path in the repository.
        public let path: String
        /// Bytes of the file.
        public let byteCount: Int
        /// The name of its content in the cache.
        public let etag: String
        /// Where it came from.
        public let origin: Origin
        /// Whether its name is a hash of the content, which was checked when it was downloaded.
        public let isVerified: Bool
        /// Bytes that came over the network, repetitions included.
        public let downloadedBytes: Int
    }

    /// `org/name`.
    public let repository: String
    /// The branch, tag or commit that was asked for.
    public let revision: String
    /// The commit that it was.
    public let commit: String
    /// What to give to `-m`.
    public let model: String
    /// The directory of the snapshot, or the GGUF file in it.
    public let path: String
    /// All files.
    public let files: [File]
    /// How long it took.
    public let seconds: Double

    /// Bytes that came over the network.
    public var downloadedBytes: Int { files.reduce(0) { $0 + $1.downloadedBytes } }
    /// Bytes of all files.
    public var byteCount: Int { files.reduce(0) { $0 + $1.byteCount } }

    /// The report as one JSON object.
    public var json: String {
        var writer = JSONWriter(indent: 2)
        writer.object { json in
            json.member("repository", repository)
            json.member("revision", revision)
            json.member("commit", commit)
            json.member("model", model)
            json.member("path", path)
            json.member("bytes", byteCount)
            json.member("downloaded_bytes", downloadedBytes)
            json.member("seconds", seconds)
            json.key("files")
            json.array { json in
                for file in files {
                    json.object { json in
                        json.member("path", file.path)
                        json.member("bytes", file.byteCount)
                        json.member("etag", file.etag)
                        json.member("origin", file.origin.rawValue)
                        json.member("downloaded_bytes", file.downloadedBytes)
                        json.member("verified", file.isVerified)
                    }
                }
            }
        }
        return writer.text
    }
}

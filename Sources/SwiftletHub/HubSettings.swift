import Foundation
import SwiftletFormats
public import SwiftletTensor

/// Where models come from and where they go, as the environment says it to all programs that use the hub.
public struct HubSettings: Sendable {
    /// The server, such as `https://huggingface.co`, without a slash at its end.
    public var endpoint: String
    /// What lets private and gated repositories be read; it is sent to ``endpoint`` and to no other server.
    public var token: String?
    /// The directory that all repositories lie in.
    public var cachePath: String
    /// Whether nothing may be downloaded.
    public var isOffline: Bool
    /// How often and how long after a failure something is tried again.
    public var retries = RetryPolicy()
    /// Seconds without a byte after which a connection is given up.
    public var readTimeoutSeconds = 30.0
    /// Seconds that a connection may take to come about.
    public var connectTimeoutSeconds = 10.0

    /// Settings that do not come from the environment.
    public init(endpoint: String, cachePath: String, token: String? = nil) throws(SwiftletError) {
        self.endpoint = try Self.checked(endpoint: endpoint)
        self.cachePath = cachePath
        self.token = try Self.checked(token: token)
        isOffline = false
    }

    /// Reads the variables that `huggingface_hub` reads: `HF_ENDPOINT`, `HF_TOKEN` (else the file `HF_TOKEN_PATH`
    /// or `token` in `HF_HOME`), `HF_HUB_CACHE` and its like, `HF_HUB_OFFLINE`, `HF_HUB_DOWNLOAD_TIMEOUT`.
    ///
    /// - Throws: `.invalidArgument` for an endpoint that is no address or a token that is no header, `.missing` if
    ///   there is no directory for the cache.
    public init(environment: [String: String]) throws(SwiftletError) {
        endpoint = try Self.checked(
            endpoint: environment["HF_ENDPOINT"].flatMap { $0.isEmpty ? nil : $0 } ?? "https://huggingface.co"
        )
        cachePath = try HubCache(environment: environment).path
        token = try Self.token(environment: environment)
        isOffline = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"].contains { name in
            ["1", "ON", "YES", "TRUE"].contains(environment[name]?.uppercased() ?? "")
        }
        if let seconds = environment["HF_HUB_DOWNLOAD_TIMEOUT"].flatMap({ Double($0) }),
            (0.1...86_400).contains(seconds)
        {
            readTimeoutSeconds = seconds
        }
    }

    private static func token(environment: [String: String]) throws(SwiftletError) -> String? {
        for name in ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"] {
            if let token = try checked(token: environment[name]) { return token }
        }
        let path =
            HubCache.directory("HF_TOKEN_PATH", in: environment)
            ?? HubCache.home(environment: environment).map { $0 + "/token" }
        guard let path, System.kind(of: path) == .file,
            let bytes = try? SequentialFile(path: path).read(1 << 12)
        else { return nil }
        return try checked(token: String(decoding: bytes, as: UTF8.self))
    }

    private static func checked(token: String?) throws(SwiftletError) -> String? {
        guard let token = token?.trimmingCharacters(in: .whitespacesAndNewlines), !token.isEmpty else {
            return nil
        }
        guard token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw SwiftletError(
                .invalidArgument,
                "the token (HF_TOKEN or the token file) has characters that no token has; expected one such as hf_…"
            )
        }
        return token
    }

    private static func checked(endpoint: String) throws(SwiftletError) -> String {
        var text = endpoint[...]
        while text.hasSuffix("/") { text.removeLast() }
        guard let origin = HubOrigin(String(text)), !origin.host.isEmpty, !text.contains("?"),
            !text.contains("#"),
            !text.contains("@")
        else {
            throw SwiftletError(
                .invalidArgument,
                "HF_ENDPOINT is '\(endpoint)'; expected an address such as https://huggingface.co")
        }
        return String(text)
    }
}

/// Who answers an address: what decides whether a token may be sent.
struct HubOrigin: Hashable {
    let scheme: String
    let host: String
    let port: Int

    /// Reads an address of `http` or `https`; `nil` for all others.
    init?(_ address: String) {
        guard let url = URL(string: address), let scheme = url.scheme?.lowercased(),
            scheme == "http" || scheme == "https", let host = url.host()?.lowercased(), !host.isEmpty
        else { return nil }
        self.scheme = scheme
        self.host = host
        port = url.port ?? (scheme == "https" ? 443 : 80)
    }
}

public import SwiftletEngine
public import SwiftletTensor

/// How a server behaves besides its model.
public struct ServerSettings: Sendable {
    /// The addresses to listen at.
    public var hosts = ["127.0.0.1"]
    /// The port; 0 takes one that is free.
    public var port = 8080
    /// Names of the model, the first one leads; without names it is called after its file.
    public var aliases: [String] = []
    /// Words about the model, for `/v1/models`.
    public var tags: [String] = []
    /// Keys that open the server; without keys it is open.
    public var keys = APIKeys([])
    /// Most bytes of a body.
    public var bodyLimit = 64 << 20
    /// Most bytes of all bodies that are held at the same time.
    public var allBodiesLimit = 512 << 20
    /// Seconds that a client may take to send a request or to take an answer.
    public var timeoutSeconds = 600
    /// Seconds between comments in a silent stream; `nil` sends none.
    public var pingSeconds: Int? = 15
    /// Origins that browsers may call from; `*` is any.
    public var corsOrigins: [String] = []
    /// Whether `/metrics` answers.
    public var showsMetrics = false
    /// Whether `/slots` answers.
    public var showsSlots = true
    /// Whether `/` answers with the web page.
    public var showsPage = true
    /// A directory for saved slots.
    public var slotDirectory: String?
    /// PEM files with the private key and the certificate chain; without them the server speaks plain HTTP.
    public var tls: (key: String, certificates: String)?
    /// Most tokens of an answer if the request does not say; `nil` is what fits the context.
    public var maxTokens: Int?
    /// Most choices of one request, and most prompts.
    public var choiceLimit = 128
    /// Whether thoughts are told apart from the answer.
    public var splitsReasoning = true
    /// Whether the prompt is shown to every client, for debugging.
    public var isVerbose = false
    /// Seconds that running requests get when the server ends.
    public var shutdownSeconds = 30
    /// The policy of requests that name none, as `--kv-policy` takes it.
    public var policy: String?
    /// Its budget, as `--kv-budget` takes it.
    public var budget: String?
    /// Sampling of requests that do not say; `nil` takes the model's own.
    public var sampling: SamplingOptions?
    /// More values for the chat template.
    public var templateSettings = ChatSettings()

    /// Everything at its default.
    public init() {}

    /// Checks every range.
    ///
    /// - Throws: `.invalidArgument` naming the flag, the value and the range.
    public func validate() throws(SwiftletError) {
        let ranges: [(String, Int?, ClosedRange<Int>)] = [
            ("--port", port, 0...65_535), ("--body-limit", bodyLimit, 1...(1 << 32)),
            ("--timeout", timeoutSeconds, 1...1_000_000), ("--sse-ping-interval", pingSeconds, 1...1_000_000),
            ("--shutdown-timeout", shutdownSeconds, 0...1_000_000), ("-n", maxTokens, 0...(1 << 30)),
        ]
        for (flag, value, range) in ranges {
            guard let value, !range.contains(value) else { continue }
            throw SwiftletError(
                .invalidArgument, "\(flag) is \(value); expected \(range.lowerBound) to \(range.upperBound)")
        }
    }
}

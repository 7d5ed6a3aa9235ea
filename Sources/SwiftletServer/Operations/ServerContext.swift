import Logging

/// What every endpoint knows.
struct ServerContext: Sendable {
    let host: ModelHost
    let settings: ServerSettings
    let metrics: ServerMetrics
    let logger: Logger
    /// The name that clients are told if they ask while there are no aliases.
    let fileName: String

    /// The model's name in answers: the first of its aliases in alphabetical order, as in llama-server.
    var modelName: String { settings.aliases.min() ?? fileName }
}

import Foundation
public import Logging
import SwiftletFormats

/// How log lines look.
public enum LogFormat: String, CaseIterable, Sendable {
    /// For people: time, level, message, `name=value`.
    case text
    /// For programs: one JSON object per line.
    case json
}

/// Writes log lines to standard error.
public struct LineLogHandler: LogHandler {
    /// Fields of every line.
    public var metadata = Logger.Metadata()
    /// Lines below this level are left out.
    public var logLevel = Logger.Level.info
    /// More fields, which depend on the task.
    public var metadataProvider: Logger.MetadataProvider?
    private let format: LogFormat
    private let write: @Sendable (String) -> Void

    /// - Parameter write: receives whole lines with their line end.
    public init(_ format: LogFormat, write: @escaping @Sendable (String) -> Void) {
        self.format = format
        self.write = write
    }

    /// Writes one line.
    public func log(event: LogEvent) {
        var fields = metadata
        if let more = event.metadata { fields.merge(more) { $1 } }
        let sorted = fields.map { ($0.key, "\($0.value)") }.sorted { $0.0 < $1.0 }
        let time = Self.time()
        switch format {
        case .text:
            let pairs = sorted.map { " \($0.0)=\(Self.quoted($0.1))" }.joined()
            write(
                "\(time) \(event.level.rawValue.uppercased()) \(Self.oneLine("\(event.message)"))\(pairs)\n")
        case .json:
            var json = JSONWriter()
            json.object { json in
                json.member("time", time)
                json.member("level", event.level.rawValue)
                json.member("message", "\(event.message)")
                for (name, value) in sorted {
                    if let number = Int(value), String(number) == value {
                        json.member(name, number)
                    } else {
                        json.member(name, value)
                    }
                }
            }
            write(json.text + "\n")
        }
    }

    /// A field of every line.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    private static func time() -> String { Date().formatted(.iso8601.time(includingFractionalSeconds: true)) }

    /// Text that a client sent can neither end a line nor look like another field.
    private static func quoted(_ text: String) -> String {
        let isPlain =
            !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") }
        return isPlain ? text : oneLine(text.debugDescription)
    }

    private static func oneLine(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 ? " " : $0 }))
    }
}

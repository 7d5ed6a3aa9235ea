import SwiftletFormats

/// Reads one JSON object that describes a call, byte by byte, and tells its name and arguments as they come.
struct CallScanner: Sendable {
    enum Event {
        case name(String)
        case identifier(String)
        /// More of the arguments, as JSON text.
        case arguments([UInt8])
    }

    enum State {
        case start, running, done, failed
    }

    private(set) var state = State.start
    private var depth = 0
    private var inString = false
    private var isEscaped = false
    private var key = ""
    private var text: [UInt8] = []
    /// Whether a value is read, not a key.
    private var inValue = false
    private var isStreaming = false

    private static let nameKeys: Set = ["name", "tool_name"]
    private static let argumentKeys: Set = ["arguments", "parameters", "args"]

    /// Takes a byte; nothing is taken once the object has ended.
    mutating func read(_ byte: UInt8) -> [Event] {
        switch state {
        case .start:
            if Marks.isBlank(byte) { return [] }
            state = byte == UInt8(ascii: "{") ? .running : .failed
            depth = 1
            return []
        case .running: return step(byte)
        case .done, .failed: return []
        }
    }

    private mutating func step(_ byte: UInt8) -> [Event] {
        if inString {
            text.append(byte)
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                inString = false
            }
            return flush()
        }
        switch byte {
        case UInt8(ascii: "\""):
            inString = true
            text.append(byte)
        case UInt8(ascii: ":") where depth == 1 && !inValue:
            key = Self.string(text) ?? ""
            text = []
            inValue = true
            isStreaming = false
        case UInt8(ascii: ",") where depth == 1: return endValue()
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            guard inValue else { return fail() }
            if depth == 1, byte == UInt8(ascii: "{"), Self.argumentKeys.contains(key) { isStreaming = true }
            depth += 1
            text.append(byte)
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
            depth -= 1
            guard depth == 0 else {
                text.append(byte)
                break
            }
            state = .done
            return endValue()
        default:
            if !inValue, !Marks.isBlank(byte) { return fail() }
            if depth > 1 || !Marks.isBlank(byte) { text.append(byte) }
        }
        return flush()
    }

    private mutating func fail() -> [Event] {
        state = .failed
        return []
    }

    private mutating func flush() -> [Event] {
        guard isStreaming, !text.isEmpty else { return [] }
        defer { text = [] }
        return [.arguments(text)]
    }

    private mutating func endValue() -> [Event] {
        defer {
            text = []
            inValue = false
            isStreaming = false
        }
        guard inValue, !isStreaming else { return flush() }
        if Self.nameKeys.contains(key) { return Self.string(text).map { [.name($0)] } ?? fail() }
        if key == "id" { return Self.string(text).map { [.identifier($0)] } ?? [] }
        guard Self.argumentKeys.contains(key) else { return [] }
        // Some models write the arguments as a string that holds JSON.
        return [.arguments(Self.string(text).map { Array($0.utf8) } ?? text)]
    }

    private static func string(_ text: [UInt8]) -> String? {
        guard text.first == UInt8(ascii: "\"") else { return nil }
        return (try? JSON.parse(text, source: "call"))?.string
    }
}

/// Takes calls of tools out of an answer.
struct CallParser: Sendable {
    private enum State {
        case content
        /// Inside what marks a call.
        case call
        /// Behind a call; blanks are dropped.
        case behind
    }

    private let style: CallStyle
    private var state: State
    private var held: [UInt8] = []
    private var scanner = CallScanner()
    private var count = 0
    private var name: String?
    private var identifier: String?
    /// Arguments that came before the name.
    private var early: [UInt8] = []
    /// Arguments that were not told yet.
    private var arguments: [UInt8] = []
    private var hasArguments = false
    /// How many of the held bytes were scanned already.
    private var scanned = 0
    private var depth = 0
    private var inString = false
    private var isEscaped = false

    init(_ style: CallStyle) {
        self.style = style
        // An answer in these styles begins with what may be a call.
        state = [.llamaJSON, .pythonic, .recipient].contains(style) ? .call : .content
    }

    mutating func read(_ bytes: [UInt8]) -> [AnswerDelta] {
        guard style != .none else { return content(bytes) }
        held += bytes
        var deltas: [AnswerDelta] = []
        while !held.isEmpty, step(&deltas) {}
        return deltas
    }

    mutating func finish() -> [AnswerDelta] {
        var deltas: [AnswerDelta] = []
        if style == .pythonic, state == .call {
            let calls = PythonicCalls.parse(held)
            if let calls {
                for call in calls {
                    deltas += begin(call.name) + [.arguments(index: count - 1, call.arguments)]
                }
                return deltas
            }
        }
        if state == .call, name != nil {
            end(&deltas)
        } else if state != .behind {
            deltas += content(held)
        }
        held = []
        return deltas
    }

    // MARK: Steps

    /// Does what can be done with what is held; `false` if more is needed.
    private mutating func step(_ deltas: inout [AnswerDelta]) -> Bool {
        switch state {
        case .content: return findCall(&deltas)
        case .behind:
            held = Array(
                held.drop { Marks.isBlank($0) || $0 == UInt8(ascii: ";") || $0 == UInt8(ascii: ",") })
            guard !held.isEmpty else { return false }
            if held.starts(with: closing), !closing.isEmpty {
                held.removeFirst(closing.count)
                return true
            }
            if closing.starts(with: held) { return false }
            switch style {
            case .llamaJSON: state = held[0] == UInt8(ascii: "{") ? .call : .content
            case .mistral where held[0] == UInt8(ascii: "{"): state = .call
            case .mistral where held[0] == UInt8(ascii: "]"):
                held.removeFirst()
                state = .content
            default: state = .content
            }
            return true
        case .call:
            switch style {
            case .functionTag, .recipient: return readTagged(&deltas)
            case .pythonic: return isPythonic(&deltas)
            default: return scan(&deltas)
            }
        }
    }

    private var opening: [UInt8] {
        switch style {
        case .hermes: Array("<tool_call>".utf8)
        case .mistral: Array("[TOOL_CALLS]".utf8)
        case .functionTag: Array("<function=".utf8)
        case .recipient: Array(">>>".utf8)
        default: []
        }
    }

    private var closing: [UInt8] {
        switch style {
        case .hermes: Array("</tool_call>".utf8)
        case .functionTag: Array("</function>".utf8)
        default: []
        }
    }

    private mutating func findCall(_ deltas: inout [AnswerDelta]) -> Bool {
        let mark = opening
        guard !mark.isEmpty else {
            deltas += content(held)
            held = []
            return false
        }
        if let place = Marks.find(mark, in: held) {
            // Blanks before a call belong to it.
            var before = held[..<place]
            while let last = before.last, Marks.isBlank(last) { before.removeLast() }
            deltas += content(Array(before))
            held.removeFirst(place + mark.count)
            state = .call
            return true
        }
        var safe = Marks.safeCount(held, before: [mark])
        while safe > 0, Marks.isBlank(held[safe - 1]) { safe -= 1 }
        deltas += content(Array(held[..<safe]))
        held.removeFirst(safe)
        return false
    }

    private func content(_ bytes: [UInt8]) -> [AnswerDelta] {
        bytes.isEmpty ? [] : [.content(String(decoding: bytes, as: UTF8.self))]
    }

    // MARK: Calls as JSON objects

    private mutating func scan(_ deltas: inout [AnswerDelta]) -> Bool {
        for byte in held[scanned...] {
            scanned += 1
            if style == .mistral, scanner.state == .start, byte == UInt8(ascii: "[") { continue }
            let events = scanner.read(byte)
            for event in events { handle(event, &deltas) }
            if scanner.state == .failed || scanner.state == .done { break }
        }
        switch scanner.state {
        case .failed where name == nil, .done where name == nil:
            // No call after all; what is held is content, the mark included.
            deltas += content((style == .llamaJSON ? [] : opening) + held)
            held = []
            reset(.content)
            return false
        case .failed, .done:
            held.removeFirst(scanned)
            end(&deltas)
            return true
        case .start, .running:
            // Until the name is known, everything is kept: it may turn out to be content.
            if name != nil {
                held = []
                scanned = 0
                flush(&deltas)
            }
            return false
        }
    }

    private mutating func handle(_ event: CallScanner.Event, _ deltas: inout [AnswerDelta]) {
        switch event {
        case .identifier(let text): identifier = text
        case .name(let text):
            guard name == nil else { return }
            deltas += begin(text)
            arguments += early
            early = []
        case .arguments(let bytes):
            if name == nil { early += bytes } else { arguments += bytes }
        }
    }

    private mutating func begin(_ text: String) -> [AnswerDelta] {
        name = text
        count += 1
        return [.call(index: count - 1, name: text, id: identifier)]
    }

    /// Tells the arguments so far; pieces of an answer are whole characters, so these are, too.
    private mutating func flush(_ deltas: inout [AnswerDelta]) {
        guard !arguments.isEmpty else { return }
        hasArguments = true
        deltas.append(.arguments(index: count - 1, String(decoding: arguments, as: UTF8.self)))
        arguments = []
    }

    private mutating func end(_ deltas: inout [AnswerDelta]) {
        flush(&deltas)
        if !hasArguments { deltas.append(.arguments(index: count - 1, "{}")) }
        reset(.behind)
    }

    private mutating func reset(_ next: State) {
        state = next
        scanner = CallScanner()
        (name, identifier, early, hasArguments) = (nil, nil, [], false)
        (depth, inString, isEscaped) = (0, false, false)
        (arguments, scanned) = ([], 0)
    }

    // MARK: Calls whose name stands before the arguments

    private mutating func readTagged(_ deltas: inout [AnswerDelta]) -> Bool {
        if name == nil {
            let mark = style == .functionTag ? UInt8(ascii: ">") : UInt8(ascii: "\n")
            guard let place = held.firstIndex(of: mark) else { return false }
            let text = String(decoding: held[..<place], as: UTF8.self).stripped(nil)
            held.removeFirst(place + 1)
            if style == .recipient, text == "all" || text.isEmpty {
                reset(.content)
                return true
            }
            deltas += begin(text)
            return true
        }
        var used = 0
        var isOver = false
        for byte in held {
            used += 1
            if inString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    inString = false
                }
            } else if byte == UInt8(ascii: "\"") {
                inString = true
            } else if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") {
                depth += 1
            } else if byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") {
                depth -= 1
                isOver = depth <= 0
            }
            if isOver { break }
        }
        arguments += held[..<used]
        held.removeFirst(used)
        guard isOver else {
            flush(&deltas)
            return false
        }
        end(&deltas)
        return true
    }

    /// Keeps an answer that may be a list of calls until its end; anything else is content.
    private mutating func isPythonic(_ deltas: inout [AnswerDelta]) -> Bool {
        let text = held.drop { Marks.isBlank($0) }
        guard let first = text.first else { return false }
        let second = text.dropFirst().first { !Marks.isBlank($0) }
        let isName =
            second.map { $0 == UInt8(ascii: "_") || Unicode.Scalar($0).properties.isAlphabetic } ?? true
        if first == UInt8(ascii: "["), isName { return false }
        reset(.content)
        return true
    }
}

public import SwiftletTensor
public import Testing

/// Expects a ``SwiftletError`` of one kind whose message contains all `words`.
public func expectError(
    _ code: SwiftletError.Code, _ words: String..., sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Any?
) {
    expectError(code, words, sourceLocation: sourceLocation, body)
}

/// Expects a ``SwiftletError`` of one kind whose message contains all `words`.
public func expectError(
    _ code: SwiftletError.Code, _ words: [String], sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Any?
) {
    do {
        _ = try body()
        Issue.record("no error, expected \(words)", sourceLocation: sourceLocation)
    } catch let error as SwiftletError {
        #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
        for word in words {
            #expect(error.message.contains(word), "\(error)", sourceLocation: sourceLocation)
        }
    } catch {
        Issue.record("\(error)", sourceLocation: sourceLocation)
    }
}

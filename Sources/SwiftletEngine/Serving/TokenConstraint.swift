public import SwiftletText

/// Says which tokens may come next, as a grammar does.
///
/// A value: every choice of a request goes on with a copy of its own. Tokens that end the text count like others, so
/// that a constraint allows them where the text may end.
public protocol TokenConstraint: Sendable {
    /// The tokens that may come next: bit `id % 64` of word `id / 64`. Tokens behind the last word are forbidden.
    ///
    /// Asked once per token, before it is drawn; a list that was computed before costs nothing to return again.
    mutating func allowedTokens() -> [UInt64]

    /// Goes on behind a token that was drawn. Tokens that end the text are not told.
    mutating func accept(_ token: TokenID)
}

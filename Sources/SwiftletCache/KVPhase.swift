/// In which order prefill visits tokens and layers.
public enum KVPrefillOrder: Hashable, Sendable {
    /// A chunk of tokens goes through all layers, then the next chunk.
    case chunked
    /// All tokens go through one layer before the next, so that rows can be dropped between layers.
    case layerMajor
}

/// What a sequence is doing; told to policies, never guessed from the number of rows.
public enum KVPhase: Hashable, Sendable {
    /// The first prompt of a sequence.
    case prefill
    /// A prompt that continues a sequence.
    case laterTurn
    /// One generated token.
    case decode
    /// Several proposed tokens, some of which may be taken back.
    case verify
}

public import SwiftletTensor

/// A part of a policy that says what it remembers, so that a cache can be saved and go on later.
///
/// A part that says nothing cannot be saved: its policy is refused by name, rather than to go on differently. A part
/// that remembers nothing between calls is ``KVStateless``.
public protocol KVSavedState {
    /// Writes or reads everything that later calls depend on and that is not a setting.
    ///
    /// - Throws: `.unsupported` if the part cannot be saved, `.malformed` for what cannot be right.
    mutating func code(_ state: inout KVStateCoder) throws(SwiftletError)
}

extension KVSavedState {
    /// Refuses.
    public mutating func code(_ state: inout KVStateCoder) throws(SwiftletError) {
        throw SwiftletError(
            .unsupported, "\(Self.self) does not describe what it remembers, so its cache cannot be saved")
    }
}

/// A part of a policy whose answers depend on its settings and on what it is shown, and on nothing before.
public protocol KVStateless: KVSavedState {}

extension KVStateless {
    /// There is nothing to save.
    public mutating func code(_ state: inout KVStateCoder) throws(SwiftletError) {}
}

extension ExpectedAttentionSelector: KVStateless {}
extension HeavyHitterSelector: KVStateless {}
extension KeyNormSelector: KVStateless {}
extension ObservedAttentionSelector: KVStateless {}
extension RandomSelector: KVStateless {}
extension SnapKVSelector: KVStateless {}
extension StreamingSelector: KVStateless {}
extension TOVASelector: KVStateless {}

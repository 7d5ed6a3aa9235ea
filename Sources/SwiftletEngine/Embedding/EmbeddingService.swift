import Dispatch
public import SwiftletTensor
public import SwiftletText
import Synchronization

/// Embeds texts for many askers, one text after the other, on a thread of its own.
///
/// ```swift
/// let service = try EmbeddingService(model)
/// let vectors = try await service.embed([ids]).map(\.vector)
/// ```
public final class EmbeddingService: Sendable {
    /// The model.
    public let model: Model
    /// How tokens become a vector.
    public let pooling: Pooling
    /// Numbers per vector.
    public let dimension: Int
    private let embedder: Mutex<Embedder>
    private let queue = DispatchQueue(label: "swiftlet.embeddings")
    private let asked = Mutex(0)
    private let queueLimit: Int

    /// Gets ready.
    ///
    /// - Parameter queueLimit: most requests that wait.
    /// - Throws: what ``Embedder/init(_:_:)`` throws.
    public init(
        _ model: Model, _ options: Embedder.Options = Embedder.Options(), queueLimit: Int = 512
    ) throws(SwiftletError) {
        let embedder = try Embedder(model, options)
        self.model = model
        pooling = embedder.pooling
        dimension = embedder.dimension
        self.queueLimit = queueLimit
        self.embedder = Mutex(embedder)
    }

    /// Requests that are being worked on or wait.
    public var requestCount: Int { asked.withLock { $0 } }

    /// Embeds some texts, in order; other requests may come in between.
    ///
    /// - Parameters:
    ///   - texts: the tokens of each.
    ///   - isCancelled: asked before each; the others are not embedded then.
    /// - Returns: as many vectors as there are texts, unless it was cancelled.
    /// - Throws: what ``Embedder/embed(_:)-([TokenID])`` throws, `.busy` if too many requests wait.
    /// - Complexity: one pass through the model per text.
    public func embed(
        _ texts: [[TokenID]], isCancelled: @Sendable () -> Bool = { false }
    ) async throws(SwiftletError) -> [Embedding] {
        let isTaken = asked.withLock { asked in
            guard asked <= queueLimit else { return false }
            asked += 1
            return true
        }
        guard isTaken else {
            throw SwiftletError(
                .busy, "\(queueLimit) requests are waiting already, which is the most; try again later")
        }
        defer { asked.withLock { $0 -= 1 } }
        var embeddings: [Embedding] = []
        for text in texts where !isCancelled() { embeddings.append(try await embed(text)) }
        return embeddings
    }

    private func embed(_ text: [TokenID]) async throws(SwiftletError) -> Embedding {
        let result: Result<Embedding, SwiftletError> = await withCheckedContinuation { continuation in
            queue.async { [self] in
                continuation.resume(
                    returning: embedder.withLock { embedder in
                        do throws(SwiftletError) {
                            return .success(try embedder.embed(text))
                        } catch {
                            return .failure(error)
                        }
                    })
            }
        }
        return try result.get()
    }
}

import Dispatch
import Synchronization

/// Lets a command that is not asynchronous wait for work that is.
enum Blocking {
    /// Runs `body` on other threads and waits for it.
    static func run<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) throws -> Value {
        let result = Outcome<Value>()
        let done = DispatchSemaphore(value: 0)
        Task.detached {
            do {
                let value = try await body()
                result.value.withLock { $0 = .success(value) }
            } catch {
                result.value.withLock { $0 = .failure(error) }
            }
            done.signal()
        }
        done.wait()
        guard let result = result.value.withLock({ $0 }) else {
            preconditionFailure("the work ended without a result")
        }
        return try result.get()
    }

    private final class Outcome<Value: Sendable>: Sendable {
        let value = Mutex<Result<Value, any Error>?>(nil)
    }
}

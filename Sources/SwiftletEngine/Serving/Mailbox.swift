import Dispatch
import Synchronization

/// What other threads ask the thread of a scheduler to do; it sleeps while there is nothing.
final class Mailbox: Sendable {
    /// Something to do between two steps.
    typealias Order = @Sendable (ServingLoop) -> Void

    private struct State {
        var orders: [Order] = []
        var waiting = 0  // requests that were taken and have not been admitted
        var refused = 0
        var freeSlots: Int
        var isDraining = false
        var hasEnded = false  // no order is taken any more
        var isOver = false  // the thread has done its last one
        var whenEnded: [@Sendable () -> Void] = []
    }

    private let state: Mutex<State>
    private let arrivals = DispatchSemaphore(value: 0)

    /// - Parameter freeSlots: answers that can be written at the same time.
    init(freeSlots: Int) { state = Mutex(State(freeSlots: freeSlots)) }

    /// Adds an order.
    ///
    /// - Returns: false if nobody will do it any more.
    @discardableResult
    func post(_ order: @escaping Order) -> Bool {
        let isTaken = state.withLock { state in
            if !state.hasEnded { state.orders.append(order) }
            return !state.hasEnded
        }
        if isTaken { arrivals.signal() }
        return isTaken
    }

    /// What became of a request.
    enum Admission {
        case taken
        case full
        case draining
    }

    /// Adds an order that begins a request, unless too many wait.
    ///
    /// - Parameter limit: how many may wait beside those for which slots are free.
    func post(limit: Int, _ order: @escaping Order) -> Admission {
        let admission = state.withLock { state in
            if state.isDraining { return Admission.draining }
            guard state.waiting < limit + state.freeSlots else {
                state.refused += 1
                return .full
            }
            state.waiting += 1
            state.orders.append(order)
            return .taken
        }
        if admission == .taken { arrivals.signal() }
        return admission
    }

    /// A request waits no more.
    ///
    /// - Parameter freeSlots: slots that are free then.
    func leaveQueue(freeSlots: Int) {
        state.withLock { state in
            state.waiting -= 1
            state.freeSlots = freeSlots
        }
    }

    /// Slots have become free.
    func note(freeSlots: Int) { state.withLock { $0.freeSlots = freeSlots } }

    /// Requests that were taken and wait, and those that found no room.
    var counts: (waiting: Int, refused: Int) { state.withLock { ($0.waiting, $0.refused) } }

    /// Takes no more requests.
    func drain() {
        state.withLock { $0.isDraining = true }
        arrivals.signal()
    }

    /// Whether to sleep until there is something to do.
    enum Waiting {
        case not
        case forOrders
        /// Until there are orders, or no more requests.
        case forOrdersOrEnd
    }

    /// Everything that was posted since the last call, and whether there will be no more requests.
    func take(waits: Waiting) -> (orders: [Order], isDraining: Bool) {
        while true {
            let taken = state.withLock { state in
                defer { state.orders = [] }
                return (orders: state.orders, isDraining: state.isDraining)
            }
            let isEnd = taken.isDraining && waits == .forOrdersOrEnd
            if waits == .not || !taken.orders.isEmpty || isEnd { return taken }
            arrivals.wait()
        }
    }

    /// Ends the mailbox; hands out what was posted last.
    func end() -> [Order] {
        state.withLock { state in
            defer { state.orders = [] }
            state.hasEnded = true
            return state.orders
        }
    }

    /// Tells those who wait for the end; called when nothing is left to do.
    func tellEnd() {
        let waiters = state.withLock { state in
            defer { state.whenEnded = [] }
            state.isOver = true
            return state.whenEnded
        }
        for waiter in waiters { waiter() }
    }

    /// Calls `body` at the end, or now if that is over.
    func whenEnded(_ body: @escaping @Sendable () -> Void) {
        let isOver = state.withLock { state in
            if !state.isOver { state.whenEnded.append(body) }
            return state.isOver
        }
        if isOver { body() }
    }
}

/// A template that is ready to run.
struct Program: Sendable {
    let syntax: Syntax
    /// What every occurrence of a name refers to.
    let references: [Reference]
    let frames: [FramePlan]
    /// How many variables each function has.
    let slotCounts: [Int]
}

/// A variable as seen from the place where it is used.
struct Reference: Sendable {
    /// How many functions outward it lives.
    let hops: Int
    let slot: Int
}

/// What happens when a frame is entered and left.
struct FramePlan: Sendable {
    enum Start: Sendable {
        case resolve(String)
        case copy(Reference)
        case undefined
    }

    /// The function whose variables the frame uses.
    var function = 0
    /// The first values of variables that are neither parameters nor targets.
    var starts: [(slot: Int, value: Start)] = []
    /// All variables of the frame.
    var slots: [Int] = []
    /// The variable `loop` of a loop that uses it.
    var loop: Int?
    /// The variables of a macro that takes what has no parameter.
    var caller: Int?
    var keywords: Int?
    var extras: Int?
}

import SwiftletTensor

/// How far stored numbers are from the numbers they were made of.
package struct ConversionError: Hashable, Sendable {
    private var squaredNumbers = 0.0
    private var squaredErrors = 0.0
    private var largest = 0.0
    private var count = 0

    /// No numbers yet.
    package init() {}

    /// Root mean square of the errors over that of the numbers; 0 for none or for nothing but zeros.
    package var relativeRMS: Double { squaredNumbers > 0 ? (squaredErrors / squaredNumbers).squareRoot() : 0 }

    /// The largest error over the root mean square of the numbers; 0 for none or for nothing but zeros.
    package var relativeMaximum: Double {
        squaredNumbers > 0 ? largest / (squaredNumbers / Double(max(count, 1))).squareRoot() : 0
    }

    /// Adds what was counted of other numbers.
    package mutating func add(_ other: ConversionError) {
        squaredNumbers += other.squaredNumbers
        squaredErrors += other.squaredErrors
        largest = other.largest > largest || other.largest.isNaN ? other.largest : largest
        count += other.count
    }

    /// Adds numbers and what they read back as; a NaN in either gives a NaN.
    package mutating func add(
        _ numbers: UnsafeBufferPointer<Float>, storedAs back: UnsafeBufferPointer<Float>
    ) {
        precondition(numbers.count == back.count, "\(numbers.count) numbers, \(back.count) read back")
        for index in numbers.indices {
            let number = Double(numbers[index])
            let error = number == Double(back[index]) ? 0 : (number - Double(back[index])).magnitude
            squaredNumbers += number * number
            squaredErrors += error * error
            largest = error > largest || error.isNaN ? error : largest
        }
        count += numbers.count
    }
}

import Foundation
import SwiftletFormats
import SwiftletTensor

/// The results of a comparison on disk: a line for what is measured, then lines that are only ever appended.
///
/// Each batch of lines is synced before the next is measured. A last line that was torn by a kill is forgotten.
final class CompareLog {
    /// Name of the file in the report's directory.
    static let fileName = "results.jsonl"

    /// What was found.
    private(set) var records: [CompareRecord] = []
    private let path: String
    private let file: Int32

    /// Opens the log of a directory, which is made if it is missing.
    ///
    /// - Parameter plan: what is measured; a log of something else is refused.
    /// - Throws: `.unwritable` if the directory cannot be written or another process writes it; `.malformed` for a
    ///   damaged line; `.mismatch` for the log of another plan.
    init(directory: String, plan: String) throws(SwiftletError) {
        try System.makeDirectory(directory, mode: 0o777)
        path = "\(directory)/\(Self.fileName)"
        try System.checkPath(path, .unwritable)
        file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
        guard file >= 0 else {
            throw Self.failure(path, "cannot be opened for writing", "choose another directory")
        }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            throw SwiftletError(
                .unwritable,
                "\(path) is being written by another run; wait for it or choose another directory")
        }
        try recover(plan)
    }

    deinit { if file >= 0 { close(file) } }

    /// Adds records and waits until they are on disk.
    func append(_ new: [CompareRecord]) throws(SwiftletError) {
        guard !new.isEmpty else { return }
        try write(new.map { $0.line + "\n" }.joined())
        records += new
    }

    /// Reads what is there, and cuts off a torn line.
    private func recover(_ plan: String) throws(SwiftletError) {
        var bytes = try contents()
        let end = (bytes.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1
        if end < bytes.count {
            guard ftruncate(file, off_t(end)) == 0 else {
                throw Self.failure(path, "cannot be shortened", "choose another directory")
            }
            bytes.removeSubrange(end...)
        }
        guard !bytes.isEmpty else { return try write(plan + "\n") }
        for (index, line) in bytes.dropLast().split(
            separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false
        )
        .enumerated() {
            if index == 0 {
                guard line.elementsEqual(plan.utf8) else {
                    throw SwiftletError(
                        .mismatch,
                        "\(path) holds the results of another model, seed, set of tasks or way to cache; choose "
                            + "another directory, or begin anew with --force")
                }
                continue
            }
            guard let json = try? JSON.parse(Array(line), source: path), let record = CompareRecord(json)
            else {
                throw SwiftletError(
                    .malformed,
                    "\(path), line \(index + 1) is damaged; remove the line, or begin anew with --force")
            }
            records.append(record)
        }
    }

    private func contents() throws(SwiftletError) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = buffer.withUnsafeMutableBytes {
                pread(file, $0.baseAddress, $0.count, off_t(bytes.count))
            }
            if count == 0 { return bytes }
            if count > 0 {
                bytes += buffer[..<count]
            } else if errno != EINTR {
                throw Self.failure(path, "cannot be read", "choose another directory")
            }
        }
    }

    private func write(_ text: String) throws(SwiftletError) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Foundation.write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw Self.failure(path, "cannot be written", "free some space and go on")
            }
            rest = rest.dropFirst(count)
        }
        guard fsync(file) == 0 else {
            throw Self.failure(path, "cannot be synced", "free some space and go on")
        }
    }

    private static func failure(_ path: String, _ what: String, _ next: String) -> SwiftletError {
        SwiftletError(.unwritable, "\(path) \(what): \(System.message(errno)); \(next)")
    }

    /// Removes the log of a directory.
    static func remove(in directory: String) { System.remove("\(directory)/\(fileName)") }
}

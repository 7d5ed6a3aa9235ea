import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@Suite("GGUF models in several files")
struct GGUFPartTests {
    private let directory = TemporaryDirectory()

    private func part(_ index: Int, of count: Int = 3, tensors: Int? = 4) -> GGUFBytes {
        var file = GGUFBytes()
        file.metadata = [
            ("split.no", 2, GGUFBytes.integer(UInt16(index))),
            ("split.count", 2, GGUFBytes.integer(UInt16(count))),
        ]
        if let tensors {
            file.metadata.append(("split.tensors.count", 5, GGUFBytes.integer(Int32(tensors))))
        }
        if index == 0 { file.metadata.append(("general.name", 8, GGUFBytes.string("whole"))) }
        // Part 0 has no tensors, part 1 one, part 2 three of two numbers.
        file.tensors = (0..<[0, 1, 3][index]).map {
            .init(name: "t\(index)\($0)", offset: UInt64(32 * $0))
        }
        for place in 0..<file.tensors.count {
            let value = Float(10 * index + place).bitPattern
            file.data += GGUFBytes.integer(value) + GGUFBytes.integer(value)
            file.data += [UInt8](repeating: 0, count: 24)
        }
        return file
    }

    @discardableResult
    private func write(_ file: GGUFBytes, _ number: Int, _ stem: String = "m") -> String {
        directory.write(file.bytes, to: "\(stem)-0000\(number)-of-00003.gguf")
    }

    @Test("are opened by the name of the first")
    func opens() throws {
        let path = write(part(0), 1)
        write(part(1), 2)
        write(part(2), 3)
        let file = try GGUFFile(path: path)
        #expect(file.tensorNames == ["t10", "t20", "t21", "t22"] && file.holdsData)
        #expect(file.metadataKeys == ["general.name"] && file["split.count"]?.int == 3)
        #expect(file.tensors.map(\.part) == [1, 2, 2, 2])
        for (name, value) in [("t10", 10), ("t20", 20), ("t22", 22)] {
            #expect(try file.tensor(named: name)?.floats() == [Float(value), Float(value)])
        }
        #expect(try file.tensor(named: "t0") == nil)
    }

    @Test("are found in their directory")
    func located() throws {
        for (index, number) in [(0, 1), (1, 2), (2, 3)] { write(part(index), number) }
        #expect(
            try ModelLocator.resolve(directory.path, environment: [:])
                == .gguf("\(directory.path)/m-00001-of-00003.gguf"))
        write(part(0), 1, "other")
        expectError(.invalidArgument, "several models", directory.path) {
            try ModelLocator.resolve(directory.path, environment: [:])
        }
    }

    @Test("need all files, and name the one that is missing")
    func missing() {
        let path = write(part(0), 1)
        let third = write(part(2), 3)
        expectError(.missing, "part 2 of 3", "m-00002-of-00003.gguf") { try GGUFFile(path: path) }
        expectError(.missing, "name \(path)", third) { try GGUFFile(path: third) }
        let renamed = directory.write(part(0).bytes, to: "model.gguf")
        expectError(.missing, "must end in -00001-of-00003.gguf", renamed) { try GGUFFile(path: renamed) }
        let lone = part(1, tensors: nil).bytes
        lone.withUnsafeBytes { bytes in
            expectError(.unsupported, "one of 3 parts", "memory") {
                try GGUFFile(bytes: bytes, owner: Owner(), path: "memory")
            }
        }
    }

    @Test("must belong together")
    func together() {
        let path = write(part(0), 1)
        write(part(2), 3)
        let second = write(part(2), 2)
        expectError(.malformed, "does not say part 2 of 3", second) { try GGUFFile(path: path) }
        write(part(1, of: 2), 2)
        expectError(.malformed, "does not say part 2 of 3", second) { try GGUFFile(path: path) }
        var twice = part(1)
        twice.tensors[0].name = "t21"
        write(twice, 2)
        expectError(.malformed, "'t21' is in an earlier part", "m-00003-of-00003.gguf") {
            try GGUFFile(path: path)
        }
        write(part(1), 2)
        write(part(0, tensors: 5), 1)
        expectError(.malformed, "have 4 tensors, expected 5", path) { try GGUFFile(path: path) }
    }
}

private final class Owner: Sendable {}

import CDemoGuest
import Hypervisor
import Testing

@Suite("The demo guest on KVM", .enabled(if: hasKVM, "needs /dev/kvm"))
struct DemoGuestTests {
    @Test("prints its banner, the memory, a right sum and a prompt")
    func banner() throws {
        let machine = try DemoMachine()
        #expect(try machine.runUntil("ready> ") == .prompt)
        #expect(
            machine.output == "hvroot demo guest\r\nmemory 8 MiB\r\nsum ok 0xfb62fd03823eb000\r\nready> ")
    }

    @Test("is within its promised size")
    func size() { #expect((1...65_536).contains(hv_demo_guest_size())) }

    @Test("carries out commands and edits lines")
    func commands() throws {
        let machine = try DemoMachine()
        #expect(try machine.runUntil("ready> ") == .prompt)
        #expect(try machine.answer(to: "echo one two") == "echo one two\r\none two\r\nready> ")
        #expect(try machine.answer(to: "ehc\u{8}\u{7F}cho x") == "ehc\u{8} \u{8}\u{8} \u{8}cho x\r\nx\r\nready> ")
        #expect(try machine.answer(to: "nonsense") == "nonsense\r\n?\r\nready> ")
        #expect(try machine.answer(to: "helpful") == "helpful\r\n?\r\nready> ")
        #expect(try machine.answer(to: "") == "\r\nready> ")
        #expect(try machine.answer(to: "mem") == "mem\r\nmemory 8 MiB\r\nready> ")
        #expect(try machine.answer(to: "help").contains("powers the machine off"))
        #expect(try machine.answer(to: "time").hasPrefix("time\r\ntime 0x"))
        #expect(try machine.answer(to: String(repeating: "x", count: 300)).hasSuffix("x\r\n?\r\nready> "))
    }

    @Test("waits for input in HLT and not by polling")
    func waits() throws {
        let machine = try DemoMachine()
        #expect(try machine.runUntil("ready> ") == .prompt)
        let before = machine.exits
        #expect(try machine.runUntil("never", milliseconds: 300) == .ended(.interrupted))
        #expect(machine.exits - before < 20)
        // And wakes up from there.
        #expect(try machine.answer(to: "echo awake") == "echo awake\r\nawake\r\nready> ")
    }

    @Test(
        "ends as it is told",
        arguments: [
            ("poweroff", DemoMachine.Outcome.poweredOff), ("reset", .reset), ("exit 42", .exited(42)),
            ("crash", .ended(.unrecoverableException)),
        ])
    func ends(command: String, outcome: DemoMachine.Outcome) throws {
        let machine = try DemoMachine()
        #expect(try machine.runUntil("ready> ") == .prompt)
        try machine.type(command + "\n")
        #expect(try machine.runUntil("ready> ") == outcome)
    }

    @Test("powers off at the power button, also when it spins or halted", arguments: ["time", "spin", "halt"])
    func powerButton(command: String) throws {
        let machine = try DemoMachine()
        #expect(try machine.runUntil("ready> ") == .prompt)
        try machine.type(command + "\r")
        #expect(try machine.runUntil(command == "halt" ? "halted\r\n" : "ready> ") == .prompt)
        _ = try machine.runUntil("never", milliseconds: 100)
        try machine.pressPowerButton()
        #expect(try machine.runUntil("ready> ") == .poweredOff)
        #expect(machine.output.hasSuffix("power button\r\n"))
    }

    @Test("counts the processors that it starts", arguments: [1, 3])
    func processors(count: Int) throws {
        let machine = try DemoMachine(vpCount: count)
        #expect(try machine.runUntil("ready> ") == .prompt)
        #expect(try machine.answer(to: "smp") == "smp\r\ncpus \(count)\r\nready> ")
        #expect(try machine.answer(to: "smp") == "smp\r\ncpus \(count)\r\nready> ")
    }
}

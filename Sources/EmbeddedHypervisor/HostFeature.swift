/// Where CPUID says that a processor has a feature of HV_PARTITION_PROCESSOR_FEATURES or
/// HV_PARTITION_PROCESSOR_XSAVE_FEATURES. One that stands at two places is there where either of them says so.
struct HostFeature: Sendable {
    /// The name in the specification's headers.
    var name: String
    /// The bit in its bank.
    var position: Int
    var leaf: UInt32
    var subleaf: UInt32
    var register: CPUIDRegister
    var bit: UInt32

    private init(
        _ name: String, _ position: Int, _ leaf: UInt32, _ subleaf: UInt32, _ register: CPUIDRegister, _ bit: UInt32
    ) {
        self.name = name
        self.position = position
        self.leaf = leaf
        self.subleaf = subleaf
        self.register = register
        self.bit = bit
    }

    static let bank0: [HostFeature] = [
        HostFeature("sse3", 0, 0x1, 0, .ecx, 0),
        HostFeature("lahf_sahf", 1, 0x8000_0001, 0, .ecx, 0),
        HostFeature("ssse3", 2, 0x1, 0, .ecx, 9),
        HostFeature("sse4_1", 3, 0x1, 0, .ecx, 19),
        HostFeature("sse4_2", 4, 0x1, 0, .ecx, 20),
        HostFeature("sse4a", 5, 0x8000_0001, 0, .ecx, 6),
        HostFeature("xop", 6, 0x8000_0001, 0, .ecx, 11),
        HostFeature("pop_cnt", 7, 0x1, 0, .ecx, 23),
        HostFeature("cmpxchg16b", 8, 0x1, 0, .ecx, 13),
        HostFeature("altmovcr8", 9, 0x8000_0001, 0, .ecx, 4),
        HostFeature("lzcnt", 10, 0x8000_0001, 0, .ecx, 5),
        HostFeature("mis_align_sse", 11, 0x8000_0001, 0, .ecx, 7),
        HostFeature("mmx_ext", 12, 0x8000_0001, 0, .edx, 22),
        HostFeature("amd3dnow", 13, 0x8000_0001, 0, .edx, 31),
        HostFeature("extended_amd3dnow", 14, 0x8000_0001, 0, .edx, 30),
        HostFeature("page_1gb", 15, 0x8000_0001, 0, .edx, 26),
        HostFeature("aes", 16, 0x1, 0, .ecx, 25),
        HostFeature("pclmulqdq", 17, 0x1, 0, .ecx, 1),
        HostFeature("pcid", 18, 0x1, 0, .ecx, 17),
        HostFeature("fma4", 19, 0x8000_0001, 0, .ecx, 16),
        HostFeature("f16c", 20, 0x1, 0, .ecx, 29),
        HostFeature("rd_rand", 21, 0x1, 0, .ecx, 30),
        HostFeature("rd_wr_fs_gs", 22, 0x7, 0, .ebx, 0),
        HostFeature("smep", 23, 0x7, 0, .ebx, 7),
        HostFeature("enhanced_fast_string", 24, 0x7, 0, .ebx, 9),
        HostFeature("bmi1", 25, 0x7, 0, .ebx, 3),
        HostFeature("bmi2", 26, 0x7, 0, .ebx, 8),
        HostFeature("movbe", 29, 0x1, 0, .ecx, 22),
        HostFeature("dep_x87_fpu_save", 31, 0x7, 0, .ebx, 13),
        HostFeature("rd_seed", 32, 0x7, 0, .ebx, 18),
        HostFeature("adx", 33, 0x7, 0, .ebx, 19),
        HostFeature("intel_prefetch", 34, 0x8000_0001, 0, .ecx, 8),
        HostFeature("smap", 35, 0x7, 0, .ebx, 20),
        HostFeature("hle", 36, 0x7, 0, .ebx, 4),
        HostFeature("rtm", 37, 0x7, 0, .ebx, 11),
        HostFeature("rdtscp", 38, 0x8000_0001, 0, .edx, 27),
        HostFeature("clflushopt", 39, 0x7, 0, .ebx, 23),
        HostFeature("clwb", 40, 0x7, 0, .ebx, 24),
        HostFeature("sha", 41, 0x7, 0, .ebx, 29),
        HostFeature("x87_pointers_saved", 42, 0x8000_0008, 0, .ebx, 2),
        HostFeature("invpcid", 43, 0x7, 0, .ebx, 10),
        HostFeature("ibrs", 44, 0x7, 0, .edx, 26),
        HostFeature("ibrs", 44, 0x8000_0008, 0, .ebx, 14),
        HostFeature("stibp", 45, 0x7, 0, .edx, 27),
        HostFeature("stibp", 45, 0x8000_0008, 0, .ebx, 15),
        HostFeature("ibpb", 46, 0x7, 0, .edx, 26),
        HostFeature("ibpb", 46, 0x8000_0008, 0, .ebx, 12),
        HostFeature("mdd", 48, 0x7, 0, .edx, 31),
        HostFeature("mdd", 48, 0x8000_0008, 0, .ebx, 24),
        HostFeature("fast_short_rep_mov", 49, 0x7, 0, .edx, 4),
        HostFeature("l1dcache_flush", 50, 0x7, 0, .edx, 28),
        HostFeature("virt_spec_ctrl", 56, 0x8000_0008, 0, .ebx, 25),
        HostFeature("rd_pid", 57, 0x7, 0, .ecx, 22),
        HostFeature("umip", 58, 0x7, 0, .ecx, 2),
        HostFeature("mb_clear", 60, 0x7, 0, .edx, 10),
    ]

    static let bank1: [HostFeature] = [
        HostFeature("tsc_invariant", 1, 0x8000_0007, 0, .edx, 8),
        HostFeature("cl_zero", 2, 0x8000_0008, 0, .ebx, 0),
        HostFeature("rdpru", 3, 0x8000_0008, 0, .ebx, 4),
        HostFeature("la57", 4, 0x7, 0, .ecx, 16),
        HostFeature("psfd", 7, 0x8000_0008, 0, .ebx, 28),
        HostFeature("cet_ss", 8, 0x7, 0, .ecx, 7),
        HostFeature("cet_ibt", 9, 0x7, 0, .edx, 20),
        HostFeature("enqcmd", 11, 0x7, 0, .ecx, 29),
        HostFeature("umwait_tpause", 12, 0x7, 0, .ecx, 5),
        HostFeature("movdiri", 13, 0x7, 0, .ecx, 27),
        HostFeature("movdir64b", 14, 0x7, 0, .ecx, 28),
        HostFeature("cldemote", 15, 0x7, 0, .ecx, 25),
        HostFeature("serialize", 16, 0x7, 0, .edx, 14),
        HostFeature("tsc_deadline_tmr", 17, 0x1, 0, .ecx, 24),
        HostFeature("tsc_adjust", 18, 0x7, 0, .ebx, 1),
        HostFeature("fzlrep_movsb", 19, 0x7, 1, .eax, 10),
        HostFeature("fsrep_stosb", 20, 0x7, 1, .eax, 11),
        HostFeature("fsrep_cmpsb", 21, 0x7, 1, .eax, 12),
        HostFeature("btc_no", 29, 0x8000_0008, 0, .ebx, 29),
        HostFeature("stibp_always_on", 31, 0x8000_0008, 0, .ebx, 17),
        HostFeature("amd_processor_topology_node_id", 36, 0x8000_0001, 0, .ecx, 22),
        HostFeature("cmpccxadd", 40, 0x7, 1, .eax, 7),
        HostFeature("prefetch_i", 45, 0x7, 1, .edx, 14),
        HostFeature("sha512", 46, 0x7, 1, .eax, 0),
        HostFeature("sm3", 50, 0x7, 1, .eax, 1),
        HostFeature("sm4", 51, 0x7, 1, .eax, 2),
    ]

    static let xsave: [HostFeature] = [
        HostFeature("xsave", 0, 0x1, 0, .ecx, 26),
        HostFeature("xsaveopt", 1, 0xD, 1, .eax, 0),
        HostFeature("avx", 2, 0x1, 0, .ecx, 28),
        HostFeature("avx2", 3, 0x7, 0, .ebx, 5),
        HostFeature("fma", 4, 0x1, 0, .ecx, 12),
        HostFeature("mpx", 5, 0x7, 0, .ebx, 14),
        HostFeature("avx512", 6, 0x7, 0, .ebx, 16),
        HostFeature("avx512_dq", 7, 0x7, 0, .ebx, 17),
        HostFeature("avx512_cd", 8, 0x7, 0, .ebx, 28),
        HostFeature("avx512_bw", 9, 0x7, 0, .ebx, 30),
        HostFeature("avx512_vl", 10, 0x7, 0, .ebx, 31),
        HostFeature("xsave_comp", 11, 0xD, 1, .eax, 1),
        HostFeature("xsave_supervisor", 12, 0xD, 1, .eax, 3),
        HostFeature("xcr1", 13, 0xD, 1, .eax, 2),
        HostFeature("avx512_bitalg", 14, 0x7, 0, .ecx, 12),
        HostFeature("avx512_i_fma", 15, 0x7, 0, .ebx, 21),
        HostFeature("avx512_v_bmi", 16, 0x7, 0, .ecx, 1),
        HostFeature("avx512_v_bmi2", 17, 0x7, 0, .ecx, 6),
        HostFeature("avx512_vnni", 18, 0x7, 0, .ecx, 11),
        HostFeature("gfni", 19, 0x7, 0, .ecx, 8),
        HostFeature("vaes", 20, 0x7, 0, .ecx, 9),
        HostFeature("avx512_v_popcntdq", 21, 0x7, 0, .ecx, 14),
        HostFeature("vpclmulqdq", 22, 0x7, 0, .ecx, 10),
        HostFeature("avx512_bf16", 23, 0x7, 1, .eax, 5),
        HostFeature("avx512_vp2_intersect", 24, 0x7, 0, .edx, 8),
        HostFeature("avx512_fp16", 25, 0x7, 0, .edx, 23),
        HostFeature("xfd", 26, 0xD, 1, .eax, 4),
        HostFeature("amx_tile", 27, 0x7, 0, .edx, 24),
        HostFeature("amx_bf16", 28, 0x7, 0, .edx, 22),
        HostFeature("amx_int8", 29, 0x7, 0, .edx, 25),
        HostFeature("avx_vnni", 30, 0x7, 1, .eax, 4),
        HostFeature("avx_ifma", 31, 0x7, 1, .eax, 23),
        HostFeature("avx_ne_convert", 32, 0x7, 1, .edx, 5),
        HostFeature("avx_vnni_int8", 33, 0x7, 1, .edx, 4),
        HostFeature("avx_vnni_int16", 34, 0x7, 1, .edx, 10),
        HostFeature("amx_fp16", 37, 0x7, 1, .eax, 21),
        HostFeature("apx", 38, 0x7, 1, .edx, 21),
    ]
}

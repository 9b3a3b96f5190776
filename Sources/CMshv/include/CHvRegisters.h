// Registers as the hypervisor lays them out (include/hyperv of Linux, x86-64), in structures of our own.
#pragma once
#include "CMshvLayout.h"

struct hv_u128 {
    uint64_t low_part, high_part;
};
HV_SIZE(struct hv_u128, 16); HV_AT(struct hv_u128, high_part, 8);

// A segment register with its hidden part.
struct hv_x64_segment_register {
    uint64_t base;
    uint32_t limit;
    uint16_t selector;
    union {
        struct {
            uint16_t segment_type : 4, non_system_segment : 1, descriptor_privilege_level : 2, present : 1;
            uint16_t reserved : 4, available : 1, _long : 1, _default : 1, granularity : 1;
        };
        uint16_t attributes;
    };
};
HV_SIZE(struct hv_x64_segment_register, 16); HV_AT(struct hv_x64_segment_register, limit, 8);
HV_AT(struct hv_x64_segment_register, selector, 12); HV_AT(struct hv_x64_segment_register, attributes, 14);

// GDTR or IDTR.
struct hv_x64_table_register {
    uint16_t pad[3], limit;
    uint64_t base;
};
HV_SIZE(struct hv_x64_table_register, 16); HV_AT(struct hv_x64_table_register, limit, 6);
HV_AT(struct hv_x64_table_register, base, 8);

union hv_explicit_suspend_register {
    uint64_t as_uint64;
    struct {
        uint64_t suspended : 1, reserved : 63;
    };
};
HV_SIZE(union hv_explicit_suspend_register, 8);

union hv_intercept_suspend_register {
    uint64_t as_uint64;
    struct {
        uint64_t suspended : 1, reserved : 63;
    };
};
HV_SIZE(union hv_intercept_suspend_register, 8);

union hv_dispatch_suspend_register {
    uint64_t as_uint64;
    struct {
        uint64_t suspended : 1, reserved : 63;
    };
};
HV_SIZE(union hv_dispatch_suspend_register, 8);

union hv_internal_activity_register {
    uint64_t as_uint64;
    struct {
        uint64_t startup_suspend : 1, halt_suspend : 1, idle_suspend : 1, rsvd_z : 61;
    };
};
HV_SIZE(union hv_internal_activity_register, 8);

union hv_x64_interrupt_state_register {
    uint64_t as_uint64;
    struct {
        uint64_t interrupt_shadow : 1, nmi_masked : 1, reserved : 62;
    };
};
HV_SIZE(union hv_x64_interrupt_state_register, 8);

union hv_x64_pending_interruption_register {
    uint64_t as_uint64;
    struct {
        uint32_t interruption_pending : 1, interruption_type : 3, deliver_error_code : 1;
        uint32_t instruction_length : 4, nested_event : 1, reserved : 6, interruption_vector : 16;
        uint32_t error_code;
    };
};
HV_SIZE(union hv_x64_pending_interruption_register, 8);
HV_AT(union hv_x64_pending_interruption_register, error_code, 4);

union hv_x64_pending_exception_event {
    uint64_t as_uint64[2];
    struct {
        uint32_t event_pending : 1, event_type : 3, reserved0 : 4, deliver_error_code : 1, reserved1 : 7;
        uint32_t vector : 16;
        uint32_t error_code;
        uint64_t exception_parameter;
    };
};
HV_SIZE(union hv_x64_pending_exception_event, 16); HV_AT(union hv_x64_pending_exception_event, error_code, 4);
HV_AT(union hv_x64_pending_exception_event, exception_parameter, 8);

union hv_x64_fp_register {
    struct hv_u128 as_uint128;
    struct {
        uint64_t mantissa;
        uint64_t biased_exponent : 15, sign : 1, reserved : 48;
    };
};
HV_SIZE(union hv_x64_fp_register, 16);

union hv_x64_fp_control_status_register {
    struct hv_u128 as_uint128;
    struct {
        uint16_t fp_control, fp_status;
        uint8_t fp_tag, reserved;
        uint16_t last_fp_op;
        union {
            uint64_t last_fp_rip;
            struct {
                uint32_t last_fp_eip;
                uint16_t last_fp_cs, padding;
            };
        };
    };
};
HV_SIZE(union hv_x64_fp_control_status_register, 16); HV_AT(union hv_x64_fp_control_status_register, fp_status, 2);
HV_AT(union hv_x64_fp_control_status_register, fp_tag, 4);
HV_AT(union hv_x64_fp_control_status_register, reserved, 5);
HV_AT(union hv_x64_fp_control_status_register, last_fp_op, 6);
HV_AT(union hv_x64_fp_control_status_register, last_fp_rip, 8);
HV_AT(union hv_x64_fp_control_status_register, last_fp_eip, 8);
HV_AT(union hv_x64_fp_control_status_register, last_fp_cs, 12);
HV_AT(union hv_x64_fp_control_status_register, padding, 14);

union hv_x64_xmm_control_status_register {
    struct hv_u128 as_uint128;
    uint64_t last_fp_rdp;
    struct {
        uint32_t last_fp_dp;
        uint16_t last_fp_ds, padding;
        uint32_t xmm_status_control, xmm_status_control_mask;
    };
};
HV_SIZE(union hv_x64_xmm_control_status_register, 16); HV_AT(union hv_x64_xmm_control_status_register, last_fp_ds, 4);
HV_AT(union hv_x64_xmm_control_status_register, padding, 6);
HV_AT(union hv_x64_xmm_control_status_register, xmm_status_control, 8);
HV_AT(union hv_x64_xmm_control_status_register, xmm_status_control_mask, 12);

// Any register. The members for arm64 are left out.
union hv_register_value {
    struct hv_u128 reg128;
    uint64_t reg64;
    uint32_t reg32;
    uint16_t reg16;
    uint8_t reg8;
    struct hv_x64_segment_register segment;
    struct hv_x64_table_register table;
    union hv_explicit_suspend_register explicit_suspend;
    union hv_intercept_suspend_register intercept_suspend;
    union hv_dispatch_suspend_register dispatch_suspend;
    union hv_x64_interrupt_state_register interrupt_state;
    union hv_x64_pending_interruption_register pending_interruption;
    union hv_internal_activity_register internal_activity;
    union hv_x64_pending_exception_event pending_exception_event;
    union hv_x64_fp_register fp;
    union hv_x64_fp_control_status_register fp_control_status;
    union hv_x64_xmm_control_status_register xmm_control_status;
};
HV_SIZE(union hv_register_value, 16);

// A register and its value: what HVCALL_SET_VP_REGISTERS takes and MSHV_GET_VP_REGISTERS fills.
struct hv_register_assoc {
    uint32_t name, reserved1;
    uint64_t reserved2;
    union hv_register_value value;
};
HV_SIZE(struct hv_register_assoc, 32); HV_AT(struct hv_register_assoc, reserved1, 4);
HV_AT(struct hv_register_assoc, reserved2, 8); HV_AT(struct hv_register_assoc, value, 16);

// XCR0.
union hv_x64_xsave_xfem_register {
    uint64_t as_uint64;
    struct {
        uint32_t low_uint32, high_uint32;
    };
    struct {
        uint64_t legacy_x87 : 1, legacy_sse : 1, avx : 1, mpx_bndreg : 1, mpx_bndcsr : 1, avx_512_op_mask : 1;
        uint64_t avx_512_zmmhi : 1, avx_512_zmm16_31 : 1, rsvd8_9 : 2, pasid : 1, cet_u : 1, cet_s : 1;
        uint64_t rsvd13_16 : 4, xtile_cfg : 1, xtile_data : 1, rsvd19_63 : 45;
    };
};
HV_SIZE(union hv_x64_xsave_xfem_register, 8); HV_AT(union hv_x64_xsave_xfem_register, high_uint32, 4);

union hv_vp_register_page_interrupt_vectors {
    uint64_t as_uint64;
    struct {
        uint8_t vector_count, vector[7];
    };
};
HV_SIZE(union hv_vp_register_page_interrupt_vectors, 8);
HV_AT(union hv_vp_register_page_interrupt_vectors, vector, 1);

// The page that a VP's descriptor maps at MSHV_VP_MMAP_OFFSET_REGISTERS. The headers of Linux before
// its fix (48fcc895403c) lacked `reserved`, and had all from xmm0 on 8 bytes lower than the hypervisor does.
struct hv_vp_register_page {
    uint16_t version;
    uint8_t isvalid, rsvdz;
    uint32_t dirty;
    union {
        struct {
            union {
                struct {
                    uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
                };
                uint64_t gp_registers[16];
            };
            uint64_t rip, rflags;
        };
        uint64_t registers[18];
    };
    uint8_t reserved[8];
    union {
        struct {
            struct hv_u128 xmm0, xmm1, xmm2, xmm3, xmm4, xmm5;
        };
        struct hv_u128 xmm_registers[6];
    };
    union {
        struct {
            struct hv_x64_segment_register es, cs, ss, ds, fs, gs;
        };
        struct hv_x64_segment_register segment_registers[6];
    };
    uint64_t cr0, cr3, cr4, cr8, efer, dr7;
    union hv_x64_pending_interruption_register pending_interruption;
    union hv_x64_interrupt_state_register interrupt_state;
    uint64_t instruction_emulation_hints, xfem;
    uint8_t reserved1[256];
    union hv_vp_register_page_interrupt_vectors interrupt_vectors;
};
HV_SIZE(struct hv_vp_register_page, 696); HV_AT(struct hv_vp_register_page, isvalid, 2);
HV_AT(struct hv_vp_register_page, rsvdz, 3); HV_AT(struct hv_vp_register_page, dirty, 4);
HV_AT(struct hv_vp_register_page, rax, 8); HV_AT(struct hv_vp_register_page, rcx, 16);
HV_AT(struct hv_vp_register_page, rdx, 24); HV_AT(struct hv_vp_register_page, rbx, 32);
HV_AT(struct hv_vp_register_page, rsp, 40); HV_AT(struct hv_vp_register_page, rbp, 48);
HV_AT(struct hv_vp_register_page, rsi, 56); HV_AT(struct hv_vp_register_page, rdi, 64);
HV_AT(struct hv_vp_register_page, r8, 72); HV_AT(struct hv_vp_register_page, r9, 80);
HV_AT(struct hv_vp_register_page, r10, 88); HV_AT(struct hv_vp_register_page, r11, 96);
HV_AT(struct hv_vp_register_page, r12, 104); HV_AT(struct hv_vp_register_page, r13, 112);
HV_AT(struct hv_vp_register_page, r14, 120); HV_AT(struct hv_vp_register_page, r15, 128);
HV_AT(struct hv_vp_register_page, gp_registers, 8); HV_AT(struct hv_vp_register_page, rip, 136);
HV_AT(struct hv_vp_register_page, rflags, 144); HV_AT(struct hv_vp_register_page, registers, 8);
HV_AT(struct hv_vp_register_page, reserved, 152); HV_AT(struct hv_vp_register_page, xmm0, 160);
HV_AT(struct hv_vp_register_page, xmm1, 176); HV_AT(struct hv_vp_register_page, xmm2, 192);
HV_AT(struct hv_vp_register_page, xmm3, 208); HV_AT(struct hv_vp_register_page, xmm4, 224);
HV_AT(struct hv_vp_register_page, xmm5, 240); HV_AT(struct hv_vp_register_page, xmm_registers, 160);
HV_AT(struct hv_vp_register_page, es, 256); HV_AT(struct hv_vp_register_page, cs, 272);
HV_AT(struct hv_vp_register_page, ss, 288); HV_AT(struct hv_vp_register_page, ds, 304);
HV_AT(struct hv_vp_register_page, fs, 320); HV_AT(struct hv_vp_register_page, gs, 336);
HV_AT(struct hv_vp_register_page, segment_registers, 256); HV_AT(struct hv_vp_register_page, cr0, 352);
HV_AT(struct hv_vp_register_page, cr3, 360); HV_AT(struct hv_vp_register_page, cr4, 368);
HV_AT(struct hv_vp_register_page, cr8, 376); HV_AT(struct hv_vp_register_page, efer, 384);
HV_AT(struct hv_vp_register_page, dr7, 392); HV_AT(struct hv_vp_register_page, pending_interruption, 400);
HV_AT(struct hv_vp_register_page, interrupt_state, 408);
HV_AT(struct hv_vp_register_page, instruction_emulation_hints, 416); HV_AT(struct hv_vp_register_page, xfem, 424);
HV_AT(struct hv_vp_register_page, reserved1, 432); HV_AT(struct hv_vp_register_page, interrupt_vectors, 688);

// Pages and buffers that the hypervisor shares with a root: the state of a VP's parts, SynIC pages, statistics.
#pragma once
#include "CHvRegisters.h"

// MSHV_VP_STATE_LAPIC.
struct hv_local_interrupt_controller_state {
    uint32_t apic_id, apic_version, apic_ldr, apic_dfr, apic_spurious, apic_isr[8], apic_tmr[8], apic_irr[8];
    uint32_t apic_esr, apic_icr_high, apic_icr_low, apic_lvt_timer, apic_lvt_thermal, apic_lvt_perfmon;
    uint32_t apic_lvt_lint0, apic_lvt_lint1, apic_lvt_error, apic_lvt_cmci, apic_error_status;
    uint32_t apic_initial_count, apic_counter_value, apic_divide_configuration, apic_remote_read;
};
HV_SIZE(struct hv_local_interrupt_controller_state, 176);
HV_AT(struct hv_local_interrupt_controller_state, apic_version, 4);
HV_AT(struct hv_local_interrupt_controller_state, apic_ldr, 8);
HV_AT(struct hv_local_interrupt_controller_state, apic_dfr, 12);
HV_AT(struct hv_local_interrupt_controller_state, apic_spurious, 16);
HV_AT(struct hv_local_interrupt_controller_state, apic_isr, 20);
HV_AT(struct hv_local_interrupt_controller_state, apic_tmr, 52);
HV_AT(struct hv_local_interrupt_controller_state, apic_irr, 84);
HV_AT(struct hv_local_interrupt_controller_state, apic_esr, 116);
HV_AT(struct hv_local_interrupt_controller_state, apic_icr_high, 120);
HV_AT(struct hv_local_interrupt_controller_state, apic_icr_low, 124);
HV_AT(struct hv_local_interrupt_controller_state, apic_lvt_timer, 128);
HV_AT(struct hv_local_interrupt_controller_state, apic_lvt_thermal, 132);
HV_AT(struct hv_local_interrupt_controller_state, apic_lvt_perfmon, 136);
HV_AT(struct hv_local_interrupt_controller_state, apic_lvt_lint0, 140);
HV_AT(struct hv_local_interrupt_controller_state, apic_lvt_lint1, 144);
HV_AT(struct hv_local_interrupt_controller_state, apic_lvt_error, 148);
HV_AT(struct hv_local_interrupt_controller_state, apic_lvt_cmci, 152);
HV_AT(struct hv_local_interrupt_controller_state, apic_error_status, 156);
HV_AT(struct hv_local_interrupt_controller_state, apic_initial_count, 160);
HV_AT(struct hv_local_interrupt_controller_state, apic_counter_value, 164);
HV_AT(struct hv_local_interrupt_controller_state, apic_divide_configuration, 168);
HV_AT(struct hv_local_interrupt_controller_state, apic_remote_read, 172);

struct hv_stimer_state {
    struct {
        uint32_t undelivered_msg_pending : 1, reserved : 31;
    } flags;
    uint32_t resvd;
    uint64_t config, count, adjustment, undelivered_exp_time;
};
HV_SIZE(struct hv_stimer_state, 40); HV_AT(struct hv_stimer_state, resvd, 4);
HV_AT(struct hv_stimer_state, config, 8); HV_AT(struct hv_stimer_state, count, 16);
HV_AT(struct hv_stimer_state, adjustment, 24); HV_AT(struct hv_stimer_state, undelivered_exp_time, 32);

// MSHV_VP_STATE_SYNTHETIC_TIMERS.
struct hv_synthetic_timers_state {
    struct hv_stimer_state timers[4];
    uint64_t reserved[5];
};
HV_SIZE(struct hv_synthetic_timers_state, 200); HV_AT(struct hv_synthetic_timers_state, reserved, 160);

union hv_synic_event_flags {
    uint8_t flags8[256];
    uint32_t flags32[64];
    uint64_t flags[32];
};
HV_SIZE(union hv_synic_event_flags, 256);

// MSHV_VP_STATE_SIEFP.
struct hv_synic_event_flags_page {
    union hv_synic_event_flags event_flags[16];
};
HV_SIZE(struct hv_synic_event_flags_page, 4096);

struct hv_synic_event_ring {
    uint8_t signal_masked, ring_full;
    uint16_t reserved_z;
    uint32_t data[63];
};
HV_SIZE(struct hv_synic_event_ring, 256); HV_AT(struct hv_synic_event_ring, ring_full, 1);
HV_AT(struct hv_synic_event_ring, reserved_z, 2); HV_AT(struct hv_synic_event_ring, data, 4);

struct hv_synic_event_ring_page {
    struct hv_synic_event_ring sint_event_ring[16];
};
HV_SIZE(struct hv_synic_event_ring_page, 4096);

union hv_synic_sint {
    uint64_t as_uint64;
    struct {
        uint64_t vector : 8, reserved1 : 8, masked : 1, auto_eoi : 1, polling : 1, as_intercept : 1;
        uint64_t proxy : 1, reserved2 : 43;
    };
};
HV_SIZE(union hv_synic_sint, 8);

union hv_synic_simp {
    uint64_t as_uint64;
    struct {
        uint64_t simp_enabled : 1, preserved : 11, base_simp_gpa : 52;
    };
};
HV_SIZE(union hv_synic_simp, 8);

union hv_synic_siefp {
    uint64_t as_uint64;
    struct {
        uint64_t siefp_enabled : 1, preserved : 11, base_siefp_gpa : 52;
    };
};
HV_SIZE(union hv_synic_siefp, 8);

union hv_synic_scontrol {
    uint64_t as_uint64;
    struct {
        uint64_t enable : 1, reserved : 63;
    };
};
HV_SIZE(union hv_synic_scontrol, 8);

// A page of counters: entry 0 is reserved, the others are those of StatisticsCounters.swift.
struct hv_stats_page {
    uint64_t data[512];
};
HV_SIZE(struct hv_stats_page, 4096);

union hv_interrupt_control {
    uint64_t as_uint64;
    struct {
        uint32_t interrupt_type;
        uint32_t level_triggered : 1, logical_dest_mode : 1, rsvd : 30;
    };
};
HV_SIZE(union hv_interrupt_control, 8);

union hv_intercept_parameters {
    uint64_t as_uint64;
    uint16_t io_port;
    uint32_t cpuid_index, apic_write_mask;
    uint16_t exception_vector;
    uint32_t msr_index;
};
HV_SIZE(union hv_intercept_parameters, 8);

struct hv_register_x64_cpuid_result_parameters {
    struct {
        uint32_t eax, ecx;
        uint8_t subleaf_specific, always_override;
        uint16_t padding;
    } input;
    struct {
        uint32_t eax, eax_mask, ebx, ebx_mask, ecx, ecx_mask, edx, edx_mask;
    } result;
};
HV_SIZE(struct hv_register_x64_cpuid_result_parameters, 44);
HV_AT(struct hv_register_x64_cpuid_result_parameters, input.eax, 0);
HV_AT(struct hv_register_x64_cpuid_result_parameters, input.ecx, 4);
HV_AT(struct hv_register_x64_cpuid_result_parameters, input.subleaf_specific, 8);
HV_AT(struct hv_register_x64_cpuid_result_parameters, input.always_override, 9);
HV_AT(struct hv_register_x64_cpuid_result_parameters, input.padding, 10);
HV_AT(struct hv_register_x64_cpuid_result_parameters, result, 12);
HV_AT(struct hv_register_x64_cpuid_result_parameters, result.eax, 12);
HV_AT(struct hv_register_x64_cpuid_result_parameters, result.eax_mask, 16);
HV_AT(struct hv_register_x64_cpuid_result_parameters, result.ebx, 20);
HV_AT(struct hv_register_x64_cpuid_result_parameters, result.ebx_mask, 24);
HV_AT(struct hv_register_x64_cpuid_result_parameters, result.ecx, 28);
HV_AT(struct hv_register_x64_cpuid_result_parameters, result.ecx_mask, 32);
HV_AT(struct hv_register_x64_cpuid_result_parameters, result.edx, 36);
HV_AT(struct hv_register_x64_cpuid_result_parameters, result.edx_mask, 40);

struct hv_register_x64_msr_result_parameters {
    uint32_t msr_index, access_type, action;
};
HV_SIZE(struct hv_register_x64_msr_result_parameters, 12);
HV_AT(struct hv_register_x64_msr_result_parameters, access_type, 4);
HV_AT(struct hv_register_x64_msr_result_parameters, action, 8);

union hv_register_intercept_result_parameters {
    struct hv_register_x64_cpuid_result_parameters cpuid;
    struct hv_register_x64_msr_result_parameters msr;
};
HV_SIZE(union hv_register_intercept_result_parameters, 44);

union hv_translate_gva_result {
    uint64_t as_uint64;
    struct {
        uint32_t result_code;
        uint32_t cache_type : 8, overlay_page : 1, reserved : 23;
    };
};
HV_SIZE(union hv_translate_gva_result, 8);

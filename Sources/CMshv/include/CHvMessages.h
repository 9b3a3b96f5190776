// The 256-byte messages of the hypervisor: what MSHV_RUN_VP returns, and what a SynIC message page holds.
#pragma once
#include "CHvRegisters.h"

union hv_port_id {
    uint32_t asu32;
    struct {
        uint32_t id : 24, reserved : 8;
    } u;
};
HV_SIZE(union hv_port_id, 4);

union hv_message_flags {
    uint8_t asu8;
    struct {
        uint8_t msg_pending : 1, reserved : 7;
    };
};
HV_SIZE(union hv_message_flags, 1);

struct hv_message_header {
    uint32_t message_type;
    uint8_t payload_size;
    union hv_message_flags message_flags;
    uint8_t reserved[2];
    union {
        uint64_t sender;
        union hv_port_id port;
    };
};
HV_SIZE(struct hv_message_header, 16); HV_AT(struct hv_message_header, payload_size, 4);
HV_AT(struct hv_message_header, message_flags, 5); HV_AT(struct hv_message_header, reserved, 6);
HV_AT(struct hv_message_header, sender, 8); HV_AT(struct hv_message_header, port, 8);

// A message: header, and up to 240 bytes of payload of which header.payload_size are valid.
struct hv_message {
    struct hv_message_header header;
    union {
        uint64_t payload[30];
    } u;
};
HV_SIZE(struct hv_message, 256); HV_AT(struct hv_message, u, 16); HV_AT(struct hv_message, u.payload, 16);

// The SynIC message page: a slot for each SINT.
struct hv_message_page {
    struct hv_message sint_message[16];
};
HV_SIZE(struct hv_message_page, 4096);

struct hv_notification_message_payload {
    uint32_t sint_index;
};
HV_SIZE(struct hv_notification_message_payload, 4);

struct hv_timer_message_payload {
    uint32_t timer_index, reserved;
    uint64_t expiration_time, delivery_time;
};
HV_SIZE(struct hv_timer_message_payload, 24); HV_AT(struct hv_timer_message_payload, reserved, 4);
HV_AT(struct hv_timer_message_payload, expiration_time, 8); HV_AT(struct hv_timer_message_payload, delivery_time, 16);

struct hv_async_completion_message_payload {
    uint64_t partition_id;
    uint32_t status, completion_count;
    uint64_t sub_status;
};
HV_SIZE(struct hv_async_completion_message_payload, 24); HV_AT(struct hv_async_completion_message_payload, status, 8);
HV_AT(struct hv_async_completion_message_payload, completion_count, 12);
HV_AT(struct hv_async_completion_message_payload, sub_status, 16);

union hv_x64_vp_execution_state {
    uint16_t as_uint16;
    struct {
        uint16_t cpl : 2, cr0_pe : 1, cr0_am : 1, efer_lma : 1, debug_active : 1, interruption_pending : 1;
        uint16_t vtl : 4, enclave_mode : 1, interrupt_shadow : 1, virtualization_fault_active : 1;
        uint16_t reserved : 2;
    };
};
HV_SIZE(union hv_x64_vp_execution_state, 2);

// How the messages of most intercepts begin.
struct hv_x64_intercept_message_header {
    uint32_t vp_index;
    uint8_t instruction_length : 4, cr8 : 4;
    uint8_t intercept_access_type;
    union hv_x64_vp_execution_state execution_state;
    struct hv_x64_segment_register cs_segment;
    uint64_t rip, rflags;
};
HV_SIZE(struct hv_x64_intercept_message_header, 40);
HV_AT(struct hv_x64_intercept_message_header, intercept_access_type, 5);
HV_AT(struct hv_x64_intercept_message_header, execution_state, 6);
HV_AT(struct hv_x64_intercept_message_header, cs_segment, 8); HV_AT(struct hv_x64_intercept_message_header, rip, 24);
HV_AT(struct hv_x64_intercept_message_header, rflags, 32);

union hv_x64_memory_access_info {
    uint8_t as_uint8;
    struct {
        uint8_t gva_valid : 1, gva_gpa_valid : 1, hypercall_output_pending : 1, tlb_locked_no_overlay : 1;
        uint8_t reserved : 4;
    };
};
HV_SIZE(union hv_x64_memory_access_info, 1);

struct hv_x64_memory_intercept_message {
    struct hv_x64_intercept_message_header header;
    uint32_t cache_type;
    uint8_t instruction_byte_count;
    union hv_x64_memory_access_info memory_access_info;
    uint8_t tpr_priority, reserved1;
    uint64_t guest_virtual_address, guest_physical_address;
    uint8_t instruction_bytes[16];
};
HV_SIZE(struct hv_x64_memory_intercept_message, 80); HV_AT(struct hv_x64_memory_intercept_message, cache_type, 40);
HV_AT(struct hv_x64_memory_intercept_message, instruction_byte_count, 44);
HV_AT(struct hv_x64_memory_intercept_message, memory_access_info, 45);
HV_AT(struct hv_x64_memory_intercept_message, tpr_priority, 46);
HV_AT(struct hv_x64_memory_intercept_message, reserved1, 47);
HV_AT(struct hv_x64_memory_intercept_message, guest_virtual_address, 48);
HV_AT(struct hv_x64_memory_intercept_message, guest_physical_address, 56);
HV_AT(struct hv_x64_memory_intercept_message, instruction_bytes, 64);

union hv_x64_io_port_access_info {
    uint8_t as_uint8;
    struct {
        uint8_t access_size : 3, string_op : 1, rep_prefix : 1, reserved : 3;
    };
};
HV_SIZE(union hv_x64_io_port_access_info, 1);

struct hv_x64_io_port_intercept_message {
    struct hv_x64_intercept_message_header header;
    uint16_t port_number;
    union hv_x64_io_port_access_info access_info;
    uint8_t instruction_byte_count;
    uint32_t reserved;
    uint64_t rax;
    uint8_t instruction_bytes[16];
    struct hv_x64_segment_register ds_segment, es_segment;
    uint64_t rcx, rsi, rdi;
};
HV_SIZE(struct hv_x64_io_port_intercept_message, 128);
HV_AT(struct hv_x64_io_port_intercept_message, port_number, 40);
HV_AT(struct hv_x64_io_port_intercept_message, access_info, 42);
HV_AT(struct hv_x64_io_port_intercept_message, instruction_byte_count, 43);
HV_AT(struct hv_x64_io_port_intercept_message, reserved, 44); HV_AT(struct hv_x64_io_port_intercept_message, rax, 48);
HV_AT(struct hv_x64_io_port_intercept_message, instruction_bytes, 56);
HV_AT(struct hv_x64_io_port_intercept_message, ds_segment, 72);
HV_AT(struct hv_x64_io_port_intercept_message, es_segment, 88);
HV_AT(struct hv_x64_io_port_intercept_message, rcx, 104); HV_AT(struct hv_x64_io_port_intercept_message, rsi, 112);
HV_AT(struct hv_x64_io_port_intercept_message, rdi, 120);

struct hv_x64_msr_intercept_message {
    struct hv_x64_intercept_message_header header;
    uint32_t msr_number, reserved;
    uint64_t rdx, rax;
};
HV_SIZE(struct hv_x64_msr_intercept_message, 64); HV_AT(struct hv_x64_msr_intercept_message, msr_number, 40);
HV_AT(struct hv_x64_msr_intercept_message, reserved, 44); HV_AT(struct hv_x64_msr_intercept_message, rdx, 48);
HV_AT(struct hv_x64_msr_intercept_message, rax, 56);

struct hv_x64_cpuid_intercept_message {
    struct hv_x64_intercept_message_header header;
    uint64_t rax, rcx, rdx, rbx, default_result_rax, default_result_rcx, default_result_rdx;
    uint64_t default_result_rbx;
};
HV_SIZE(struct hv_x64_cpuid_intercept_message, 104); HV_AT(struct hv_x64_cpuid_intercept_message, rax, 40);
HV_AT(struct hv_x64_cpuid_intercept_message, rcx, 48); HV_AT(struct hv_x64_cpuid_intercept_message, rdx, 56);
HV_AT(struct hv_x64_cpuid_intercept_message, rbx, 64);
HV_AT(struct hv_x64_cpuid_intercept_message, default_result_rax, 72);
HV_AT(struct hv_x64_cpuid_intercept_message, default_result_rcx, 80);
HV_AT(struct hv_x64_cpuid_intercept_message, default_result_rdx, 88);
HV_AT(struct hv_x64_cpuid_intercept_message, default_result_rbx, 96);

union hv_x64_exception_info {
    uint8_t as_uint8;
    struct {
        uint8_t error_code_valid : 1, software_exception : 1, reserved : 6;
    };
};
HV_SIZE(union hv_x64_exception_info, 1);

struct hv_x64_exception_intercept_message {
    struct hv_x64_intercept_message_header header;
    uint16_t exception_vector;
    union hv_x64_exception_info exception_info;
    uint8_t instruction_byte_count;
    uint32_t error_code;
    uint64_t exception_parameter, reserved;
    uint8_t instruction_bytes[16];
    struct hv_x64_segment_register ds_segment, ss_segment;
    uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
};
HV_SIZE(struct hv_x64_exception_intercept_message, 240);
HV_AT(struct hv_x64_exception_intercept_message, exception_vector, 40);
HV_AT(struct hv_x64_exception_intercept_message, exception_info, 42);
HV_AT(struct hv_x64_exception_intercept_message, instruction_byte_count, 43);
HV_AT(struct hv_x64_exception_intercept_message, error_code, 44);
HV_AT(struct hv_x64_exception_intercept_message, exception_parameter, 48);
HV_AT(struct hv_x64_exception_intercept_message, reserved, 56);
HV_AT(struct hv_x64_exception_intercept_message, instruction_bytes, 64);
HV_AT(struct hv_x64_exception_intercept_message, ds_segment, 80);
HV_AT(struct hv_x64_exception_intercept_message, ss_segment, 96);
HV_AT(struct hv_x64_exception_intercept_message, rax, 112);
HV_AT(struct hv_x64_exception_intercept_message, rcx, 120);
HV_AT(struct hv_x64_exception_intercept_message, rdx, 128);
HV_AT(struct hv_x64_exception_intercept_message, rbx, 136);
HV_AT(struct hv_x64_exception_intercept_message, rsp, 144);
HV_AT(struct hv_x64_exception_intercept_message, rbp, 152);
HV_AT(struct hv_x64_exception_intercept_message, rsi, 160);
HV_AT(struct hv_x64_exception_intercept_message, rdi, 168); HV_AT(struct hv_x64_exception_intercept_message, r8, 176);
HV_AT(struct hv_x64_exception_intercept_message, r9, 184); HV_AT(struct hv_x64_exception_intercept_message, r10, 192);
HV_AT(struct hv_x64_exception_intercept_message, r11, 200);
HV_AT(struct hv_x64_exception_intercept_message, r12, 208);
HV_AT(struct hv_x64_exception_intercept_message, r13, 216);
HV_AT(struct hv_x64_exception_intercept_message, r14, 224);
HV_AT(struct hv_x64_exception_intercept_message, r15, 232);

struct hv_x64_hypercall_intercept_message {
    struct hv_x64_intercept_message_header header;
    uint64_t rax, rbx, rcx, rdx, r8, rsi, rdi;
    struct hv_u128 xmmregisters[6];
    uint32_t isolated : 1, reserved : 31;
} __attribute__((packed));
HV_SIZE(struct hv_x64_hypercall_intercept_message, 196); HV_AT(struct hv_x64_hypercall_intercept_message, rax, 40);
HV_AT(struct hv_x64_hypercall_intercept_message, rbx, 48); HV_AT(struct hv_x64_hypercall_intercept_message, rcx, 56);
HV_AT(struct hv_x64_hypercall_intercept_message, rdx, 64); HV_AT(struct hv_x64_hypercall_intercept_message, r8, 72);
HV_AT(struct hv_x64_hypercall_intercept_message, rsi, 80); HV_AT(struct hv_x64_hypercall_intercept_message, rdi, 88);
HV_AT(struct hv_x64_hypercall_intercept_message, xmmregisters, 96);

union hv_x64_register_access_info {
    union hv_register_value source_value;
    uint32_t destination_register;
    uint64_t source_address, destination_address;
};
HV_SIZE(union hv_x64_register_access_info, 16);

struct hv_x64_register_intercept_message {
    struct hv_x64_intercept_message_header header;
    uint8_t is_memory_op : 1, reserved : 7;
    uint8_t reserved8;
    uint16_t reserved16;
    uint32_t register_name;
    union hv_x64_register_access_info access_info;
};
HV_SIZE(struct hv_x64_register_intercept_message, 64); HV_AT(struct hv_x64_register_intercept_message, reserved8, 41);
HV_AT(struct hv_x64_register_intercept_message, reserved16, 42);
HV_AT(struct hv_x64_register_intercept_message, register_name, 44);
HV_AT(struct hv_x64_register_intercept_message, access_info, 48);

struct hv_x64_halt_message {
    struct hv_x64_intercept_message_header header;
};
HV_SIZE(struct hv_x64_halt_message, 40);

struct hv_x64_unrecoverable_exception_message {
    struct hv_x64_intercept_message_header header;
};
HV_SIZE(struct hv_x64_unrecoverable_exception_message, 40);

struct hv_x64_interruption_deliverable_message {
    struct hv_x64_intercept_message_header header;
    uint32_t deliverable_type, rsvd;
};
HV_SIZE(struct hv_x64_interruption_deliverable_message, 48);
HV_AT(struct hv_x64_interruption_deliverable_message, deliverable_type, 40);
HV_AT(struct hv_x64_interruption_deliverable_message, rsvd, 44);

struct hv_x64_sint_deliverable_message {
    struct hv_x64_intercept_message_header header;
    uint16_t deliverable_sints, rsvd1;
    uint32_t rsvd2;
};
HV_SIZE(struct hv_x64_sint_deliverable_message, 48);
HV_AT(struct hv_x64_sint_deliverable_message, deliverable_sints, 40);
HV_AT(struct hv_x64_sint_deliverable_message, rsvd1, 42); HV_AT(struct hv_x64_sint_deliverable_message, rsvd2, 44);

struct hv_x64_sipi_intercept_message {
    struct hv_x64_intercept_message_header header;
    uint32_t target_vp_index, interrupt_vector;
};
HV_SIZE(struct hv_x64_sipi_intercept_message, 48); HV_AT(struct hv_x64_sipi_intercept_message, target_vp_index, 40);
HV_AT(struct hv_x64_sipi_intercept_message, interrupt_vector, 44);

struct hv_x64_apic_eoi_message {
    uint32_t vp_index, interrupt_vector;
};
HV_SIZE(struct hv_x64_apic_eoi_message, 8); HV_AT(struct hv_x64_apic_eoi_message, interrupt_vector, 4);

struct hv_x64_invalid_vp_register_message {
    uint32_t vp_index, reserved;
};
HV_SIZE(struct hv_x64_invalid_vp_register_message, 8); HV_AT(struct hv_x64_invalid_vp_register_message, reserved, 4);

struct hv_x64_unsupported_feature_message {
    uint32_t vp_index, feature_code;
    uint64_t feature_parameter;
};
HV_SIZE(struct hv_x64_unsupported_feature_message, 16);
HV_AT(struct hv_x64_unsupported_feature_message, feature_code, 4);
HV_AT(struct hv_x64_unsupported_feature_message, feature_parameter, 8);

struct hv_opaque_intercept_message {
    uint32_t vp_index;
};
HV_SIZE(struct hv_opaque_intercept_message, 4);

union hv_gpa_page_range {
    uint64_t address_space;
    struct {
        uint64_t additional_pages : 11, largepage : 1, basepfn : 52;
    } page;
    struct {
        uint64_t reserved : 12, page_size : 1, reserved1 : 8, base_large_pfn : 43;
    };
};
HV_SIZE(union hv_gpa_page_range, 8);

struct hv_x64_gpa_attribute_intercept_message {
    uint32_t vp_index;
    uint32_t range_count : 5, adjust : 1, host_visibility : 2, memory_type : 6, reserved : 18;
    union hv_gpa_page_range ranges[29];
};
HV_SIZE(struct hv_x64_gpa_attribute_intercept_message, 240);
HV_AT(struct hv_x64_gpa_attribute_intercept_message, ranges, 8);

struct hv_vpset {
    uint64_t format, valid_bank_mask, bank_contents[];
};
HV_SIZE(struct hv_vpset, 16); HV_AT(struct hv_vpset, valid_bank_mask, 8); HV_AT(struct hv_vpset, bank_contents, 16);

// Which VPs the root scheduler has to wake: one partition, by bits.
struct hv_vp_signal_bitset_scheduler_message {
    uint64_t partition_id;
    uint32_t overflow_count;
    uint16_t vp_count, reserved;
    union {
        struct hv_vpset bitset;
        uint64_t bitset_buffer[18];
    } vp_bitset;
};
HV_SIZE(struct hv_vp_signal_bitset_scheduler_message, 160);
HV_AT(struct hv_vp_signal_bitset_scheduler_message, overflow_count, 8);
HV_AT(struct hv_vp_signal_bitset_scheduler_message, vp_count, 12);
HV_AT(struct hv_vp_signal_bitset_scheduler_message, reserved, 14);
HV_AT(struct hv_vp_signal_bitset_scheduler_message, vp_bitset, 16);
HV_AT(struct hv_vp_signal_bitset_scheduler_message, vp_bitset.bitset, 16);
HV_AT(struct hv_vp_signal_bitset_scheduler_message, vp_bitset.bitset_buffer, 16);

// Which VPs the root scheduler has to wake: pairs of partition and VP.
struct hv_vp_signal_pair_scheduler_message {
    uint32_t overflow_count;
    uint8_t vp_count, reserved1[3];
    uint64_t partition_ids[19];
    uint32_t vp_indexes[19];
    uint8_t reserved2[4];
};
HV_SIZE(struct hv_vp_signal_pair_scheduler_message, 240);
HV_AT(struct hv_vp_signal_pair_scheduler_message, vp_count, 4);
HV_AT(struct hv_vp_signal_pair_scheduler_message, reserved1, 5);
HV_AT(struct hv_vp_signal_pair_scheduler_message, partition_ids, 8);
HV_AT(struct hv_vp_signal_pair_scheduler_message, vp_indexes, 160);
HV_AT(struct hv_vp_signal_pair_scheduler_message, reserved2, 236);

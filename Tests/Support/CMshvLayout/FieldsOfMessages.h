// The fields of the structures in CHvMessages.h, by name.
#pragma once

#define HV_FIELDS_OF_MESSAGES \
    STRUCTURE(struct hv_async_completion_message_payload) \
    FIELD(struct hv_async_completion_message_payload, partition_id) \
    FIELD(struct hv_async_completion_message_payload, status) \
    FIELD(struct hv_async_completion_message_payload, completion_count) \
    FIELD(struct hv_async_completion_message_payload, sub_status) \
    STRUCTURE(union hv_gpa_page_range) FIELD(union hv_gpa_page_range, address_space) \
    FIELD(union hv_gpa_page_range, page) BITS(union hv_gpa_page_range, page.additional_pages) \
    BITS(union hv_gpa_page_range, page.largepage) BITS(union hv_gpa_page_range, page.basepfn) \
    BITS(union hv_gpa_page_range, reserved) BITS(union hv_gpa_page_range, page_size) \
    BITS(union hv_gpa_page_range, reserved1) BITS(union hv_gpa_page_range, base_large_pfn) \
    STRUCTURE(struct hv_message) FIELD(struct hv_message, header) FIELD(struct hv_message, u) \
    FIELD(struct hv_message, u.payload) \
    STRUCTURE(union hv_message_flags) FIELD(union hv_message_flags, asu8) \
    BITS(union hv_message_flags, msg_pending) BITS(union hv_message_flags, reserved) \
    STRUCTURE(struct hv_message_header) FIELD(struct hv_message_header, message_type) \
    FIELD(struct hv_message_header, payload_size) FIELD(struct hv_message_header, message_flags) \
    FIELD(struct hv_message_header, reserved) FIELD(struct hv_message_header, sender) \
    FIELD(struct hv_message_header, port) \
    STRUCTURE(struct hv_message_page) FIELD(struct hv_message_page, sint_message) \
    STRUCTURE(struct hv_notification_message_payload) FIELD(struct hv_notification_message_payload, sint_index) \
    STRUCTURE(struct hv_opaque_intercept_message) FIELD(struct hv_opaque_intercept_message, vp_index) \
    STRUCTURE(union hv_port_id) FIELD(union hv_port_id, asu32) FIELD(union hv_port_id, u) \
    BITS(union hv_port_id, u.id) BITS(union hv_port_id, u.reserved) \
    STRUCTURE(struct hv_timer_message_payload) FIELD(struct hv_timer_message_payload, timer_index) \
    FIELD(struct hv_timer_message_payload, reserved) FIELD(struct hv_timer_message_payload, expiration_time) \
    FIELD(struct hv_timer_message_payload, delivery_time) \
    STRUCTURE(struct hv_vp_signal_bitset_scheduler_message) \
    FIELD(struct hv_vp_signal_bitset_scheduler_message, partition_id) \
    FIELD(struct hv_vp_signal_bitset_scheduler_message, overflow_count) \
    FIELD(struct hv_vp_signal_bitset_scheduler_message, vp_count) \
    FIELD(struct hv_vp_signal_bitset_scheduler_message, reserved) \
    FIELD(struct hv_vp_signal_bitset_scheduler_message, vp_bitset) \
    FIELD(struct hv_vp_signal_bitset_scheduler_message, vp_bitset.bitset) \
    FIELD(struct hv_vp_signal_bitset_scheduler_message, vp_bitset.bitset_buffer) \
    STRUCTURE(struct hv_vp_signal_pair_scheduler_message) \
    FIELD(struct hv_vp_signal_pair_scheduler_message, overflow_count) \
    FIELD(struct hv_vp_signal_pair_scheduler_message, vp_count) \
    FIELD(struct hv_vp_signal_pair_scheduler_message, reserved1) \
    FIELD(struct hv_vp_signal_pair_scheduler_message, partition_ids) \
    FIELD(struct hv_vp_signal_pair_scheduler_message, vp_indexes) \
    FIELD(struct hv_vp_signal_pair_scheduler_message, reserved2) \
    STRUCTURE(struct hv_vpset) FIELD(struct hv_vpset, format) FIELD(struct hv_vpset, valid_bank_mask) \
    FLEXIBLE(struct hv_vpset, bank_contents) \
    STRUCTURE(struct hv_x64_apic_eoi_message) FIELD(struct hv_x64_apic_eoi_message, vp_index) \
    FIELD(struct hv_x64_apic_eoi_message, interrupt_vector) \
    STRUCTURE(struct hv_x64_cpuid_intercept_message) FIELD(struct hv_x64_cpuid_intercept_message, header) \
    FIELD(struct hv_x64_cpuid_intercept_message, rax) FIELD(struct hv_x64_cpuid_intercept_message, rcx) \
    FIELD(struct hv_x64_cpuid_intercept_message, rdx) FIELD(struct hv_x64_cpuid_intercept_message, rbx) \
    FIELD(struct hv_x64_cpuid_intercept_message, default_result_rax) \
    FIELD(struct hv_x64_cpuid_intercept_message, default_result_rcx) \
    FIELD(struct hv_x64_cpuid_intercept_message, default_result_rdx) \
    FIELD(struct hv_x64_cpuid_intercept_message, default_result_rbx) \
    STRUCTURE(union hv_x64_exception_info) FIELD(union hv_x64_exception_info, as_uint8) \
    BITS(union hv_x64_exception_info, error_code_valid) BITS(union hv_x64_exception_info, software_exception) \
    BITS(union hv_x64_exception_info, reserved) \
    STRUCTURE(struct hv_x64_exception_intercept_message) \
    FIELD(struct hv_x64_exception_intercept_message, header) \
    FIELD(struct hv_x64_exception_intercept_message, exception_vector) \
    FIELD(struct hv_x64_exception_intercept_message, exception_info) \
    FIELD(struct hv_x64_exception_intercept_message, instruction_byte_count) \
    FIELD(struct hv_x64_exception_intercept_message, error_code) \
    FIELD(struct hv_x64_exception_intercept_message, exception_parameter) \
    FIELD(struct hv_x64_exception_intercept_message, reserved) \
    FIELD(struct hv_x64_exception_intercept_message, instruction_bytes) \
    FIELD(struct hv_x64_exception_intercept_message, ds_segment) \
    FIELD(struct hv_x64_exception_intercept_message, ss_segment) \
    FIELD(struct hv_x64_exception_intercept_message, rax) FIELD(struct hv_x64_exception_intercept_message, rcx) \
    FIELD(struct hv_x64_exception_intercept_message, rdx) FIELD(struct hv_x64_exception_intercept_message, rbx) \
    FIELD(struct hv_x64_exception_intercept_message, rsp) FIELD(struct hv_x64_exception_intercept_message, rbp) \
    FIELD(struct hv_x64_exception_intercept_message, rsi) FIELD(struct hv_x64_exception_intercept_message, rdi) \
    FIELD(struct hv_x64_exception_intercept_message, r8) FIELD(struct hv_x64_exception_intercept_message, r9) \
    FIELD(struct hv_x64_exception_intercept_message, r10) FIELD(struct hv_x64_exception_intercept_message, r11) \
    FIELD(struct hv_x64_exception_intercept_message, r12) FIELD(struct hv_x64_exception_intercept_message, r13) \
    FIELD(struct hv_x64_exception_intercept_message, r14) FIELD(struct hv_x64_exception_intercept_message, r15) \
    STRUCTURE(struct hv_x64_gpa_attribute_intercept_message) \
    FIELD(struct hv_x64_gpa_attribute_intercept_message, vp_index) \
    BITS(struct hv_x64_gpa_attribute_intercept_message, range_count) \
    BITS(struct hv_x64_gpa_attribute_intercept_message, adjust) \
    BITS(struct hv_x64_gpa_attribute_intercept_message, host_visibility) \
    BITS(struct hv_x64_gpa_attribute_intercept_message, memory_type) \
    BITS(struct hv_x64_gpa_attribute_intercept_message, reserved) \
    FIELD(struct hv_x64_gpa_attribute_intercept_message, ranges) \
    STRUCTURE(struct hv_x64_halt_message) FIELD(struct hv_x64_halt_message, header) \
    STRUCTURE(struct hv_x64_hypercall_intercept_message) \
    FIELD(struct hv_x64_hypercall_intercept_message, header) \
    FIELD(struct hv_x64_hypercall_intercept_message, rax) FIELD(struct hv_x64_hypercall_intercept_message, rbx) \
    FIELD(struct hv_x64_hypercall_intercept_message, rcx) FIELD(struct hv_x64_hypercall_intercept_message, rdx) \
    FIELD(struct hv_x64_hypercall_intercept_message, r8) FIELD(struct hv_x64_hypercall_intercept_message, rsi) \
    FIELD(struct hv_x64_hypercall_intercept_message, rdi) \
    FIELD(struct hv_x64_hypercall_intercept_message, xmmregisters) \
    BITS(struct hv_x64_hypercall_intercept_message, isolated) \
    BITS(struct hv_x64_hypercall_intercept_message, reserved) \
    STRUCTURE(struct hv_x64_intercept_message_header) FIELD(struct hv_x64_intercept_message_header, vp_index) \
    BITS(struct hv_x64_intercept_message_header, instruction_length) \
    BITS(struct hv_x64_intercept_message_header, cr8) \
    FIELD(struct hv_x64_intercept_message_header, intercept_access_type) \
    FIELD(struct hv_x64_intercept_message_header, execution_state) \
    FIELD(struct hv_x64_intercept_message_header, cs_segment) FIELD(struct hv_x64_intercept_message_header, rip) \
    FIELD(struct hv_x64_intercept_message_header, rflags) \
    STRUCTURE(struct hv_x64_interruption_deliverable_message) \
    FIELD(struct hv_x64_interruption_deliverable_message, header) \
    FIELD(struct hv_x64_interruption_deliverable_message, deliverable_type) \
    FIELD(struct hv_x64_interruption_deliverable_message, rsvd) \
    STRUCTURE(struct hv_x64_invalid_vp_register_message) \
    FIELD(struct hv_x64_invalid_vp_register_message, vp_index) \
    FIELD(struct hv_x64_invalid_vp_register_message, reserved) \
    STRUCTURE(union hv_x64_io_port_access_info) FIELD(union hv_x64_io_port_access_info, as_uint8) \
    BITS(union hv_x64_io_port_access_info, access_size) BITS(union hv_x64_io_port_access_info, string_op) \
    BITS(union hv_x64_io_port_access_info, rep_prefix) BITS(union hv_x64_io_port_access_info, reserved) \
    STRUCTURE(struct hv_x64_io_port_intercept_message) FIELD(struct hv_x64_io_port_intercept_message, header) \
    FIELD(struct hv_x64_io_port_intercept_message, port_number) \
    FIELD(struct hv_x64_io_port_intercept_message, access_info) \
    FIELD(struct hv_x64_io_port_intercept_message, instruction_byte_count) \
    FIELD(struct hv_x64_io_port_intercept_message, reserved) FIELD(struct hv_x64_io_port_intercept_message, rax) \
    FIELD(struct hv_x64_io_port_intercept_message, instruction_bytes) \
    FIELD(struct hv_x64_io_port_intercept_message, ds_segment) \
    FIELD(struct hv_x64_io_port_intercept_message, es_segment) \
    FIELD(struct hv_x64_io_port_intercept_message, rcx) FIELD(struct hv_x64_io_port_intercept_message, rsi) \
    FIELD(struct hv_x64_io_port_intercept_message, rdi) \
    STRUCTURE(union hv_x64_memory_access_info) FIELD(union hv_x64_memory_access_info, as_uint8) \
    BITS(union hv_x64_memory_access_info, gva_valid) BITS(union hv_x64_memory_access_info, gva_gpa_valid) \
    BITS(union hv_x64_memory_access_info, hypercall_output_pending) \
    BITS(union hv_x64_memory_access_info, tlb_locked_no_overlay) BITS(union hv_x64_memory_access_info, reserved) \
    STRUCTURE(struct hv_x64_memory_intercept_message) FIELD(struct hv_x64_memory_intercept_message, header) \
    FIELD(struct hv_x64_memory_intercept_message, cache_type) \
    FIELD(struct hv_x64_memory_intercept_message, instruction_byte_count) \
    FIELD(struct hv_x64_memory_intercept_message, memory_access_info) \
    FIELD(struct hv_x64_memory_intercept_message, tpr_priority) \
    FIELD(struct hv_x64_memory_intercept_message, reserved1) \
    FIELD(struct hv_x64_memory_intercept_message, guest_virtual_address) \
    FIELD(struct hv_x64_memory_intercept_message, guest_physical_address) \
    FIELD(struct hv_x64_memory_intercept_message, instruction_bytes) \
    STRUCTURE(struct hv_x64_msr_intercept_message) FIELD(struct hv_x64_msr_intercept_message, header) \
    FIELD(struct hv_x64_msr_intercept_message, msr_number) FIELD(struct hv_x64_msr_intercept_message, reserved) \
    FIELD(struct hv_x64_msr_intercept_message, rdx) FIELD(struct hv_x64_msr_intercept_message, rax) \
    STRUCTURE(union hv_x64_register_access_info) FIELD(union hv_x64_register_access_info, source_value) \
    FIELD(union hv_x64_register_access_info, destination_register) \
    FIELD(union hv_x64_register_access_info, source_address) \
    FIELD(union hv_x64_register_access_info, destination_address) \
    STRUCTURE(struct hv_x64_register_intercept_message) FIELD(struct hv_x64_register_intercept_message, header) \
    BITS(struct hv_x64_register_intercept_message, is_memory_op) \
    BITS(struct hv_x64_register_intercept_message, reserved) \
    FIELD(struct hv_x64_register_intercept_message, reserved8) \
    FIELD(struct hv_x64_register_intercept_message, reserved16) \
    FIELD(struct hv_x64_register_intercept_message, register_name) \
    FIELD(struct hv_x64_register_intercept_message, access_info) \
    STRUCTURE(struct hv_x64_sint_deliverable_message) FIELD(struct hv_x64_sint_deliverable_message, header) \
    FIELD(struct hv_x64_sint_deliverable_message, deliverable_sints) \
    FIELD(struct hv_x64_sint_deliverable_message, rsvd1) FIELD(struct hv_x64_sint_deliverable_message, rsvd2) \
    STRUCTURE(struct hv_x64_sipi_intercept_message) FIELD(struct hv_x64_sipi_intercept_message, header) \
    FIELD(struct hv_x64_sipi_intercept_message, target_vp_index) \
    FIELD(struct hv_x64_sipi_intercept_message, interrupt_vector) \
    STRUCTURE(struct hv_x64_unrecoverable_exception_message) \
    FIELD(struct hv_x64_unrecoverable_exception_message, header) \
    STRUCTURE(struct hv_x64_unsupported_feature_message) \
    FIELD(struct hv_x64_unsupported_feature_message, vp_index) \
    FIELD(struct hv_x64_unsupported_feature_message, feature_code) \
    FIELD(struct hv_x64_unsupported_feature_message, feature_parameter) \
    STRUCTURE(union hv_x64_vp_execution_state) FIELD(union hv_x64_vp_execution_state, as_uint16) \
    BITS(union hv_x64_vp_execution_state, cpl) BITS(union hv_x64_vp_execution_state, cr0_pe) \
    BITS(union hv_x64_vp_execution_state, cr0_am) BITS(union hv_x64_vp_execution_state, efer_lma) \
    BITS(union hv_x64_vp_execution_state, debug_active) \
    BITS(union hv_x64_vp_execution_state, interruption_pending) BITS(union hv_x64_vp_execution_state, vtl) \
    BITS(union hv_x64_vp_execution_state, enclave_mode) BITS(union hv_x64_vp_execution_state, interrupt_shadow) \
    BITS(union hv_x64_vp_execution_state, virtualization_fault_active) \
    BITS(union hv_x64_vp_execution_state, reserved)

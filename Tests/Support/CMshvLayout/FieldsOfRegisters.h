// The fields of the structures in CHvRegisters.h and CHvState.h, by name.
#pragma once

#define HV_FIELDS_OF_REGISTERS \
    STRUCTURE(union hv_dispatch_suspend_register) FIELD(union hv_dispatch_suspend_register, as_uint64) \
    BITS(union hv_dispatch_suspend_register, suspended) BITS(union hv_dispatch_suspend_register, reserved) \
    STRUCTURE(union hv_explicit_suspend_register) FIELD(union hv_explicit_suspend_register, as_uint64) \
    BITS(union hv_explicit_suspend_register, suspended) BITS(union hv_explicit_suspend_register, reserved) \
    STRUCTURE(union hv_intercept_parameters) FIELD(union hv_intercept_parameters, as_uint64) \
    FIELD(union hv_intercept_parameters, io_port) FIELD(union hv_intercept_parameters, cpuid_index) \
    FIELD(union hv_intercept_parameters, apic_write_mask) FIELD(union hv_intercept_parameters, exception_vector) \
    FIELD(union hv_intercept_parameters, msr_index) \
    STRUCTURE(union hv_intercept_suspend_register) FIELD(union hv_intercept_suspend_register, as_uint64) \
    BITS(union hv_intercept_suspend_register, suspended) BITS(union hv_intercept_suspend_register, reserved) \
    STRUCTURE(union hv_internal_activity_register) FIELD(union hv_internal_activity_register, as_uint64) \
    BITS(union hv_internal_activity_register, startup_suspend) \
    BITS(union hv_internal_activity_register, halt_suspend) \
    BITS(union hv_internal_activity_register, idle_suspend) BITS(union hv_internal_activity_register, rsvd_z) \
    STRUCTURE(union hv_interrupt_control) FIELD(union hv_interrupt_control, as_uint64) \
    FIELD(union hv_interrupt_control, interrupt_type) BITS(union hv_interrupt_control, level_triggered) \
    BITS(union hv_interrupt_control, logical_dest_mode) BITS(union hv_interrupt_control, rsvd) \
    STRUCTURE(struct hv_local_interrupt_controller_state) \
    FIELD(struct hv_local_interrupt_controller_state, apic_id) \
    FIELD(struct hv_local_interrupt_controller_state, apic_version) \
    FIELD(struct hv_local_interrupt_controller_state, apic_ldr) \
    FIELD(struct hv_local_interrupt_controller_state, apic_dfr) \
    FIELD(struct hv_local_interrupt_controller_state, apic_spurious) \
    FIELD(struct hv_local_interrupt_controller_state, apic_isr) \
    FIELD(struct hv_local_interrupt_controller_state, apic_tmr) \
    FIELD(struct hv_local_interrupt_controller_state, apic_irr) \
    FIELD(struct hv_local_interrupt_controller_state, apic_esr) \
    FIELD(struct hv_local_interrupt_controller_state, apic_icr_high) \
    FIELD(struct hv_local_interrupt_controller_state, apic_icr_low) \
    FIELD(struct hv_local_interrupt_controller_state, apic_lvt_timer) \
    FIELD(struct hv_local_interrupt_controller_state, apic_lvt_thermal) \
    FIELD(struct hv_local_interrupt_controller_state, apic_lvt_perfmon) \
    FIELD(struct hv_local_interrupt_controller_state, apic_lvt_lint0) \
    FIELD(struct hv_local_interrupt_controller_state, apic_lvt_lint1) \
    FIELD(struct hv_local_interrupt_controller_state, apic_lvt_error) \
    FIELD(struct hv_local_interrupt_controller_state, apic_lvt_cmci) \
    FIELD(struct hv_local_interrupt_controller_state, apic_error_status) \
    FIELD(struct hv_local_interrupt_controller_state, apic_initial_count) \
    FIELD(struct hv_local_interrupt_controller_state, apic_counter_value) \
    FIELD(struct hv_local_interrupt_controller_state, apic_divide_configuration) \
    FIELD(struct hv_local_interrupt_controller_state, apic_remote_read) \
    STRUCTURE(struct hv_register_assoc) FIELD(struct hv_register_assoc, name) \
    FIELD(struct hv_register_assoc, reserved1) FIELD(struct hv_register_assoc, reserved2) \
    FIELD(struct hv_register_assoc, value) \
    STRUCTURE(union hv_register_intercept_result_parameters) \
    FIELD(union hv_register_intercept_result_parameters, cpuid) \
    FIELD(union hv_register_intercept_result_parameters, msr) \
    STRUCTURE(union hv_register_value) FIELD(union hv_register_value, reg128) \
    FIELD(union hv_register_value, reg64) FIELD(union hv_register_value, reg32) \
    FIELD(union hv_register_value, reg16) FIELD(union hv_register_value, reg8) \
    FIELD(union hv_register_value, segment) FIELD(union hv_register_value, table) \
    FIELD(union hv_register_value, explicit_suspend) FIELD(union hv_register_value, intercept_suspend) \
    FIELD(union hv_register_value, dispatch_suspend) FIELD(union hv_register_value, interrupt_state) \
    FIELD(union hv_register_value, pending_interruption) FIELD(union hv_register_value, internal_activity) \
    FIELD(union hv_register_value, pending_exception_event) FIELD(union hv_register_value, fp) \
    FIELD(union hv_register_value, fp_control_status) FIELD(union hv_register_value, xmm_control_status) \
    STRUCTURE(struct hv_register_x64_cpuid_result_parameters) \
    FIELD(struct hv_register_x64_cpuid_result_parameters, input) \
    FIELD(struct hv_register_x64_cpuid_result_parameters, input.eax) \
    FIELD(struct hv_register_x64_cpuid_result_parameters, input.ecx) \
    FIELD(struct hv_register_x64_cpuid_result_parameters, input.subleaf_specific) \
    FIELD(struct hv_register_x64_cpuid_result_parameters, input.always_override) \
    FIELD(struct hv_register_x64_cpuid_result_parameters, input.padding) \
    FIELD(struct hv_register_x64_cpuid_result_parameters, result) \
    FIELD(struct hv_register_x64_cpuid_result_parameters, result.eax) \
    FIELD(struct hv_register_x64_cpuid_result_parameters, result.eax_mask) \
    FIELD(struct hv_register_x64_cpuid_result_parameters, result.ebx) \
    FIELD(struct hv_register_x64_cpuid_result_parameters, result.ebx_mask) \
    FIELD(struct hv_register_x64_cpuid_result_parameters, result.ecx) \
    FIELD(struct hv_register_x64_cpuid_result_parameters, result.ecx_mask) \
    FIELD(struct hv_register_x64_cpuid_result_parameters, result.edx) \
    FIELD(struct hv_register_x64_cpuid_result_parameters, result.edx_mask) \
    STRUCTURE(struct hv_register_x64_msr_result_parameters) \
    FIELD(struct hv_register_x64_msr_result_parameters, msr_index) \
    FIELD(struct hv_register_x64_msr_result_parameters, access_type) \
    FIELD(struct hv_register_x64_msr_result_parameters, action) \
    STRUCTURE(struct hv_stats_page) FIELD(struct hv_stats_page, data) \
    STRUCTURE(struct hv_stimer_state) FIELD(struct hv_stimer_state, flags) \
    BITS(struct hv_stimer_state, flags.undelivered_msg_pending) BITS(struct hv_stimer_state, flags.reserved) \
    FIELD(struct hv_stimer_state, resvd) FIELD(struct hv_stimer_state, config) \
    FIELD(struct hv_stimer_state, count) FIELD(struct hv_stimer_state, adjustment) \
    FIELD(struct hv_stimer_state, undelivered_exp_time) \
    STRUCTURE(union hv_synic_event_flags) FIELD(union hv_synic_event_flags, flags8) \
    FIELD(union hv_synic_event_flags, flags32) FIELD(union hv_synic_event_flags, flags) \
    STRUCTURE(struct hv_synic_event_flags_page) FIELD(struct hv_synic_event_flags_page, event_flags) \
    STRUCTURE(struct hv_synic_event_ring) FIELD(struct hv_synic_event_ring, signal_masked) \
    FIELD(struct hv_synic_event_ring, ring_full) FIELD(struct hv_synic_event_ring, reserved_z) \
    FIELD(struct hv_synic_event_ring, data) \
    STRUCTURE(struct hv_synic_event_ring_page) FIELD(struct hv_synic_event_ring_page, sint_event_ring) \
    STRUCTURE(union hv_synic_scontrol) FIELD(union hv_synic_scontrol, as_uint64) \
    BITS(union hv_synic_scontrol, enable) BITS(union hv_synic_scontrol, reserved) \
    STRUCTURE(union hv_synic_siefp) FIELD(union hv_synic_siefp, as_uint64) \
    BITS(union hv_synic_siefp, siefp_enabled) BITS(union hv_synic_siefp, preserved) \
    BITS(union hv_synic_siefp, base_siefp_gpa) \
    STRUCTURE(union hv_synic_simp) FIELD(union hv_synic_simp, as_uint64) BITS(union hv_synic_simp, simp_enabled) \
    BITS(union hv_synic_simp, preserved) BITS(union hv_synic_simp, base_simp_gpa) \
    STRUCTURE(union hv_synic_sint) FIELD(union hv_synic_sint, as_uint64) BITS(union hv_synic_sint, vector) \
    BITS(union hv_synic_sint, reserved1) BITS(union hv_synic_sint, masked) BITS(union hv_synic_sint, auto_eoi) \
    BITS(union hv_synic_sint, polling) BITS(union hv_synic_sint, as_intercept) BITS(union hv_synic_sint, proxy) \
    BITS(union hv_synic_sint, reserved2) \
    STRUCTURE(struct hv_synthetic_timers_state) FIELD(struct hv_synthetic_timers_state, timers) \
    FIELD(struct hv_synthetic_timers_state, reserved) \
    STRUCTURE(union hv_translate_gva_result) FIELD(union hv_translate_gva_result, as_uint64) \
    FIELD(union hv_translate_gva_result, result_code) BITS(union hv_translate_gva_result, cache_type) \
    BITS(union hv_translate_gva_result, overlay_page) BITS(union hv_translate_gva_result, reserved) \
    STRUCTURE(struct hv_u128) FIELD(struct hv_u128, low_part) FIELD(struct hv_u128, high_part) \
    STRUCTURE(struct hv_vp_register_page) FIELD(struct hv_vp_register_page, version) \
    FIELD(struct hv_vp_register_page, isvalid) FIELD(struct hv_vp_register_page, rsvdz) \
    FIELD(struct hv_vp_register_page, dirty) FIELD(struct hv_vp_register_page, rax) \
    FIELD(struct hv_vp_register_page, rcx) FIELD(struct hv_vp_register_page, rdx) \
    FIELD(struct hv_vp_register_page, rbx) FIELD(struct hv_vp_register_page, rsp) \
    FIELD(struct hv_vp_register_page, rbp) FIELD(struct hv_vp_register_page, rsi) \
    FIELD(struct hv_vp_register_page, rdi) FIELD(struct hv_vp_register_page, r8) \
    FIELD(struct hv_vp_register_page, r9) FIELD(struct hv_vp_register_page, r10) \
    FIELD(struct hv_vp_register_page, r11) FIELD(struct hv_vp_register_page, r12) \
    FIELD(struct hv_vp_register_page, r13) FIELD(struct hv_vp_register_page, r14) \
    FIELD(struct hv_vp_register_page, r15) FIELD(struct hv_vp_register_page, gp_registers) \
    FIELD(struct hv_vp_register_page, rip) FIELD(struct hv_vp_register_page, rflags) \
    FIELD(struct hv_vp_register_page, registers) FIELD(struct hv_vp_register_page, reserved) \
    FIELD(struct hv_vp_register_page, xmm0) FIELD(struct hv_vp_register_page, xmm1) \
    FIELD(struct hv_vp_register_page, xmm2) FIELD(struct hv_vp_register_page, xmm3) \
    FIELD(struct hv_vp_register_page, xmm4) FIELD(struct hv_vp_register_page, xmm5) \
    FIELD(struct hv_vp_register_page, xmm_registers) FIELD(struct hv_vp_register_page, es) \
    FIELD(struct hv_vp_register_page, cs) FIELD(struct hv_vp_register_page, ss) \
    FIELD(struct hv_vp_register_page, ds) FIELD(struct hv_vp_register_page, fs) \
    FIELD(struct hv_vp_register_page, gs) FIELD(struct hv_vp_register_page, segment_registers) \
    FIELD(struct hv_vp_register_page, cr0) FIELD(struct hv_vp_register_page, cr3) \
    FIELD(struct hv_vp_register_page, cr4) FIELD(struct hv_vp_register_page, cr8) \
    FIELD(struct hv_vp_register_page, efer) FIELD(struct hv_vp_register_page, dr7) \
    FIELD(struct hv_vp_register_page, pending_interruption) FIELD(struct hv_vp_register_page, interrupt_state) \
    FIELD(struct hv_vp_register_page, instruction_emulation_hints) FIELD(struct hv_vp_register_page, xfem) \
    FIELD(struct hv_vp_register_page, reserved1) FIELD(struct hv_vp_register_page, interrupt_vectors) \
    STRUCTURE(union hv_vp_register_page_interrupt_vectors) \
    FIELD(union hv_vp_register_page_interrupt_vectors, as_uint64) \
    FIELD(union hv_vp_register_page_interrupt_vectors, vector_count) \
    FIELD(union hv_vp_register_page_interrupt_vectors, vector) \
    STRUCTURE(union hv_x64_fp_control_status_register) \
    FIELD(union hv_x64_fp_control_status_register, as_uint128) \
    FIELD(union hv_x64_fp_control_status_register, fp_control) \
    FIELD(union hv_x64_fp_control_status_register, fp_status) \
    FIELD(union hv_x64_fp_control_status_register, fp_tag) \
    FIELD(union hv_x64_fp_control_status_register, reserved) \
    FIELD(union hv_x64_fp_control_status_register, last_fp_op) \
    FIELD(union hv_x64_fp_control_status_register, last_fp_rip) \
    FIELD(union hv_x64_fp_control_status_register, last_fp_eip) \
    FIELD(union hv_x64_fp_control_status_register, last_fp_cs) \
    FIELD(union hv_x64_fp_control_status_register, padding) \
    STRUCTURE(union hv_x64_fp_register) FIELD(union hv_x64_fp_register, as_uint128) \
    FIELD(union hv_x64_fp_register, mantissa) BITS(union hv_x64_fp_register, biased_exponent) \
    BITS(union hv_x64_fp_register, sign) BITS(union hv_x64_fp_register, reserved) \
    STRUCTURE(union hv_x64_interrupt_state_register) FIELD(union hv_x64_interrupt_state_register, as_uint64) \
    BITS(union hv_x64_interrupt_state_register, interrupt_shadow) \
    BITS(union hv_x64_interrupt_state_register, nmi_masked) \
    BITS(union hv_x64_interrupt_state_register, reserved) \
    STRUCTURE(union hv_x64_pending_exception_event) FIELD(union hv_x64_pending_exception_event, as_uint64) \
    BITS(union hv_x64_pending_exception_event, event_pending) \
    BITS(union hv_x64_pending_exception_event, event_type) BITS(union hv_x64_pending_exception_event, reserved0) \
    BITS(union hv_x64_pending_exception_event, deliver_error_code) \
    BITS(union hv_x64_pending_exception_event, reserved1) BITS(union hv_x64_pending_exception_event, vector) \
    FIELD(union hv_x64_pending_exception_event, error_code) \
    FIELD(union hv_x64_pending_exception_event, exception_parameter) \
    STRUCTURE(union hv_x64_pending_interruption_register) \
    FIELD(union hv_x64_pending_interruption_register, as_uint64) \
    BITS(union hv_x64_pending_interruption_register, interruption_pending) \
    BITS(union hv_x64_pending_interruption_register, interruption_type) \
    BITS(union hv_x64_pending_interruption_register, deliver_error_code) \
    BITS(union hv_x64_pending_interruption_register, instruction_length) \
    BITS(union hv_x64_pending_interruption_register, nested_event) \
    BITS(union hv_x64_pending_interruption_register, reserved) \
    BITS(union hv_x64_pending_interruption_register, interruption_vector) \
    FIELD(union hv_x64_pending_interruption_register, error_code) \
    STRUCTURE(struct hv_x64_segment_register) FIELD(struct hv_x64_segment_register, base) \
    FIELD(struct hv_x64_segment_register, limit) FIELD(struct hv_x64_segment_register, selector) \
    BITS(struct hv_x64_segment_register, segment_type) BITS(struct hv_x64_segment_register, non_system_segment) \
    BITS(struct hv_x64_segment_register, descriptor_privilege_level) \
    BITS(struct hv_x64_segment_register, present) BITS(struct hv_x64_segment_register, reserved) \
    BITS(struct hv_x64_segment_register, available) BITS(struct hv_x64_segment_register, _long) \
    BITS(struct hv_x64_segment_register, _default) BITS(struct hv_x64_segment_register, granularity) \
    FIELD(struct hv_x64_segment_register, attributes) \
    STRUCTURE(struct hv_x64_table_register) FIELD(struct hv_x64_table_register, pad) \
    FIELD(struct hv_x64_table_register, limit) FIELD(struct hv_x64_table_register, base) \
    STRUCTURE(union hv_x64_xmm_control_status_register) \
    FIELD(union hv_x64_xmm_control_status_register, as_uint128) \
    FIELD(union hv_x64_xmm_control_status_register, last_fp_rdp) \
    FIELD(union hv_x64_xmm_control_status_register, last_fp_dp) \
    FIELD(union hv_x64_xmm_control_status_register, last_fp_ds) \
    FIELD(union hv_x64_xmm_control_status_register, padding) \
    FIELD(union hv_x64_xmm_control_status_register, xmm_status_control) \
    FIELD(union hv_x64_xmm_control_status_register, xmm_status_control_mask) \
    STRUCTURE(union hv_x64_xsave_xfem_register) FIELD(union hv_x64_xsave_xfem_register, as_uint64) \
    FIELD(union hv_x64_xsave_xfem_register, low_uint32) FIELD(union hv_x64_xsave_xfem_register, high_uint32) \
    BITS(union hv_x64_xsave_xfem_register, legacy_x87) BITS(union hv_x64_xsave_xfem_register, legacy_sse) \
    BITS(union hv_x64_xsave_xfem_register, avx) BITS(union hv_x64_xsave_xfem_register, mpx_bndreg) \
    BITS(union hv_x64_xsave_xfem_register, mpx_bndcsr) BITS(union hv_x64_xsave_xfem_register, avx_512_op_mask) \
    BITS(union hv_x64_xsave_xfem_register, avx_512_zmmhi) \
    BITS(union hv_x64_xsave_xfem_register, avx_512_zmm16_31) BITS(union hv_x64_xsave_xfem_register, rsvd8_9) \
    BITS(union hv_x64_xsave_xfem_register, pasid) BITS(union hv_x64_xsave_xfem_register, cet_u) \
    BITS(union hv_x64_xsave_xfem_register, cet_s) BITS(union hv_x64_xsave_xfem_register, rsvd13_16) \
    BITS(union hv_x64_xsave_xfem_register, xtile_cfg) BITS(union hv_x64_xsave_xfem_register, xtile_data) \
    BITS(union hv_x64_xsave_xfem_register, rsvd19_63)

// The fields of the structures in CMshvRoot.h, CMshvVTL.h and CMshvLegacy.h, by name.
#pragma once

#define HV_FIELDS_OF_REQUESTS \
    STRUCTURE(struct mshv_assert_interrupt) FIELD(struct mshv_assert_interrupt, control) \
    FIELD(struct mshv_assert_interrupt, dest_addr) FIELD(struct mshv_assert_interrupt, vector) \
    FIELD(struct mshv_assert_interrupt, rsvd) \
    STRUCTURE(struct mshv_complete_isolated_import) FIELD(struct mshv_complete_isolated_import, import_data) \
    STRUCTURE(struct mshv_create_device) FIELD(struct mshv_create_device, type) \
    FIELD(struct mshv_create_device, fd) FIELD(struct mshv_create_device, flags) \
    STRUCTURE(struct mshv_create_partition) FIELD(struct mshv_create_partition, pt_flags) \
    FIELD(struct mshv_create_partition, pt_isolation) \
    STRUCTURE(struct mshv_create_partition_v2) FIELD(struct mshv_create_partition_v2, pt_flags) \
    FIELD(struct mshv_create_partition_v2, pt_isolation) \
    FIELD(struct mshv_create_partition_v2, pt_num_cpu_fbanks) FIELD(struct mshv_create_partition_v2, pt_rsvd) \
    FIELD(struct mshv_create_partition_v2, pt_cpu_fbanks) FIELD(struct mshv_create_partition_v2, pt_rsvd1) \
    FIELD(struct mshv_create_partition_v2, pt_disabled_xsave) \
    STRUCTURE(struct mshv_create_vp) FIELD(struct mshv_create_vp, vp_index) \
    STRUCTURE(struct mshv_device_attr) FIELD(struct mshv_device_attr, flags) \
    FIELD(struct mshv_device_attr, group) FIELD(struct mshv_device_attr, attr) \
    FIELD(struct mshv_device_attr, addr) \
    STRUCTURE(struct mshv_get_set_vp_state) FIELD(struct mshv_get_set_vp_state, type) \
    FIELD(struct mshv_get_set_vp_state, rsvd) FIELD(struct mshv_get_set_vp_state, buf_sz) \
    FIELD(struct mshv_get_set_vp_state, buf_ptr) \
    STRUCTURE(struct mshv_get_vp_cpuid_values) FIELD(struct mshv_get_vp_cpuid_values, function) \
    FIELD(struct mshv_get_vp_cpuid_values, index) FIELD(struct mshv_get_vp_cpuid_values, xfem) \
    FIELD(struct mshv_get_vp_cpuid_values, xss) FIELD(struct mshv_get_vp_cpuid_values, eax) \
    FIELD(struct mshv_get_vp_cpuid_values, ebx) FIELD(struct mshv_get_vp_cpuid_values, ecx) \
    FIELD(struct mshv_get_vp_cpuid_values, edx) \
    STRUCTURE(struct mshv_gpap_access_bitmap) FIELD(struct mshv_gpap_access_bitmap, access_type) \
    FIELD(struct mshv_gpap_access_bitmap, access_op) FIELD(struct mshv_gpap_access_bitmap, rsvd) \
    FIELD(struct mshv_gpap_access_bitmap, page_count) FIELD(struct mshv_gpap_access_bitmap, gpap_base) \
    FIELD(struct mshv_gpap_access_bitmap, bitmap_ptr) \
    STRUCTURE(struct mshv_import_isolated_pages) FIELD(struct mshv_import_isolated_pages, page_type) \
    FIELD(struct mshv_import_isolated_pages, rsvd) FIELD(struct mshv_import_isolated_pages, page_count) \
    FLEXIBLE(struct mshv_import_isolated_pages, guest_pfns) \
    STRUCTURE(struct mshv_install_intercept) FIELD(struct mshv_install_intercept, access_type_mask) \
    FIELD(struct mshv_install_intercept, intercept_type) \
    FIELD(struct mshv_install_intercept, intercept_parameter) \
    STRUCTURE(struct mshv_issue_psp_guest_request) FIELD(struct mshv_issue_psp_guest_request, req_gpa) \
    FIELD(struct mshv_issue_psp_guest_request, rsp_gpa) \
    STRUCTURE(struct mshv_modify_gpa_host_access) FIELD(struct mshv_modify_gpa_host_access, flags) \
    FIELD(struct mshv_modify_gpa_host_access, rsvd) FIELD(struct mshv_modify_gpa_host_access, page_count) \
    FLEXIBLE(struct mshv_modify_gpa_host_access, guest_pfns) \
    STRUCTURE(struct mshv_partition_property) FIELD(struct mshv_partition_property, property_code) \
    FIELD(struct mshv_partition_property, property_value) \
    STRUCTURE(struct mshv_post_message_direct) FIELD(struct mshv_post_message_direct, vp) \
    FIELD(struct mshv_post_message_direct, vtl) FIELD(struct mshv_post_message_direct, sint) \
    FIELD(struct mshv_post_message_direct, length) FIELD(struct mshv_post_message_direct, message) \
    STRUCTURE(struct mshv_read_write_gpa) FIELD(struct mshv_read_write_gpa, base_gpa) \
    FIELD(struct mshv_read_write_gpa, byte_count) FIELD(struct mshv_read_write_gpa, flags) \
    FIELD(struct mshv_read_write_gpa, data) \
    STRUCTURE(struct mshv_register_deliverabilty_notifications) \
    FIELD(struct mshv_register_deliverabilty_notifications, vp) \
    FIELD(struct mshv_register_deliverabilty_notifications, pad) \
    FIELD(struct mshv_register_deliverabilty_notifications, flag) \
    STRUCTURE(struct mshv_register_intercept_result) \
    FIELD(struct mshv_register_intercept_result, intercept_type) \
    FIELD(struct mshv_register_intercept_result, parameters) \
    STRUCTURE(struct mshv_root_hvcall) FIELD(struct mshv_root_hvcall, code) FIELD(struct mshv_root_hvcall, reps) \
    FIELD(struct mshv_root_hvcall, in_sz) FIELD(struct mshv_root_hvcall, out_sz) \
    FIELD(struct mshv_root_hvcall, status) FIELD(struct mshv_root_hvcall, rsvd) \
    FIELD(struct mshv_root_hvcall, in_ptr) FIELD(struct mshv_root_hvcall, out_ptr) \
    STRUCTURE(struct mshv_run_vp) FIELD(struct mshv_run_vp, msg_buf) \
    STRUCTURE(struct mshv_sev_snp_ap_create) FIELD(struct mshv_sev_snp_ap_create, vp_id) \
    FIELD(struct mshv_sev_snp_ap_create, vmsa_gpa) \
    STRUCTURE(struct mshv_signal_event_direct) FIELD(struct mshv_signal_event_direct, vp) \
    FIELD(struct mshv_signal_event_direct, vtl) FIELD(struct mshv_signal_event_direct, sint) \
    FIELD(struct mshv_signal_event_direct, flag) FIELD(struct mshv_signal_event_direct, newly_signaled) \
    STRUCTURE(struct mshv_sint_mask) FIELD(struct mshv_sint_mask, mask) FIELD(struct mshv_sint_mask, reserved) \
    STRUCTURE(struct mshv_trace_config) FIELD(struct mshv_trace_config, mode) \
    FIELD(struct mshv_trace_config, max_buffers_count) FIELD(struct mshv_trace_config, pages_per_buffer) \
    FIELD(struct mshv_trace_config, buffers_threshold) FIELD(struct mshv_trace_config, time_basis) \
    FIELD(struct mshv_trace_config, system_time) \
    STRUCTURE(struct mshv_translate_gva) FIELD(struct mshv_translate_gva, gva) \
    FIELD(struct mshv_translate_gva, flags) FIELD(struct mshv_translate_gva, result) \
    FIELD(struct mshv_translate_gva, gpa) \
    STRUCTURE(struct mshv_user_ioeventfd) FIELD(struct mshv_user_ioeventfd, datamatch) \
    FIELD(struct mshv_user_ioeventfd, addr) FIELD(struct mshv_user_ioeventfd, len) \
    FIELD(struct mshv_user_ioeventfd, fd) FIELD(struct mshv_user_ioeventfd, flags) \
    FIELD(struct mshv_user_ioeventfd, rsvd) \
    STRUCTURE(struct mshv_user_irq_entry) FIELD(struct mshv_user_irq_entry, gsi) \
    FIELD(struct mshv_user_irq_entry, address_lo) FIELD(struct mshv_user_irq_entry, address_hi) \
    FIELD(struct mshv_user_irq_entry, data) \
    STRUCTURE(struct mshv_user_irq_table) FIELD(struct mshv_user_irq_table, nr) \
    FIELD(struct mshv_user_irq_table, rsvd) FLEXIBLE(struct mshv_user_irq_table, entries) \
    STRUCTURE(struct mshv_user_irqfd) FIELD(struct mshv_user_irqfd, fd) \
    FIELD(struct mshv_user_irqfd, resamplefd) FIELD(struct mshv_user_irqfd, gsi) \
    FIELD(struct mshv_user_irqfd, flags) \
    STRUCTURE(struct mshv_user_mem_region) FIELD(struct mshv_user_mem_region, size) \
    FIELD(struct mshv_user_mem_region, guest_pfn) FIELD(struct mshv_user_mem_region, userspace_addr) \
    FIELD(struct mshv_user_mem_region, flags) FIELD(struct mshv_user_mem_region, rsvd) \
    STRUCTURE(struct mshv_vp_registers) FIELD(struct mshv_vp_registers, count) \
    FIELD(struct mshv_vp_registers, reserved) FIELD(struct mshv_vp_registers, regs_ptr) \
    STRUCTURE(struct mshv_vtl_capabilities) FIELD(struct mshv_vtl_capabilities, bits) \
    STRUCTURE(struct mshv_vtl_hvcall) FIELD(struct mshv_vtl_hvcall, control) \
    FIELD(struct mshv_vtl_hvcall, input_size) FIELD(struct mshv_vtl_hvcall, input_ptr) \
    FIELD(struct mshv_vtl_hvcall, status) FIELD(struct mshv_vtl_hvcall, output_size) \
    FIELD(struct mshv_vtl_hvcall, output_ptr) \
    STRUCTURE(struct mshv_vtl_hvcall_setup) FIELD(struct mshv_vtl_hvcall_setup, bitmap_array_size) \
    FIELD(struct mshv_vtl_hvcall_setup, allow_bitmap_ptr) \
    STRUCTURE(struct mshv_vtl_ram_disposition) FIELD(struct mshv_vtl_ram_disposition, start_pfn) \
    FIELD(struct mshv_vtl_ram_disposition, last_pfn) \
    STRUCTURE(struct mshv_vtl_set_eventfd) FIELD(struct mshv_vtl_set_eventfd, fd) \
    FIELD(struct mshv_vtl_set_eventfd, flag) \
    STRUCTURE(struct mshv_vtl_set_poll_file) FIELD(struct mshv_vtl_set_poll_file, cpu) \
    FIELD(struct mshv_vtl_set_poll_file, fd) \
    STRUCTURE(struct mshv_vtl_signal_event) FIELD(struct mshv_vtl_signal_event, connection_id) \
    FIELD(struct mshv_vtl_signal_event, flag) \
    STRUCTURE(struct mshv_vtl_sint_post_msg) FIELD(struct mshv_vtl_sint_post_msg, message_type) \
    FIELD(struct mshv_vtl_sint_post_msg, connection_id) FIELD(struct mshv_vtl_sint_post_msg, payload_size) \
    FIELD(struct mshv_vtl_sint_post_msg, payload_ptr)

// What only rust-vmm's bindings name: requests of the interface before the one in Linux. Linux refuses them (ENOTTY).
#pragma once
#include "CMshvRoot.h"
#include "CMshvVTL.h"

struct mshv_partition_property {
    uint64_t property_code, property_value;
};
HV_SIZE(struct mshv_partition_property, 16); HV_AT(struct mshv_partition_property, property_value, 8);

struct mshv_create_device {
    uint32_t type, fd, flags;
};
HV_SIZE(struct mshv_create_device, 12); HV_AT(struct mshv_create_device, fd, 4);
HV_AT(struct mshv_create_device, flags, 8);

struct mshv_device_attr {
    uint32_t flags, group;
    uint64_t attr, addr;
};
HV_SIZE(struct mshv_device_attr, 24); HV_AT(struct mshv_device_attr, group, 4);
HV_AT(struct mshv_device_attr, attr, 8); HV_AT(struct mshv_device_attr, addr, 16);

struct mshv_modify_gpa_host_access {
    uint8_t flags, rsvd[7];
    uint64_t page_count, guest_pfns[];
};
HV_SIZE(struct mshv_modify_gpa_host_access, 16); HV_AT(struct mshv_modify_gpa_host_access, rsvd, 1);
HV_AT(struct mshv_modify_gpa_host_access, page_count, 8); HV_AT(struct mshv_modify_gpa_host_access, guest_pfns, 16);

struct mshv_import_isolated_pages {
    uint8_t page_type, rsvd[7];
    uint64_t page_count, guest_pfns[];
};
HV_SIZE(struct mshv_import_isolated_pages, 16); HV_AT(struct mshv_import_isolated_pages, rsvd, 1);
HV_AT(struct mshv_import_isolated_pages, page_count, 8); HV_AT(struct mshv_import_isolated_pages, guest_pfns, 16);

struct mshv_install_intercept {
    uint32_t access_type_mask, intercept_type;
    union hv_intercept_parameters intercept_parameter;
};
HV_SIZE(struct mshv_install_intercept, 16); HV_AT(struct mshv_install_intercept, intercept_type, 4);
HV_AT(struct mshv_install_intercept, intercept_parameter, 8);

struct mshv_assert_interrupt {
    union hv_interrupt_control control;
    uint64_t dest_addr;
    uint32_t vector, rsvd;
};
HV_SIZE(struct mshv_assert_interrupt, 24); HV_AT(struct mshv_assert_interrupt, dest_addr, 8);
HV_AT(struct mshv_assert_interrupt, vector, 16); HV_AT(struct mshv_assert_interrupt, rsvd, 20);

// Data for AMD's security processor, which this project does not interpret.
struct mshv_complete_isolated_import {
    uint8_t import_data[3334];
};
HV_SIZE(struct mshv_complete_isolated_import, 3334);

struct mshv_issue_psp_guest_request {
    uint64_t req_gpa, rsp_gpa;
};
HV_SIZE(struct mshv_issue_psp_guest_request, 16); HV_AT(struct mshv_issue_psp_guest_request, rsp_gpa, 8);

struct mshv_sev_snp_ap_create {
    uint64_t vp_id, vmsa_gpa;
};
HV_SIZE(struct mshv_sev_snp_ap_create, 16); HV_AT(struct mshv_sev_snp_ap_create, vmsa_gpa, 8);

struct mshv_signal_event_direct {
    uint32_t vp;
    uint8_t vtl, sint;
    uint16_t flag;
    uint8_t newly_signaled;
};
HV_SIZE(struct mshv_signal_event_direct, 12); HV_AT(struct mshv_signal_event_direct, vtl, 4);
HV_AT(struct mshv_signal_event_direct, sint, 5); HV_AT(struct mshv_signal_event_direct, flag, 6);
HV_AT(struct mshv_signal_event_direct, newly_signaled, 8);

struct mshv_post_message_direct {
    uint32_t vp;
    uint8_t vtl, sint;
    uint16_t length;
    const uint8_t *message;
};
HV_SIZE(struct mshv_post_message_direct, 16); HV_AT(struct mshv_post_message_direct, vtl, 4);
HV_AT(struct mshv_post_message_direct, sint, 5); HV_AT(struct mshv_post_message_direct, length, 6);
HV_AT(struct mshv_post_message_direct, message, 8);

struct mshv_register_deliverabilty_notifications {
    uint32_t vp, pad;
    uint64_t flag;
};
HV_SIZE(struct mshv_register_deliverabilty_notifications, 16);
HV_AT(struct mshv_register_deliverabilty_notifications, pad, 4);
HV_AT(struct mshv_register_deliverabilty_notifications, flag, 8);

struct mshv_register_intercept_result {
    uint32_t intercept_type;
    union hv_register_intercept_result_parameters parameters;
};
HV_SIZE(struct mshv_register_intercept_result, 48); HV_AT(struct mshv_register_intercept_result, parameters, 4);

struct mshv_get_vp_cpuid_values {
    uint32_t function, index;
    uint64_t xfem, xss;
    uint32_t eax, ebx, ecx, edx;
};
HV_SIZE(struct mshv_get_vp_cpuid_values, 40); HV_AT(struct mshv_get_vp_cpuid_values, index, 4);
HV_AT(struct mshv_get_vp_cpuid_values, xfem, 8); HV_AT(struct mshv_get_vp_cpuid_values, xss, 16);
HV_AT(struct mshv_get_vp_cpuid_values, eax, 24); HV_AT(struct mshv_get_vp_cpuid_values, ebx, 28);
HV_AT(struct mshv_get_vp_cpuid_values, ecx, 32); HV_AT(struct mshv_get_vp_cpuid_values, edx, 36);

struct mshv_read_write_gpa {
    uint64_t base_gpa;
    uint32_t byte_count, flags;
    uint8_t data[16];
};
HV_SIZE(struct mshv_read_write_gpa, 32); HV_AT(struct mshv_read_write_gpa, byte_count, 8);
HV_AT(struct mshv_read_write_gpa, flags, 12); HV_AT(struct mshv_read_write_gpa, data, 16);

struct mshv_vtl_capabilities {
    uint64_t bits;
};
HV_SIZE(struct mshv_vtl_capabilities, 8);

struct mshv_trace_config {
    uint32_t mode, max_buffers_count, pages_per_buffer, buffers_threshold, time_basis;
    uint64_t system_time;
};
HV_SIZE(struct mshv_trace_config, 32); HV_AT(struct mshv_trace_config, max_buffers_count, 4);
HV_AT(struct mshv_trace_config, pages_per_buffer, 8); HV_AT(struct mshv_trace_config, buffers_threshold, 12);
HV_AT(struct mshv_trace_config, time_basis, 16); HV_AT(struct mshv_trace_config, system_time, 24);

static const unsigned long HV_MSHV_DEVICE_GET_HOST_PARTITION_PROPERTY =
    _IOWR(HV_MSHV_MAGIC, 0x01, struct mshv_partition_property);
static const unsigned long HV_MSHV_PARTITION_CREATE_DEVICE = _IOWR(HV_MSHV_MAGIC, 0x08, struct mshv_create_device);
static const unsigned long HV_MSHV_PARTITION_MODIFY_GPA_HOST_ACCESS =
    _IOW(HV_MSHV_MAGIC, 0x09, struct mshv_modify_gpa_host_access);
static const unsigned long HV_MSHV_PARTITION_IMPORT_ISOLATED_PAGES =
    _IOW(HV_MSHV_MAGIC, 0x0A, struct mshv_import_isolated_pages);
static const unsigned long HV_MSHV_PARTITION_INSTALL_INTERCEPT =
    _IOW(HV_MSHV_MAGIC, 0xF0, struct mshv_install_intercept);
static const unsigned long HV_MSHV_PARTITION_ASSERT_INTERRUPT =
    _IOW(HV_MSHV_MAGIC, 0xF1, struct mshv_assert_interrupt);
static const unsigned long HV_MSHV_PARTITION_SET_PROPERTY = _IOW(HV_MSHV_MAGIC, 0xF2, struct mshv_partition_property);
static const unsigned long HV_MSHV_PARTITION_GET_PROPERTY = _IOWR(HV_MSHV_MAGIC, 0xF3, struct mshv_partition_property);
static const unsigned long HV_MSHV_PARTITION_COMPLETE_ISOLATED_IMPORT =
    _IOW(HV_MSHV_MAGIC, 0xF4, struct mshv_complete_isolated_import);
static const unsigned long HV_MSHV_PARTITION_ISSUE_PSP_GUEST_REQUEST =
    _IOW(HV_MSHV_MAGIC, 0xF5, struct mshv_issue_psp_guest_request);
static const unsigned long HV_MSHV_PARTITION_SEV_SNP_AP_CREATE =
    _IOW(HV_MSHV_MAGIC, 0xF6, struct mshv_sev_snp_ap_create);
static const unsigned long HV_MSHV_PARTITION_SIGNAL_EVENT_DIRECT =
    _IOWR(HV_MSHV_MAGIC, 0xF7, struct mshv_signal_event_direct);
static const unsigned long HV_MSHV_PARTITION_POST_MESSAGE_DIRECT =
    _IOW(HV_MSHV_MAGIC, 0xF8, struct mshv_post_message_direct);
static const unsigned long HV_MSHV_PARTITION_REGISTER_DELIVERABILITY_NOTIFICATIONS =
    _IOW(HV_MSHV_MAGIC, 0xF9, struct mshv_register_deliverabilty_notifications);
static const unsigned long HV_MSHV_VP_GET_REGISTERS = _IOWR(HV_MSHV_MAGIC, 0xF0, struct mshv_vp_registers);
static const unsigned long HV_MSHV_VP_SET_REGISTERS = _IOW(HV_MSHV_MAGIC, 0xF1, struct mshv_vp_registers);
static const unsigned long HV_MSHV_VP_REGISTER_INTERCEPT_RESULT =
    _IOW(HV_MSHV_MAGIC, 0xF3, struct mshv_register_intercept_result);
static const unsigned long HV_MSHV_VP_GET_CPUID_VALUES = _IOWR(HV_MSHV_MAGIC, 0xF4, struct mshv_get_vp_cpuid_values);
static const unsigned long HV_MSHV_VP_READ_GPA = _IOWR(HV_MSHV_MAGIC, 0xF5, struct mshv_read_write_gpa);
static const unsigned long HV_MSHV_VP_WRITE_GPA = _IOW(HV_MSHV_MAGIC, 0xF6, struct mshv_read_write_gpa);
static const unsigned long HV_MSHV_GENERIC_DEVICE_SET_ATTR = _IOW(HV_MSHV_MAGIC, 0x00, struct mshv_device_attr);
static const unsigned long HV_MSHV_GENERIC_DEVICE_GET_ATTR = _IOW(HV_MSHV_MAGIC, 0x01, struct mshv_device_attr);
static const unsigned long HV_MSHV_GENERIC_DEVICE_HAS_ATTR = _IOW(HV_MSHV_MAGIC, 0x02, struct mshv_device_attr);

/// The structures of the table that CMshv does not have (beside the inputs and outputs of calls, which HypercallABI lays
/// out), and why.
enum WithoutCStructure {
    static let reasons: [(String, [String])] = [
        (
            "part of a call's input or output: laid out by HypercallABI with the call",
            [
                "hv_deposit_memory", "hv_create_vp", "hv_enable_vp_vtl", "hv_init_vp_context",
                "hv_get_vp_from_apic_id_in", "hv_retarget_device_interrupt", "hv_interrupt_entry",
                "hv_device_interrupt_target", "hv_device_interrupt_descriptor", "hv_device_id", "hv_pci_bdf",
                "hv_pci_bus_range", "hv_msi_address_register", "hv_msi_data_register", "hv_msi_entry",
                "hv_ioapic_rte", "hv_connection_id", "hv_port_info", "hv_connection_info",
                "hv_stats_object_identity", "hv_pfn_range", "hv_proximity_domain_flags", "hv_proximity_domain_info",
                "hv_gpa_page_access_state_flags", "hv_gpa_page_access_state", "hv_partition_creation_properties",
                "hv_partition_isolation_properties", "hv_partition_processor_features",
                "hv_partition_synthetic_processor_features", "hv_partition_processor_xsave_features",
                "hv_partition_property_arg", "hv_partition_property_ex", "hv_partition_property_vmm_capabilities",
                "hv_vp_state_data", "hv_vp_state_data_xsave", "hv_translate_gva_result_ex", "hv_cpuid_leaf_info",
                "hv_get_vp_cpuid_values_flags", "hv_access_gpa_result", "hv_access_gpa_control_flags",
                "hv_device_domain_id", "hv_create_device_domain_flags", "hv_device_domain_settings",
                "hv_attdev_flags", "hv_dev_pci_caps",
                "hv_mmio_read_input", "hv_mmio_read_output", "hv_mmio_write_input",
            ]
        ),
        (
            "between a guest and the hypervisor: no root reads or writes it for a child",
            [
                "hv_reference_tsc_msr", "ms_hyperv_tsc_page", "hv_x64_msr_hypercall_contents",
                "hv_vp_assist_msr_contents", "hv_vp_assist_page", "hv_nested_enlightenments_control", "hv_send_ipi",
                "hv_send_ipi_ex",
                "hv_stimer_config", "hv_synic_sirbp", "hv_x64_msr_npiep_config_contents",
            ]
        ),
        ("read from CPUID by HypervisorCPUID.swift", ["hv_hypervisor_version_info"]),
        (
            "between the root's kernel and the hypervisor: power, crash dumps and processors of the host",
            [
                "hv_sleep_state_info", "hv_partition_event_root_crashdump_input", "hv_crashdump_area",
                "hv_partition_event_input", "hv_lp_startup_status",
            ]
        ),
        ("arm64", ["hv_arm64_pending_synthetic_exception_event"]),
        (
            "isolated and trust-level guests (SEV-SNP, VSM): this project makes no such partitions",
            [
                "hv_register_vsm_partition_config", "hv_x64_pending_virtualization_fault_event",
                "hv_x64_register_sev_control", "hv_x64_register_sev_ghcb", "hv_x64_register_sev_hv_doorbell",
                "hv_snp_guest_policy", "hv_snp_id_block", "hv_snp_id_auth_info", "hv_psp_launch_finish_data",
                "hv_partition_complete_isolated_import_data", "hv_x64_vmgexit_intercept_message",
                "hv_psp_cpuid_leaf", "hv_psp_cpuid_page", "hv_sev_vmgexit_offload",
            ]
        ),
    ]
}

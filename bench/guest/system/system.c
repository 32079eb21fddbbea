/* SPDX-License-Identifier: Apache-2.0 */
#include "system.h"

const struct workload system_workloads[] = {
    {"page-tables", prepare_pages, page_tables_round},
    {"syscall", prepare_system_calls, system_calls_round},
    {"int-iret", NULL, interrupts_round},
    {"page-fault", prepare_page_faults, page_faults_round},
    {"self-ipi", prepare_self_interrupts, self_interrupts_round},
    {"timer-10khz", prepare_timer, timer_round},
    {"timer-one-shot", prepare_one_shot, one_shot_round},
    {"ipi-round-trip", prepare_second_cpu, between_cpus_round},
    {"cr3-reload", prepare_pages, page_table_loads_round},
    {"invlpg", prepare_pages, page_changes_round},
    {"port-write", NULL, port_writes_round},
    {"lapic-read", NULL, apic_reads_round},
    {"ioapic-read", NULL, ioapic_reads_round},
    {"cpuid", NULL, cpuids_round},
    {"rdtsc", NULL, time_stamps_round},
    {"self-modify", NULL, patches_round},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that leave the straight path of a CPU: OPERATIONS of them a round. */
#ifndef SYSTEM_H
#define SYSTEM_H

#include "../guest.h"
#include "../paging.h"
#include "../workload.h"

uint64_t system_calls_round(void);
uint64_t interrupts_round(void);
uint64_t page_faults_round(void);
uint64_t self_interrupts_round(void);
uint64_t timer_round(void);
uint64_t one_shot_round(void);
uint64_t between_cpus_round(void);
uint64_t page_tables_round(void);
uint64_t page_table_loads_round(void);
uint64_t page_changes_round(void);
uint64_t port_writes_round(void);
uint64_t apic_reads_round(void);
uint64_t ioapic_reads_round(void);
uint64_t cpuids_round(void);
uint64_t time_stamps_round(void);
uint64_t patches_round(void);

void prepare_system_calls(void);
void prepare_page_faults(void);
void prepare_self_interrupts(void);
void prepare_timer(void);
void prepare_one_shot(void);
void prepare_second_cpu(void);
void prepare_pages(void);

#endif
